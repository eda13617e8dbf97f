"""Emission: what CloudWatch gets, and what happens when it does not take it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from codegen.cloudformation.alarms import emitted_metrics
from rheo_airflow.diagnostics import Diagnostics
from rheo_runtime import metrics
from rheodsl import Application, CWMetric
from rheodsl.cloudwatch.metrics import NODE, NODE_METRICS, metric_namespace

AT = datetime(2024, 3, 18, 5, 6, tzinfo=UTC)


def declared() -> dict[str, dict[str, Any]]:
    app = Application("shop")
    app.create_metric("etl", {"Error": {"*": {60: {}}}}, {"region": "NA"})
    app.create_metric("open")
    app.create_metric("two", {"A": {}, "B": {}})
    app.marshal_external_metric(CWMetric("AWS/Lambda"), "functions")
    return emitted_metrics(app.graph())


class Sent(list[dict[str, Any]]):
    def put(self, **request: Any) -> None:
        self.append(request)

    def data(self) -> list[dict[str, Any]]:
        return [datum for request in self for datum in request["MetricData"]]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def diagnostics(sent: Sent) -> Diagnostics:
    return Diagnostics(declared(), sent.put)


def test_a_value(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"]["Error"].emit(1, timestamp=AT, unit="Count")
    assert sent == [
        {
            "Namespace": "Rheo/shop",
            "MetricData": [
                {
                    "MetricName": "Error",
                    "Dimensions": [{"Name": "MetricId", "Value": "etl"}, {"Name": "region", "Value": "NA"}],
                    "Timestamp": AT,
                    "StorageResolution": 60,
                    "Unit": "Count",
                    "Value": 1.0,
                }
            ],
        }
    ]


def test_the_value_is_1_and_the_time_now_when_left_out(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["open"]["Failure"].emit()
    [datum] = sent.data()
    assert (datum["Value"], datum["StorageResolution"]) == (1.0, 1)
    assert timedelta(0) <= datetime.now(UTC) - datum["Timestamp"] < timedelta(minutes=1)


def test_a_time_without_a_zone_is_utc(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"].emit(timestamp=datetime(2024, 3, 18, 5, 6))
    assert sent.data()[0]["Timestamp"] == AT


def test_values_are_counted(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"]["Error"].emit([3, 1, 3, 3])
    diagnostics["etl"]["Error"].emit({5.0: 1, 3: 2})
    assert [(d["Values"], d["Counts"]) for d in sent.data()] == [
        ([3.0, 1.0], [3.0, 1.0]),
        ([5.0, 3.0], [1.0, 2.0]),
    ]


def test_many_values_are_split_as_cloudwatch_takes_them(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"]["Error"].emit(range(400))
    assert [len(datum["Values"]) for datum in sent.data()] == [150, 150, 100]
    assert len(sent) == 1


def test_no_values_are_no_request(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"]["Error"].emit([])
    assert sent == []


def test_a_statistic_set(diagnostics: Diagnostics, sent: Sent) -> None:
    diagnostics["etl"]["Error"].emit_statistics(count=10, sum=20.0, minimum=0.5, maximum=10.5)
    assert sent.data()[0]["StatisticValues"] == {
        "SampleCount": 10.0, "Sum": 20.0, "Minimum": 0.5, "Maximum": 10.5,
    }  # fmt: skip


def test_a_batch_is_sent_at_its_end(diagnostics: Diagnostics, sent: Sent) -> None:
    with diagnostics.batch():
        for n in range(1200):
            diagnostics["open"][f"m{n}"].emit(n)
        with diagnostics.batch():
            diagnostics["etl"]["Error"].emit()
        assert sent == []
    assert [len(request["MetricData"]) for request in sent] == [500, 500, 201]


def test_a_batch_is_sent_also_when_the_block_fails(diagnostics: Diagnostics, sent: Sent) -> None:
    with pytest.raises(ZeroDivisionError), diagnostics.batch():
        diagnostics["etl"]["Error"].emit()
        _ = 1 / 0
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (
            lambda d: d["elt"],
            "the application has no metric 'elt' of its own; it has: etl, open, two",
        ),
        (
            lambda d: d["functions"],
            "the application has no metric 'functions' of its own; it has: etl, open, two",
        ),
        (lambda d: d["etl"]["Eror"], "metric 'etl' has no 'Eror'; it is declared with Error"),
        (lambda d: d["open"][""], "'' is no name of a metric"),
        (lambda d: d["two"].emit(), """metric 'two' has several names: write diagnostics["two"]["Error"]"""),
        (
            lambda d: d["open"].emit(),
            """metric 'open' has several names: write diagnostics["open"]["Error"]""",
        ),
    ],
)
def test_a_wrong_name_is_an_error(diagnostics: Diagnostics, misuse: Any, message: str) -> None:
    with pytest.raises(KeyError) as caught:
        misuse(diagnostics)
    assert caught.value.args == (message,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, float("nan")], {1.0: float("inf")}])
def test_what_is_no_number_is_an_error(diagnostics: Diagnostics, sent: Sent, value: Any) -> None:
    with pytest.raises(ValueError, match="is no value of a metric: CloudWatch takes finite numbers"):
        diagnostics["etl"]["Error"].emit(value)
    assert sent == []


def test_a_service_that_fails_does_not_fail_the_computation(capsys: pytest.CaptureFixture[str]) -> None:
    def down(**_: Any) -> None:
        raise ConnectionError("no answer")

    Diagnostics(declared(), down)["etl"]["Error"].emit()
    assert capsys.readouterr().err == "metrics not sent (Error): no answer\n"


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    from moto import mock_aws

    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def sums(cloudwatch: Any, name: str, dimensions: dict[str, str]) -> list[float]:
    answer = cloudwatch.get_metric_statistics(
        Namespace="Rheo/shop", MetricName=name, StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1), Period=7200, Statistics=["Sum"],
        Dimensions=[{"Name": n, "Value": v} for n, v in dimensions.items()],
    )  # fmt: skip
    return [point["Sum"] for point in answer["Datapoints"]]


def test_boto3_takes_every_form(cloudwatch: Any) -> None:
    """The requests fit CloudWatch's model, which the client checks."""
    diagnostics = Diagnostics(declared(), cloudwatch.put_metric_data)
    with diagnostics.batch():
        diagnostics["etl"]["Error"].emit(1)
        diagnostics["etl"]["Error"].emit([2, 3, 3])
        diagnostics["etl"]["Error"].emit_statistics(count=2, sum=4, minimum=1, maximum=3, unit="Count")
    assert sums(cloudwatch, "Error", {"MetricId": "etl", "region": "NA"}) == [13.0]


