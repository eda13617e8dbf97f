"""Announcing executions to an Airflow that is there, is not there, is busy, or is another one now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime.trigger import Announcer, Refused, Unavailable, dag_id, partition_key, run_ids

DOCUMENT = {
    "version": 1, "app": "flights", "node": "fw", "id": "fw/EWR/2013-01-01#1", "partition": "EWR/2013-01-01",
    "generation": 1, "output": {}, "inputs": [{"paths": ["s3://" + "x" * 1000]}],
}  # fmt: skip
TOLD = {k: DOCUMENT[k] for k in ("version", "app", "node", "id", "partition", "generation")}


def fault(code: str, status: int | None = None, http: int = 400) -> ClientError:
    answer: dict[str, Any] = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": http}}
    if status is not None:
        answer |= {"RestApiStatusCode": status, "RestApiResponse": {"detail": "why"}}
    return ClientError(answer, "InvokeRestApi")  # type: ignore[arg-type]


class FakeMwaa:
    """An environment whose answers are given in advance, by method and path."""

    def __init__(self, **assets: int) -> None:
        self.assets = assets
        self.faults: dict[str, list[Exception]] = {}
        self.calls: list[Mapping[str, Any]] = []

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        self.calls.append(call)
        what = f"{call['Method']} {call['Path']}"
        if self.faults.get(what):
            raise self.faults[what].pop(0)
        answer: Any = {}
        if what == "GET /assets":
            answer = {"assets": [{"id": i, "uri": f"rheo://flights/{n}"} for n, i in self.assets.items()]}
        if what == "GET /dags/flights__fw/dagRuns":
            answer = {
                "dag_runs": [
                    {"dag_run_id": "r10", "state": "running"},
                    {"dag_run_id": "r1", "state": "failed"},
                ]
            }
        return {"RestApiStatusCode": 200, "RestApiResponse": answer}

    def posts(self) -> list[tuple[str, Any]]:
        return [(c["Path"], c["Body"]) for c in self.calls if c["Method"] == "POST"]


def test_a_node_with_a_trigger_asset_gets_an_event() -> None:
    mwaa = FakeMwaa(fw_more=3, fw=7)
    announcer = Announcer(mwaa, "prod")
    announcer.announce(DOCUMENT)
    announcer.announce(DOCUMENT)
    event = {"asset_id": 7, "partition_key": "EWR/2013-01-01", "extra": TOLD}
    assert mwaa.posts() == [("/assets/events", event)] * 2
    assert sum(call["Path"] == "/assets" for call in mwaa.calls) == 1  # remembered
    assert {call["Name"] for call in mwaa.calls} == {"prod"}


def test_an_asset_that_has_another_id_now_is_looked_up_again() -> None:
    mwaa = FakeMwaa(fw=7)
    announcer = Announcer(mwaa, "prod")
    announcer.announce(DOCUMENT)
    mwaa.assets["fw"] = 9
    mwaa.faults["POST /assets/events"] = [fault("RestApiClientException", 404)]
    announcer.announce(DOCUMENT)
    assert [body["asset_id"] for _, body in mwaa.posts()] == [7, 7, 9]


def test_a_node_without_a_trigger_asset_gets_a_run_of_its_own_id() -> None:
    mwaa = FakeMwaa()
    announcer = Announcer(mwaa, "prod")
    announcer.announce(DOCUMENT)
    run = {"dag_run_id": "rheo~EWR~2013-01-01~1", "logical_date": None, "conf": {"rheo": TOLD}}
    assert mwaa.posts() == [("/dags/flights__fw/dagRuns", run)]
    mwaa.faults["POST /dags/flights__fw/dagRuns"] = [fault("RestApiClientException", 409)]
    announcer.announce(DOCUMENT)  # already there: nothing to say


def test_a_dag_that_is_not_there_yet_is_tried_again_later() -> None:
    mwaa = FakeMwaa()
    mwaa.faults["POST /dags/flights__fw/dagRuns"] = [fault("RestApiClientException", 404)]
    announcer = Announcer(mwaa, "prod")
    with pytest.raises(Unavailable, match="no DAG of fw yet"):
        announcer.announce(DOCUMENT)
    mwaa.assets["fw"] = 1  # parsed meanwhile, with its asset
    announcer.announce(DOCUMENT)
    assert mwaa.posts()[-1][0] == "/assets/events"


def test_a_dag_that_is_gone_is_tried_again_later() -> None:
    mwaa = FakeMwaa(fw=7)
    announcer = Announcer(mwaa, "prod")
    announcer.announce(DOCUMENT)
    mwaa.faults["POST /assets/events"] = [fault("RestApiClientException", 404)] * 2
    with pytest.raises(Unavailable):
        announcer.announce(DOCUMENT)


@pytest.mark.parametrize(
    "error",
    [
        fault("ThrottlingException", http=429),
        fault("RestApiServerException", 503),
        fault("RestApiClientException", 429),
        fault("InternalServerException", http=500),
        ReadTimeoutError(endpoint_url="https://airflow"),
        TimeoutError("ten seconds"),
    ],
)
@pytest.mark.parametrize("call", ["GET /assets", "POST /assets/events"])
def test_what_may_pass_is_tried_again(error: Exception, call: str) -> None:
    mwaa = FakeMwaa(fw=7)
    mwaa.faults[call] = [error]
    announcer = Announcer(mwaa, "prod")
    with pytest.raises(Unavailable):
        announcer.announce(DOCUMENT)
    announcer.announce(DOCUMENT)
    assert mwaa.posts()[-1][1]["asset_id"] == 7


@pytest.mark.parametrize(
    "error",
    [
        fault("AccessDeniedException", http=403),
        fault("ResourceNotFoundException", http=404),  # the environment, not the asset
        fault("RestApiClientException", 422),
        fault("RestApiClientException", 409),
    ],
)
def test_what_will_not_pass_is_refused(error: Exception) -> None:
    mwaa = FakeMwaa(fw=7)
    mwaa.faults["POST /assets/events"] = [error]
    with pytest.raises(Refused, match="POST /assets/events"):
        Announcer(mwaa, "prod").announce(DOCUMENT)


def test_the_state_of_a_run() -> None:
    mwaa = FakeMwaa()
    announcer = Announcer(mwaa, "prod")
    assert announcer.state("flights", "fw", "r1") == "failed"
    assert announcer.state("flights", "fw", "r") is None
    assert mwaa.calls[0]["QueryParameters"] == {"run_id_pattern": "r1", "limit": 100}
    mwaa.faults["GET /dags/flights__fw/dagRuns"] = [fault("RestApiClientException", 404)]
    with pytest.raises(Unavailable):
        announcer.state("flights", "fw", "r1")


def test_boto3_answers_and_faults_are_understood() -> None:
    client = boto3.client("mwaa", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response(
            "invoke_rest_api", {"RestApiStatusCode": 200, "RestApiResponse": {"assets": []}},
            {"Name": "prod", "Path": "/assets", "Method": "GET",
             "QueryParameters": {"uri_pattern": "rheo://flights/fw", "limit": 100}},
        )  # fmt: skip
        stub.add_client_error(
            "invoke_rest_api", "RestApiServerException", modeled_fields={"RestApiStatusCode": 504}
        )
        with pytest.raises(Unavailable, match="504"):
            Announcer(client, "prod").announce(DOCUMENT)


partitions = st.text(min_size=1).filter(str.strip) | st.text("a/~.", min_size=1)


@given(partitions, partitions, st.integers(1, 3), st.integers(1, 3))
def test_run_ids_are_airflows_and_unique(a: str, b: str, m: int, n: int) -> None:
    ids = [next(run_ids({"partition": p, "generation": g})) for p, g in ((a, m), (b, n))]
    again = [list(islice(run_ids({"partition": p, "generation": g}), 1, 4)) for p, g in ((a, m), (b, n))]
    assert len({*ids, *again[0], *again[1]}) == (4 if (a, m) == (b, n) else 8)
    assert all(re.fullmatch(r"[A-Za-z0-9_.~:+-]{1,250}", i) for i in ids)
    assert not any(i.startswith(("scheduled__", "manual__", "asset_triggered__")) for i in ids)
    assert (ids[0] == ids[1]) == ((a, m) == (b, n))


@given(partitions, partitions)
def test_keys_are_airflows_and_unique(a: str, b: str) -> None:
    assert 1 <= len(partition_key(a)) <= 250
    assert partition_key(a).strip()
    assert (partition_key(a) == partition_key(b)) == (a == b)


@given(st.text("ab_", min_size=1, max_size=60), st.text("ab_", min_size=1, max_size=60))
def test_dag_ids_are_short_and_a_path_of_mwaa_holds_them(app: str, node: str) -> None:
    assert len(f"/dags/{dag_id(app, node)}/dagRuns") <= 64
