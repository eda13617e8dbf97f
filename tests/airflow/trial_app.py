"""An application for tests on a real Airflow: Python and Spark computes that fail when they are told to."""

from __future__ import annotations

from typing import Any

from rheodsl import AnyDate, Application, BatchCompute, InlinedCompute

CONTROL = "trial-control"


def copy(input_map: Any, output: Any, params: Any) -> None:
    """Count its runs, and wait or fail while an object of that name stands in the control bucket."""
    import time
    import uuid

    control = "trial-control"
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    name = "/".join(output.dimensions.values())

    def told(what: str) -> bool:
        return bool(s3.list_objects_v2(Bucket=control, Prefix=f"{what}/{name}")["KeyCount"])

    s3.put_object(Bucket=control, Key=f"ran/{name}/{uuid.uuid4()}", Body=b"")
    while told("wait"):
        time.sleep(0.5)
    if told("fail"):
        raise RuntimeError(f"told to fail at {name}")
    bucket, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").split("/", 1)
    s3.put_object(Bucket=bucket, Key=f"{key}/part-0.csv", Body=b"n\n1\n2\n")


def note(input_map: Any, output: Any, params: Any) -> None:
    """Do nothing but run."""
    print(output.get_materialized_resource_paths())


app = Application("trial")
source = app.s3("source", "s3://trial-source/{region}/{day:%Y-%m-%d}", format="CSV")
copied = app.create_data("copied", [source], compute_targets=InlinedCompute(copy), dataset_format="CSV")
app.create_data(
    "total",
    [copied["spark"]],
    compute_targets=BatchCompute(
        """
        assert dimensions["day"] != "2020-02-02", "no such day"
        if dimensions["day"] == "2020-03-03":
            import time

            time.sleep(300)
        output = copied.selectExpr("sum(n) AS n")
        """
    ),
    dataset_format="CSV",
)
by_key = app.create_timer("by_key", "rate(1 minute)", AnyDate("minute", {"format": "%Y-%m-%dT%H:%M"}))
app.create_data("noted", [by_key], compute_targets=InlinedCompute(note))
by_time = app.add_timer("by_time", "rate(1 minute)", "minute", time_dimension_shift=-5)
app.create_data("noted_late", [by_time], compute_targets=InlinedCompute(note))