def test_metrics_of_nodes(cloudwatch: Any) -> None:
    data = [
        *metrics.ended("daily", True, 12.5),
        *metrics.ended("daily", False, 3),
        *metrics.pending([("daily", 10.0), ("daily", 40.0), ("weekly", 90.0)], 100.0),
    ]
    metrics.send(cloudwatch.put_metric_data, "shop", data)
    found = {
        (name, node): sums(cloudwatch, name, {"Node": node})
        for name in NODE_METRICS
        for node in ("daily", "weekly")
    }
    assert found == {
        ("exec_succeeded", "daily"): [1.0], ("exec_failed", "daily"): [1.0], ("latency", "daily"): [12.5],
        ("pending_age", "daily"): [90.0], ("pending_age", "weekly"): [10.0], ("exec_succeeded", "weekly"): [],
        ("exec_failed", "weekly"): [], ("latency", "weekly"): [],
    }  # fmt: skip


def test_metrics_of_nodes_are_named_as_the_language_names_them() -> None:
    data = [*metrics.ended("n", True, 1), *metrics.ended("n", False, 1)]
    data += metrics.pending([("n", 0.0)], 1.0)
    assert {datum["MetricName"] for datum in data} == set(NODE_METRICS)
    assert metrics.NODE == NODE
    assert metrics.metric_namespace("x") == metric_namespace("x")


def test_a_node_whose_metrics_cannot_be_sent_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def down(**_: Any) -> None:
        raise ConnectionError("no answer")

    metrics.send(down, "shop", metrics.ended("n", True, 1))
    assert capsys.readouterr().err == "metrics of shop not sent: no answer\n"
