"""What a job's role may do is what jobs do: of Spark's file system, of boto3, and of what a declaration implies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.iam import Call, grants, refused
from support.jobs import BY_SERVICES, JobRole, JobWatch, asked

from codegen.graph_json import graph_file
from rheodsl import (
    EMR,
    ITSELF,
    Application,
    Batch,
    BatchCompute,
    ConstructProcessingSecurityDef,
    ConstructSecurityConf,
    row_count,
    scala_script,
)
from rheodsl.testing import ComputeRun

pytestmark = pytest.mark.slow
Compute = Callable[..., ComputeRun]
ROWS = b"id,price\n1,5\n"
FILES = {
    "s3://lake/orders/a.csv": ROWS,
    "s3://lake/orders/_SUCCESS": b"",
    "s3://lake/in/one.csv": ROWS,
    "s3://rheo-shop/internal_data/total/a.csv": ROWS,
    "s3://rheo-shop/internal_data/total/_SUCCESS": b"",
}
SENDS = """
diagnostics["errors"]["bad"].emit(1)
output = orders.unionByName(one)
"""


def shop(*, separate: bool) -> Application:
    """Data without dimensions: a folder, an object, and an output."""
    app = Application("shop")
    if separate:
        processing = ConstructProcessingSecurityDef(enforce_privilege_separation=True)
        app.set_security_conf(BatchCompute, ConstructSecurityConf(None, None, processing))
    app.create_metric("errors")
    orders = app.s3("orders", "s3://lake/orders", format="CSV")
    one = app.s3("one", "s3://lake/in/one.csv", completion=ITSELF, format="CSV")
    total = app.create_data(
        "total", [orders, one], compute_targets=SENDS, dataset_format="CSV", checks=[row_count(1)]
    )
    app.create_data("report", [total], compute_targets=BatchCompute("output = total"))
    app.create_data("mirror", [total], compute_targets=EMR("output = total"))
    return app


@pytest.mark.parametrize("separate", [False, True], ids=["together", "separate"])
def test_jobs_read_what_has_no_dimensions_and_write_where_nothing_is(
    rheo_compute: Compute, separate: bool, job_watch: JobWatch
) -> None:
    app = shop(separate=separate)
    for node in ("total", "report", *(() if separate else ("mirror",))):
        run = rheo_compute(app, node, files=FILES)
        assert (run.error, len(run.rows)) == (None, 2 if node == "total" else 1)
    calls = {call for calls in job_watch.calls.values() for call in calls}
    metric = Call("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", "Rheo/shop"),))
    assert {metric, Call("s3:GetObject", "arn:aws:s3:::lake/orders")} <= calls
    if separate:
        return
    # What a script in Scala does, and the executions of a batch.
    (role,) = [role for role in job_watch.calls if role.script == "glue/total.py"]
    output = "s3://rheo-shop/internal_data/total"
    job_watch.note(role, [f"{call}\t{output}" for call in ("remove", "mkdirs", "create")])
    job_watch.note(
        role, ["status\ts3://rheo-shop/executions/x.json", "open\ts3://rheo-shop/executions/x.json"]
    )
    left = {action: where for action, where in job_watch.idle().items() if action not in BY_SERVICES}
    assert left == {}


def test_a_batch_writes_what_became_of_each(job_watch: JobWatch) -> None:
    app = shop(separate=True)
    app.patch_data("report", batch=Batch())
    role = JobRole(graph_file(app.graph()), "glue/report.py")
    results = "s3://rheo-shop/executions/batches/run/1.ok"
    calls = {*asked(f"create\t{results}"), *role.started()}
    assert refused(calls, role.grants()) == []


def test_a_script_in_scala_replaces_its_partition_itself() -> None:
    app = shop(separate=True)
    app.patch_data("report", compute_targets=BatchCompute(scala_script("total", ["s3://jars/a.jar"])))
    role = JobRole(graph_file(app.graph()), "glue/report.scala")
    output = "s3://rheo-shop/internal_data/report"
    lines = [
        f"status\t{output}",
        f"remove\t{output}",
        f"mkdirs\t{output}/_temporary/0",
        f"create\t{output}/_SUCCESS",
    ]
    calls = {*role.started(), *(call for line in lines for call in asked(line))}
    assert Call("s3:GetObject", "arn:aws:s3:::jars/a.jar") in calls
    assert refused(calls, role.grants()) == []
    others = {
        call
        for line in ("open", "delete")
        for call in asked(f"{line}\ts3://rheo-shop/internal_data/mirror/a")
    }
    assert refused(others, role.grants()) != []


def test_the_recorder_sees_what_is_refused() -> None:
    below = grants([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/orders/*"}])
    assert refused(asked("open\ts3://lake/orders/a.csv"), below) == []
    assert refused(asked("status\ts3://lake/orders"), below) == [
        "s3:GetObject on arn:aws:s3:::lake/orders", "s3:ListBucket on arn:aws:s3:::lake",
    ]  # fmt: skip
    with pytest.raises(LookupError):
        list(asked("append\ts3://lake/orders"))
