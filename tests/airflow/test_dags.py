"""`load_dags` and `run_dag`: generated DAGs as a user's unit test sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rheo_airflow.tasks.compat import AirflowFailException
from rheodsl import Application, BatchCompute, InlinedCompute
from rheodsl.errors import FilterError, StateError, UnknownNameError
from rheodsl.testing import load_dags, run_dag
from rheodsl.testing.dags import Dags, _by_rule

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("watch")]


def count(input_map, output, params):  # type: ignore[no-untyped-def]
    """Write how many bytes the input has."""
    session = params["AWS_BOTO_SESSION"]
    bucket, key = input_map["orders"].get_materialized_resource_paths()[0].removeprefix("s3://").split("/", 1)
    size = len(session.client("s3").get_object(Bucket=bucket, Key=f"{key}/part-0.csv")["Body"].read())
    bucket, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").split("/", 1)
    session.client("s3").put_object(Bucket=bucket, Key=f"{key}/part-0.csv", Body=str(size).encode())


def application() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}")
    app.create_data("counted", orders[1], compute_targets=InlinedCompute(count))
    app.create_data(
        "both",
        orders,
        compute_targets=[
            BatchCompute("output = orders", limit=10),
            BatchCompute("orders.count()", retry_count=1),
        ],
    )
    return app


@pytest.fixture(scope="module")
def dags() -> Dags:
    return load_dags(application())


def test_dags_are_those_that_airflow_parses(dags: Dags) -> None:
    assert sorted(dags) == ["both", "counted"]
    both = dags["both"]
    assert (both.dag_id, both.max_active_runs) == ("shop__both", 16)
    assert both.get_task("claim").downstream_task_ids == {"compute_1", "compute_2"}
    assert both.get_task("publish").upstream_task_ids == {"compute_1", "compute_2"}
    assert set(both.params) == {"region", "day"}
    assert not any(task.params for task in both.tasks), "each would be stored with a copy of its own"


def test_an_inlined_compute_runs_on_prepared_data(dags: Dags) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="orders/1/2024-01-31/part-0.csv", Body=b"12345")
        run = run_dag(dags, "counted", {"region": 1, "day": "2024-01-31"})
        path = "internal_data/counted/1/2024-01-31"
        written = s3.get_object(Bucket="rheo-shop", Key=f"{path}/part-0.csv")["Body"].read()
        assert s3.get_object(Bucket="rheo-shop", Key=f"{path}/_SUCCESS")["Body"].read() == b""
    assert (run.state, written, run.signals) == ("success", b"5", ["1/2024-01-31"])
    assert run.document["inputs"][0]["paths"] == ["s3://lake/orders/1/2024-01-31"]


def test_what_an_inlined_compute_raises_is_told(dags: Dags) -> None:
    run = run_dag(dags, "counted", [1, "2024-01-31"])
    assert (run.state, run.signals) == ("failed", [])
    assert run.tasks == {"claim": "success", "compute": "failed", "publish": "failed"}
    assert "NoSuchBucket" in str(run.errors["compute"])
    assert isinstance(run.errors["publish"], AirflowFailException)


def test_a_job_is_recorded_with_its_rendered_arguments(dags: Dags) -> None:
    run = run_dag(dags, "both", [2, "2024-01-31"])
    assert (run.state, run.signals) == ("success", ["2/2024-01-31"])
    assert run.submitted["compute_1"]["job_name"] == "shop-both-1"
    assert run.submitted["compute_1"]["script_args"]["--limit"] == "10"
    assert '"id":"both/2/2024-01-31#1"' in run.submitted["compute_1"]["script_args"]["--execution"]
    assert "{{" in dags["both"].get_task("compute_1").script_args["--execution"], "the DAG's own is untouched"


def test_a_stand_in_plays_a_task_and_is_retried(dags: Dags) -> None:
    seen: list[str] = []

    def flaky(given: Mapping[str, Any]) -> None:
        seen.append(given["job_name"])
        if len(seen) == 1:
            raise ConnectionError("try again")

    assert run_dag(dags, "both", [1, "2024-01-31"], stand_ins={"compute_2": flaky}).state == "success"
    assert seen == ["shop-both-2", "shop-both-2"]

    def broken(given: Mapping[str, Any]) -> None:
        raise ConnectionError("never")

    run = run_dag(dags, "both", [1, "2024-01-31"], stand_ins={"compute_1": broken})
    assert (run.state, run.signals) == ("failed", [])
    assert run.tasks == {
        "claim": "success",
        "compute_1": "failed",
        "compute_2": "success",
        "publish": "failed",
    }


def test_mistakes_are_told(dags: Dags) -> None:
    with pytest.raises(UnknownNameError, match="shop has no node 'boht'"):
        run_dag(dags, "boht")
    with pytest.raises(UnknownNameError, match="both has no task 'compute'") as unknown:
        run_dag(dags, "both", [1, "2024-01-31"], stand_ins={"compute": print})
    assert unknown.value.hint == "its tasks: claim, compute_1, compute_2, publish"
    for partition in ([1], {"region": 1}, {"region": 1, "date": "2024-01-31"}):
        with pytest.raises(FilterError, match="is no output partition of both") as wrong:
            run_dag(dags, "both", partition)
        assert wrong.value.hint == "give a value for each of region, day"


def test_an_import_error_of_airflow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__("rheodsl.testing.dags", fromlist=["write"]).write

    def breaking(found: dict[str, str], folder: Any) -> Any:
        return real({**found, "both.py": "# A dag.\nimport airflow.no_such_module\n"}, folder)

    monkeypatch.setattr("rheodsl.testing.dags.write", breaking)
    with pytest.raises(StateError, match=r"cannot import the DAGs of shop:\nboth.py: (?s:.*)no_such_module"):
        load_dags(application())


def test_trigger_rules_are_airflows() -> None:
    good, bad, skipped = "success", "failed", "skipped"
    runs = {
        "all_success": [[good, good], []],
        "all_done": [[good, bad], [skipped]],
        "none_failed": [[good, skipped]],
        "none_failed_min_one_success": [[good, skipped]],
        "one_failed": [[good, bad]],
        "all_failed": [[bad, "upstream_failed"]],
        "one_success": [[good, bad]],
        "one_done": [[skipped, bad]],
        "all_done_min_one_success": [[bad, good]],
    }
    for rule, cases in runs.items():
        assert [_by_rule(rule, before) for before in cases] == [None] * len(cases), rule
    ends = {
        "all_success": [([good, bad], "upstream_failed"), ([good, skipped], skipped)],
        "none_failed": [([good, bad], "upstream_failed")],
        "none_failed_min_one_success": [([bad], "upstream_failed"), ([skipped], skipped)],
        "one_failed": [([good, skipped], skipped)],
        "all_failed": [([bad, good], skipped)],
        "one_success": [([bad], "upstream_failed"), ([skipped], skipped)],
        "one_done": [([skipped], skipped)],
        "all_done_min_one_success": [([bad], "upstream_failed"), ([skipped], skipped)],
    }
    for rule, expected in ends.items():
        assert [(before, _by_rule(rule, before)) for before, _ in expected] == expected, rule
    with pytest.raises(StateError, match="the trigger rule 'at_full_moon' is not played here"):
        _by_rule("at_full_moon", [good])
