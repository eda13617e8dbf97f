"""The rules' patterns against events as AWS documents them: each is heard by its own rule, and by no other."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from codegen.cloudformation.events import patterns
from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.events import parse
from rheodsl import SNS, Application, CWAlarm, GlueTable

BUCKET, ACCOUNT = "amzn-s3-demo-bucket1", "111122223333"
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
SAMPLES: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text("utf-8")) for file in sorted(Path(__file__).parent.glob("*.json"))
}
DAY = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}


def application(completion: Any = "example-key") -> Application:
    """An application of which each sample is an event."""
    app = Application("samples")
    app.s3("objects", f"s3://{BUCKET}/folder", completion=completion, account_id=ACCOUNT)
    both = {"day": {"type": "DATETIME", "format": "%Y-%m-%d", "country": {"type": "STRING"}}}
    app.marshal_external_data(GlueTable("d1", "t1", location="s3://x/t1"), "table", both)
    app.marshal_external_alarm(CWAlarm(name="ServerCpuTooHigh"), "cpu")
    app.marshal_external_alarm(CWAlarm(name="ServiceAggregatedAlarm"), "aggregated")
    app.marshal_external_data(SNS(TOPIC), "told", DAY)
    for name in ("objects", "table", "told"):
        app.create_data(f"of_{name}", app[name], compute_targets="output = spark.range(1)")
    for name in ("cpu", "aggregated"):
        app.create_data(f"of_{name}", app[name]["ALARM"], compute_targets="output = spark.range(1)")
    return app


def rules(app: Application) -> dict[str, dict[str, Any]]:
    return dict(patterns(route_table(app.graph()), []))


def sample(name: str) -> dict[str, Any]:
    """The event of a sample; an object of it lies in the folder that the application declares."""
    event: dict[str, Any] = copy.deepcopy(SAMPLES[name]["event"])
    if event["source"] == "aws.s3":
        event["detail"]["object"]["key"] = f"folder/{event['detail']['object']['key']}"
    return event


def hears(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """What moto makes of a pattern, which we did not write."""
    from moto.events.models import EventPattern

    return bool(EventPattern.load(json.dumps(pattern)).matches_event(event))  # type: ignore[arg-type]


HEARD = {
    "s3-object-created": "objects", "s3-object-created-multipart": "objects", "s3-object-created-copy": "objects",
    "s3-object-deleted": "objects", "s3-object-deleted-by-lifecycle": "objects",
    "cloudwatch-alarm": "alarms", "cloudwatch-composite-alarm": "alarms",
    "glue-partitions-created": "catalog", "glue-table-updated": "catalog",
}  # fmt: skip
OTHERS = {"s3-object-restore-completed", "s3-object-tags-added"}  # no partition comes or goes by them
NO_BUS = {"s3-notification", "sns-notification"}  # these come by topics


def test_every_sample_is_of_one_of_these_kinds_and_names_its_source() -> None:
    assert SAMPLES.keys() == HEARD.keys() | OTHERS | NO_BUS
    assert all(one["source"].startswith("https://docs.aws.amazon.com/") for one in SAMPLES.values())


@pytest.mark.parametrize("name", sorted([*HEARD, *OTHERS]))
def test_a_sample_is_heard_by_its_rule_alone(name: str) -> None:
    event = sample(name)
    heard = [rule for rule, pattern in rules(application()).items() if hears(pattern, event)]
    assert heard == ([HEARD[name]] if name in HEARD else [])


@pytest.mark.parametrize("name", ["s3-object-created", "cloudwatch-alarm", "glue-partitions-created"])
def test_what_is_of_something_else_is_not_heard(name: str) -> None:
    """The pattern does narrow: the same event of another bucket, alarm or table."""
    text = json.dumps(sample(name))
    for mine in (BUCKET, "ServerCpuTooHigh", '"t1"'):
        text = text.replace(mine, '"other"' if mine == '"t1"' else "other")
    event = json.loads(text)
    assert not any(hears(pattern, event) for pattern in rules(application()).values())


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_listener_reads_every_sample(name: str) -> None:
    """None is malformed: what it carries is read, or it means nothing here."""
    found = [type(one).__name__ for one in parse(SAMPLES[name]["event"])]
    expected = {
        "s3-notification": ["S3Event"], "sns-notification": [], "glue-partitions-created": ["GlueEvent"] * 2,
        "glue-table-updated": ["GlueEvent"], "cloudwatch-alarm": ["AlarmEvent"], "cloudwatch-composite-alarm": ["AlarmEvent"],
    }.get(name, ["S3Deletion" if "deleted" in name else "S3Event" if "created" in name else None])  # fmt: skip
    assert found == [kind for kind in expected if kind]


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("s3-object-created", "of_objects"),
        ("cloudwatch-alarm", "of_cpu"),
        ("glue-partitions-created", "of_table"),
    ],
)
def test_a_sample_starts_its_node(name: str, node: str) -> None:
    outcome = Engine(route_table(application().graph()), now=lambda: 1.8e9).on_event(sample(name))
    assert {document["node"] for document in outcome.fired} == {node}


@pytest.mark.parametrize("completion", ["all done", "done=1", "fertig_ü"])
@pytest.mark.parametrize("encode", [str, quote], ids=["plain", "encoded"])
def test_names_of_completion_objects_are_heard_in_either_form(completion: str, encode: Any) -> None:
    """The rule comes before the listener: what it does not hear, nobody can decode."""
    event = sample("s3-object-created")
    event["detail"]["object"]["key"] = encode(f"folder/{completion}")
    assert [r for r, pattern in rules(application([completion])).items() if hears(pattern, event)] == [
        "objects"
    ]
