"""The MWAA service, as boto3 sees it, in front of a stand-in for Airflow."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rheo_platforms.local import mwaa as service
from rheo_platforms.local.airflow import AirflowApi
from rheo_platforms.local.aws_stand_in import aws_environment
from rheo_platforms.local.http import HttpReply, HttpRequest, HttpService
from rheo_platforms.local.mwaa import Mwaa

pytestmark = pytest.mark.slow


@pytest.fixture
def airflow() -> list[HttpRequest]:
    """The calls that the stand-in got, without the logins."""
    return []


@pytest.fixture
def client(airflow: list[HttpRequest], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def answer(request: HttpRequest) -> HttpReply:
        if request.path == "/auth/token":
            assert json.loads(request.body) == {"username": "admin", "password": "secret"}
            return HttpReply.of(201, {"access_token": "the-token"})
        airflow.append(request)
        if request.path.endswith("/slow"):
            time.sleep(1)
        status = int(request.path.rpartition("/")[2]) if request.path[-3:].isdigit() else 200
        return HttpReply.of(status, {"path": request.path})

    behind = HttpService(0, answer)
    front = HttpService(0, Mwaa(AirflowApi(behind.url, "admin", "secret")).answer)
    threads = [threading.Thread(target=each.serve_forever) for each in (behind, front)]
    for thread in threads:
        thread.start()
    for key, value in aws_environment(moto=1, mwaa=front.server_port).items():
        monkeypatch.setenv(key, value)
    try:
        yield boto3.Session().client("mwaa")
    finally:
        for each in (front, behind):
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()


def invoke(client: Any, path: str, method: str = "GET", **more: Any) -> Any:
    return client.invoke_rest_api(Name="rheo-local", Path=path, Method=method, **more)


def test_calls_go_to_airflow_with_a_token(client: Any, airflow: list[HttpRequest]) -> None:
    answer = invoke(client, "/assets", QueryParameters={"uri_pattern": "rheo://a/b", "limit": 5})
    assert (answer["RestApiStatusCode"], answer["RestApiResponse"]) == (
        200, {"path": "/api/v2/assets?uri_pattern=rheo%3A%2F%2Fa%2Fb&limit=5"},
    )  # fmt: skip
    body = {"asset_id": 1, "partition_key": "EWR/2013-01-01", "extra": {"deep": [1, {"a": None}]}}
    invoke(client, "/assets/events", "POST", Body=body)
    request = airflow[-1]
    assert (request.method, request.path) == ("POST", "/api/v2/assets/events")
    assert json.loads(request.body) == body
    assert request.headers["authorization"] == "Bearer the-token"


def test_faults_of_airflow_keep_their_status_and_answer(client: Any) -> None:
    with pytest.raises(client.exceptions.RestApiClientException) as conflict:
        invoke(client, "/dags/409", "POST", Body={})
    assert conflict.value.response["RestApiStatusCode"] == 409
    assert conflict.value.response["RestApiResponse"] == {"path": "/api/v2/dags/409"}
    with pytest.raises(client.exceptions.RestApiServerException) as broken:
        invoke(client, "/dags/500")
    assert broken.value.response["RestApiStatusCode"] == 500


def test_an_airflow_that_is_slow_or_away_is_a_server_fault(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SECONDS", 0.2)
    with pytest.raises(client.exceptions.RestApiServerException) as slow:
        invoke(client, "/dags/slow")
    assert slow.value.response["RestApiStatusCode"] == 504
    away = Mwaa(AirflowApi("http://127.0.0.1:9", "admin", "secret"))
    call = json.dumps({"Path": "/dags", "Method": "GET"}).encode()
    reply = away.answer(HttpRequest("POST", "/restapi/rheo-local", {}, call))
    assert (reply.status, json.loads(reply.body)["RestApiStatusCode"]) == (400, 503)


def test_more_than_ten_calls_a_second_are_throttled(
    client: Any, airflow: list[HttpRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    limit = service.Limit(10)
    assert [limit.take() for _ in range(12)] == [True] * 10 + [False] * 2
    now[0] += 0.25
    assert [limit.take() for _ in range(3)] == [True, True, False]
    now[0] += 3600
    assert [limit.take() for _ in range(11)] == [True] * 10 + [False]
    reply = Mwaa(AirflowApi("http://127.0.0.1:9", "a", "b"))
    monkeypatch.setattr(reply.limit, "take", lambda: False)
    call = json.dumps({"Path": "/dags", "Method": "GET"}).encode()
    answer = reply.answer(HttpRequest("POST", "/restapi/rheo-local", {}, call))
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (429, "ThrottlingException")


def test_mwaas_own_checks(client: Any, airflow: list[HttpRequest]) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke_rest_api(Name="other", Path="/dags", Method="GET")
    # boto3 checks lengths itself only downwards; the service is where 64 is the limit.
    with pytest.raises(ClientError, match="ValidationException"):
        invoke(client, "/dags/" + "x" * 59)
    assert airflow == []
    invoke(client, "/dags/" + "x" * 58)
    assert len(airflow) == 1


def test_the_environment_is_described(client: Any) -> None:
    assert client.list_environments()["Environments"] == ["rheo-local"]
    found = client.get_environment(Name="rheo-local")["Environment"]
    assert (found["Status"], found["AirflowVersion"]) == ("AVAILABLE", "3.3.1")
