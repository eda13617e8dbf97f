"""Options of Glue's jobs: what AWS's own model takes, and what is refused where it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from rheodsl import BatchCompute
from rheodsl.errors import ComputeError
from rheodsl.glue_options import CLASSES, OPTIONS, WORKERS

CODE = "output = orders"


def model() -> Any:
    return botocore.session.get_session().get_service_model("glue")


def test_the_tables_are_those_of_the_api() -> None:
    shapes = model()
    # The others are of Python shell and Ray jobs.
    assert set(shapes.shape_for("WorkerType").enum) == {*WORKERS, "Standard", "Z.2X"}
    assert set(shapes.shape_for("ExecutionClass").enum) == set(CLASSES)
    assert set(OPTIONS) <= shapes.shape_for("CreateJobRequest").members.keys()
    assert "10080 minutes" in shapes.shape_for("CreateJobRequest").members["Timeout"].documentation


def test_a_capacity_becomes_workers() -> None:
    assert dict(BatchCompute(CODE, MaxCapacity=10, GlueVersion="4.0").parameters) == {
        "GlueVersion": "4.0",
        "NumberOfWorkers": 10,
        "WorkerType": "G.1X",
    }


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        ({"GlueVersion": "1.0"}, "GlueVersion is '1.0'", "scripts run on Glue 4.0, 5.0, 5.1 or 6.0"),
        ({"GlueVersion": "3.0"}, "GlueVersion is '3.0'", "scripts run on Glue 4.0, 5.0, 5.1 or 6.0"),
        ({"GlueVersion": 5.0}, "GlueVersion is 5.0", "scripts run on Glue"),
        ({"WorkerType": "G1.X"}, "WorkerType is 'G1.X'", "Spark jobs have G.025X, G.1X,"),
        ({"WorkerType": "Standard"}, "WorkerType is 'Standard'", "Spark jobs have"),
        ({"NumberOfWorkers": "ten"}, "NumberOfWorkers is 'ten'", "a whole number from 1"),
        ({"NumberOfWorkers": 0}, "NumberOfWorkers is 0", "a whole number from 1"),
        ({"NumberOfWorkers": True}, "NumberOfWorkers is True", "a whole number from 1"),
        ({"Timeout": -5}, "Timeout is -5", "a whole number from 1 to 10,080"),
        ({"Timeout": 10_081}, "Timeout is 10081", "a whole number from 1 to 10,080"),
        ({"MaxCapacity": 1}, "MaxCapacity is 1", "a whole number from 2 to 100"),
        ({"MaxCapacity": 2.5}, "MaxCapacity is 2.5", "a whole number from 2 to 100"),
        ({"MaxCapacity": 5, "NumberOfWorkers": 2}, "MaxCapacity does not go with NumberOfWorkers", "leave"),
        ({"ExecutionClass": "FLEXX"}, "ExecutionClass is 'FLEXX'", "it is FLEX or STANDARD"),
        ({"WorkerTyp": "G.1X"}, "Glue has no option 'WorkerTyp'", "did you mean WorkerType?"),
        ({"Timeouts": 3}, "Glue has no option 'Timeouts'", "did you mean Timeout?"),
    ],
)
def test_what_glue_refuses_is_an_error_at_the_users_line(options: Any, what: str, hint: str) -> None:
    with pytest.raises(ComputeError) as raised:
        BatchCompute(CODE, **options)
    assert what in str(raised.value) and hint in str(raised.value)
    assert raised.value.where is not None and Path(raised.value.where.file).name == Path(__file__).name


def test_arguments_of_the_users_own_go_to_the_script() -> None:
    assert BatchCompute(CODE, spark_ver="3.5", day="x").args == (("day", "x"), ("spark_ver", "3.5"))
