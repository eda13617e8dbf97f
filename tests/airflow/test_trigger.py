"""Announcing executions to an Airflow that is there, is not there, is busy, or is another one now."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from support.airflow import Airflow, Run, fault, refusal

from rheo_runtime.airflow_client import Announcer, Refused, Unavailable, dag_id, partition_key, run_ids

DOCUMENT = {
    "version": 1, "app": "flights", "node": "fw", "id": "fw/EWR/2013-01-01#1", "partition": "EWR/2013-01-01",
    "generation": 1, "output": {}, "inputs": [{"paths": ["s3://" + "x" * 1000]}],
}  # fmt: skip
TOLD = {k: DOCUMENT[k] for k in ("version", "app", "node", "id", "partition", "generation")}


def posts(airflow: Airflow) -> list[tuple[str, Any]]:
    return [(call["Path"], call["Body"]) for call in airflow.calls if call["Method"] == "POST"]


def test_a_node_with_a_trigger_asset_gets_an_event() -> None:
    airflow = Airflow("flights", "fw_more", "fw")
    announcer = Announcer(airflow, "prod")
    announcer.announce(DOCUMENT)
    announcer.announce(DOCUMENT)
    event = {"asset_id": 2, "partition_key": "EWR/2013-01-01", "extra": TOLD}
    assert posts(airflow) == [("/assets/events", event)] * 2
    assert sum(call["Path"] == "/assets" for call in airflow.calls) == 1  # remembered
    assert {call["Name"] for call in airflow.calls} == {"prod"}


def test_an_asset_that_has_another_id_now_is_looked_up_again() -> None:
    airflow = Airflow("flights", "fw")
    announcer = Announcer(airflow, "prod")
    announcer.announce(DOCUMENT)
    airflow.forget()
    announcer.announce(DOCUMENT)
    assert [body["asset_id"] for _, body in posts(airflow)] == [1, 1, 2]


def test_a_node_without_a_trigger_asset_gets_a_run_of_its_own_id() -> None:
    airflow = Airflow("flights", "fw", assets=False)
    announcer = Announcer(airflow, "prod")
    announcer.announce(DOCUMENT)
    run = {"dag_run_id": "rheo~EWR~2013-01-01~1", "logical_date": None, "conf": {"rheo": TOLD}}
    assert posts(airflow) == [("/dags/flights__fw/dagRuns", run)]
    announcer.announce(DOCUMENT)  # already there: nothing to say
    assert len(airflow.runs) == 1


def test_a_dag_that_is_not_there_yet_is_tried_again_later() -> None:
    airflow = Airflow("flights", "fw")
    airflow.parsed = False
    announcer = Announcer(airflow, "prod")
    with pytest.raises(Unavailable, match="no DAG of fw yet"):
        announcer.announce(DOCUMENT)
    airflow.parsed = True
    announcer.announce(DOCUMENT)
    assert posts(airflow)[-1][0] == "/assets/events"


def test_a_dag_that_is_gone_is_tried_again_later() -> None:
    airflow = Airflow("flights", "fw")
    announcer = Announcer(airflow, "prod")
    announcer.announce(DOCUMENT)
    airflow.faults["POST /assets/events"] = [refusal(404)] * 2
    with pytest.raises(Unavailable):
        announcer.announce(DOCUMENT)


@pytest.mark.parametrize(
    "error",
    [
        fault("ThrottlingException", 429),
        refusal(503),
        refusal(429),
        fault("InternalServerException", 500),
        ReadTimeoutError(endpoint_url="https://airflow"),
        TimeoutError("ten seconds"),
    ],
)
@pytest.mark.parametrize("call", ["GET /assets", "POST /assets/events"])
def test_what_may_pass_is_tried_again(error: Exception, call: str) -> None:
    airflow = Airflow("flights", "fw")
    airflow.faults[call] = [error]
    announcer = Announcer(airflow, "prod")
    with pytest.raises(Unavailable):
        announcer.announce(DOCUMENT)
    announcer.announce(DOCUMENT)
    assert posts(airflow)[-1][1]["asset_id"] == 1


@pytest.mark.parametrize(
    "error",
    [
        fault("AccessDeniedException", 403),
        fault("ResourceNotFoundException", 404),  # the environment, not the asset
        refusal(422),
        refusal(409),
    ],
)
def test_what_will_not_pass_is_refused(error: Exception) -> None:
    airflow = Airflow("flights", "fw")
    airflow.faults["POST /assets/events"] = [error]
    with pytest.raises(Refused, match="POST /assets/events"):
        Announcer(airflow, "prod").announce(DOCUMENT)


def test_the_state_of_a_run() -> None:
    airflow = Airflow("flights", "fw")
    airflow.runs = [Run("flights__fw", "r10", state="running"), Run("flights__fw", "r1", state="failed")]
    announcer = Announcer(airflow, "prod")
    assert announcer.state("flights", "fw", "r1") == "failed"
    assert announcer.state("flights", "fw", "r") is None
    assert airflow.calls[0]["QueryParameters"] == {"run_id_pattern": "r1", "limit": 100}
    airflow.parsed = False
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
