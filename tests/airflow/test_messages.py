"""Texts from events in messages: what a service refuses, or reads as a command, does not reach it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from rheo_airflow.tasks import claim, messages, settings


def document(region: str) -> dict[str, Any]:
    return {
        "app": "shop", "id": f"n/{region}#1", "node": "n", "partition": region, "generation": 1,
        "output": {"dimensions": {"region": region}, "path": f"s3://b/n/{region}"}, "inputs": [],
    }  # fmt: skip


class Client:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def publish(self, **request: Any) -> dict[str, str]:
        self.sent.append(request)
        return {"MessageId": "m"}

    send_email = put_object = publish


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(settings, "client", lambda service: made)
    return made


@pytest.mark.parametrize(
    ("region", "subject"),
    [
        ("EU", "done EU"),
        ("São Paulo", "done São Paulo"),
        ("a\nb", "done a b"),
        ("a\x00b", "done a b"),
        ("x" * 120, f"done {'x' * 91}..."),
    ],
)
def test_a_subject_is_one_line_that_the_service_takes(client: Client, region: str, subject: str) -> None:
    messages.send_sns(document(region), topic="t", message="m", subject="done {region}")
    messages.send_email(
        document(region), sender="a@b.c", recipients=["a@b.c"], subject="done {region}", body="x"
    )
    sns, mail = client.sent
    assert sns["Subject"] == mail["Message"]["Subject"]["Data"] == subject
    assert len(subject) < 100


def test_an_attribute_without_a_value_is_left_out(client: Client) -> None:
    messages.send_sns(document("EU"), topic="t", message="m", attributes={"empty": "", "region": "{region}"})
    assert client.sent[0]["MessageAttributes"].keys() == {"app", "node", "region"}


def test_an_execution_that_is_too_large_for_a_message_is_told_without_its_paths(client: Client) -> None:
    paths = [f"s3://lake/orders/{n:06}/{'é' * 20}" for n in range(10_000)]
    large = {**document("EU"), "inputs": [{"alias": "orders", "paths": paths}]}
    messages.send_sns(large, topic="t")
    stored, sent = client.sent
    told = json.loads(sent["Message"])
    assert len(sent["Message"].encode()) < 1_000
    assert told == {
        **large,
        "inputs": [{"alias": "orders", "paths": []}],
        "stored": "s3://b/executions/n/EU/1.json",
    }
    assert json.loads(stored["Body"]) == large, "there it is as a whole"
    assert claim.told(document("EU")) == document("EU")


def test_a_value_calls_nobody_in_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[dict[str, Any]] = []

    class Answer:
        def close(self) -> None: ...

    def urlopen(request: urllib.request.Request, timeout: float) -> Answer:
        assert isinstance(request.data, bytes)
        posted.append(json.loads(request.data))
        return Answer()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(messages, "_webhook", lambda connection, secret: "https://hooks.example/1")
    messages.send_slack(document("<!channel>"), message="<!here> {region} is done: {output}", connection="c")
    # What the author of the pipeline writes is meant; what a folder is called is not.
    assert posted == [{"text": "<!here> &lt;!channel&gt; is done: s3://b/n/&lt;!channel&gt;"}]
