"""The fake Airflow answers as Airflow's API reference says, and MWAA in front of it as boto3 has it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .airflow import FAILED, Airflow, Run, fault

RUNS = "/dags/shop__daily/dagRuns"
BODY: dict[str, Any] = {"dag_run_id": "r", "logical_date": None, "conf": {"rheo": {}}}
EVENT = {"asset_id": 1, "partition_key": "EWR", "extra": {"node": "daily"}}


@pytest.fixture
def airflow() -> Airflow:
    return Airflow("shop", "daily", "weekly")


def ask(airflow: Airflow, method: str, path: str, body: Any = None, **query: Any) -> Any:
    call = {"Name": "prod", "Method": method, "Path": path, "Body": body, "QueryParameters": query}
    return airflow.invoke_rest_api(**call)["RestApiResponse"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("POST", "/dags/no/dagRuns", BODY, 404, "Dag with dag_id: 'no' not found"),
        ("GET", "/dags/no/dagRuns", None, 404, "The Dag with ID: `no` was not found"),
        ("PATCH", "/dags/no", {"is_paused": True}, 404, "Dag with id: no was not found"),
        ("POST", "/assets/events", {**EVENT, "asset_id": 9}, 404, "Asset with ID: `9` was not found"),
        ("GET", "/nothing", None, 404, "Not Found"),
        ("POST", RUNS, {"dag_run_id": "r"}, 422, "Field required"),
        ("POST", RUNS, {**BODY, "dag_run_id": "there"}, 409, "Unique constraint violation"),
        ("PATCH", f"{RUNS}/r", {"state": FAILED}, 404,
         "The DagRun with dag_id: `shop__daily` and run_id: `r` was not found"),
    ],
)  # fmt: skip
def test_what_airflow_refuses(
    airflow: Airflow, method: str, path: str, body: Any, status: int, detail: str
) -> None:
    airflow.runs.append(Run("shop__daily", "there"))
    with pytest.raises(ClientError) as refused:
        ask(airflow, method, path, body)
    answer: Any = refused.value.response
    assert answer["Error"]["Code"] == "RestApiClientException"
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["RestApiStatusCode"]) == (400, status)
    assert detail in str(answer["RestApiResponse"]["detail"])


def test_a_page_has_fifty_entries_or_a_hundred_at_the_most(airflow: Airflow) -> None:
    airflow.runs = [Run("shop__daily", f"r{number}") for number in range(250)]
    pages = [
        [run["dag_run_id"] for run in ask(airflow, "GET", RUNS, **query)["dag_runs"]]
        for query in ({}, {"limit": 500}, {"limit": 100, "offset": 200})
    ]
    assert [(page[0], len(page)) for page in pages] == [("r0", 50), ("r0", 100), ("r200", 50)]
    some = ask(airflow, "GET", RUNS, run_id_pattern="r24", limit=2)
    assert (len(some["dag_runs"]), some["total_entries"]) == (2, 11)
    assert [dag["dag_id"] for dag in ask(airflow, "GET", "/dags", dag_id_pattern="p__w")["dags"]] == [
        "shop__weekly"
    ]


def test_events_of_one_key_start_one_run_and_those_of_a_paused_dag_none(airflow: Airflow) -> None:
    for key in ("EWR", "EWR", "JFK"):
        ask(airflow, "POST", "/assets/events", {**EVENT, "partition_key": key})
    assert [(run.dag, run.key, len(run.told)) for run in airflow.runs] == [
        ("shop__daily", "EWR", 2), ("shop__daily", "JFK", 1),
    ]  # fmt: skip
    ask(airflow, "PATCH", "/dags/shop__daily", {"is_paused": True})
    ask(airflow, "POST", "/assets/events", {**EVENT, "partition_key": "LGA"})
    assert len(airflow.runs) == 2
    ask(airflow, "POST", RUNS, BODY)
    assert len(airflow.runs) == 3 and airflow.ready() == [], "runs of a paused DAG wait"


def test_runs_that_a_body_names_are_ended_where_airflow_can(airflow: Airflow) -> None:
    airflow.runs = [Run("shop__daily", "r"), Run("shop__weekly", "r")]
    entities = [{"dag_run_id": name, "state": FAILED} for name in ("r", "gone")]
    body = {"actions": [{"action": "update", "entities": entities, "action_on_non_existence": "skip"}]}
    assert ask(airflow, "PATCH", RUNS, body) == {"update": {"success": ["shop__daily.r"], "errors": []}}
    assert [run.state for run in airflow.runs] == [FAILED, "queued"]
    airflow.modern = False
    with pytest.raises(ClientError, match="RestApiClientException"):
        ask(airflow, "PATCH", RUNS, body)


def test_what_is_not_parsed_yet_and_a_database_made_anew(airflow: Airflow) -> None:
    before = ask(airflow, "GET", "/assets", uri_pattern="rheo://shop/")["assets"]
    assert before == [{"id": 1, "uri": "rheo://shop/daily"}, {"id": 2, "uri": "rheo://shop/weekly"}]
    airflow.parsed = False
    assert ask(airflow, "GET", "/assets") == {"assets": [], "total_entries": 0}
    airflow.parsed = True
    airflow.forget()
    assert [asset["id"] for asset in ask(airflow, "GET", "/assets")["assets"]] == [3, 4]


def test_faults_come_once_each_and_an_airflow_that_is_down_stays_so(airflow: Airflow) -> None:
    airflow.faults["GET /assets"] = [fault("ThrottlingException", 429)]
    with pytest.raises(ClientError) as throttled:
        ask(airflow, "GET", "/assets")
    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert "RestApiStatusCode" not in throttled.value.response
    assert ask(airflow, "GET", "/assets")["total_entries"] == 2
    airflow.down = ConnectionError("nobody is at home")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            ask(airflow, "GET", "/assets")
