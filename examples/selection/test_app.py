"""How one tests this pipeline: which partitions meet, what they are called in the output, and what is ignored."""

from __future__ import annotations

import pytest

from rheodsl import Application
from rheodsl.testing import Simulator, load_dags, run_dag

pytestmark = pytest.mark.rheo_app("examples/selection/app.py")
NODE = "eureka_default_selection_data_over_two_days"
ROOT = "s3://dex-ml-eureka-model-training-data/cradle_eureka_p3/v8_00"


def test_the_same_day_of_both_starts_a_run(rheo_app: Application, rheo_sim: Simulator) -> None:
    everything, training = rheo_app["eureka_training_all_data"], rheo_app["eureka_training_data"]
    assert rheo_sim.send(everything["2020-03-18"]) == []
    [waiting] = rheo_sim.pending(NODE)
    assert [missing.alias for missing in waiting.missing] == ["offline_training_data"]
    [run] = rheo_sim.send(training["NA"]["2020-03-18"])
    assert run.output == {"reg": "NA", "day": "18-03-2020"}
    assert run.path == f"s3://rheo-default-selection/internal_data/{NODE}/NA/18-03-2020"
    assert run.inputs["offline_data"].paths == [
        f"{ROOT}/all-data/partition_day=2020-03-18",
        f"{ROOT}/all-data/partition_day=2020-03-17",
    ]


def test_a_raw_notification_of_s3_counts_like_a_view(rheo_app: Application, rheo_sim: Simulator) -> None:
    rheo_sim.send(rheo_app["eureka_training_data"]["NA"]["2020-03-18"])
    record = {
        "eventSource": "aws:s3",
        "eventTime": "2020-03-18T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": "dex-ml-eureka-model-training-data"},
            "object": {
                "key": "cradle_eureka_p3/v8_00/all-data/partition_day%3D2020-03-18/_SUCCESS",
                "eTag": "1",
            },
        },
    }
    assert [run.node for run in rheo_sim.send({"Records": [record]})] == [NODE]


def test_another_region_is_ignored(rheo_app: Application, rheo_sim: Simulator) -> None:
    key = "cradle_eureka_p3/v8_00/training-data/EU/2020-03-18/_SUCCESS"
    bucket = "dex-ml-eureka-model-training-data"
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "etag": "1"}}
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2020-03-18T12:00:00Z",
        "detail": detail,
    }
    assert rheo_sim.send(event) == []
    assert rheo_sim.pending() == []


def test_the_job_gets_its_arguments(rheo_app: Application) -> None:
    run = run_dag(load_dags(rheo_app), NODE, {"reg": "NA", "day": "18-03-2020"})
    assert (run.state, run.signals) == ("success", ["NA/18-03-2020"])
    assert run.submitted["compute"]["script_args"]["--spark_ver"] == "3.5"
    assert run.submitted["compute"]["run_job_kwargs"] == {
        "WorkerType": "G.1X",
        "NumberOfWorkers": 5,
        "Timeout": 30,
    }
