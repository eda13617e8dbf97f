"""Two applications on one stack: each has its own listener, files and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codegen.compiler import compile_graph, write
from rheo_platforms.local.processes import StackError
from rheodsl import Application

from .conftest import Lab

pytestmark = pytest.mark.slow


def note(input_map: Any, output: Any, params: Any) -> None:
    """Write what was made from what."""
    import boto3

    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/note", Body=b"done")


def shop(name: str, stack: Lab) -> Application:
    app = Application(name, platform=stack.platform)
    orders = app.s3("orders", f"s3://{name}-orders/orders/{{day:%Y-%m-%d}}")
    app.create_data("daily", inputs=[orders], compute_targets=note)
    return app


def test_two_applications_live_on_one_stack(stack: Lab) -> None:
    one, two = (stack.start(shop(name, stack)) for name in ("one", "two"))
    assert (one.queue, one.table) != (two.queue, two.table)
    listeners = [part for part in stack.local.status() if part.name == "listener"]
    assert {"one", "two"} <= {part.app for part in listeners}
    stack.put("s3://one-orders/orders/2020-01-01/_SUCCESS")
    stack.put("s3://two-orders/orders/2020-01-02/_SUCCESS")
    for name, day in (("one", "2020-01-01"), ("two", "2020-01-02")):
        [run] = stack.until(lambda name=name: stack.runs(name, "daily", "success"))  # type: ignore[misc]
        assert run["partition_key"] == day
        assert stack.read(f"s3://rheo-{name}/internal_data/daily/{day}/note") == "done"


def test_a_broken_application_leaves_the_others_alone(stack: Lab, tmp_path: Path) -> None:
    stack.start(shop("sound", stack))
    write(compile_graph(shop("broken", stack).graph()), tmp_path)
    (tmp_path / "daily.py").write_text("from airflow.sdk import DAG\nimport nothing_at_all\n")
    with pytest.raises(StackError, match="nothing_at_all"):
        stack.local.up(tmp_path)
    with pytest.raises(StackError, match="not broken"):
        stack.platform.deployment("broken")
    assert all(part.app != "broken" for part in stack.local.status())
    stack.put("s3://sound-orders/orders/2020-01-03/_SUCCESS")
    stack.until(lambda: stack.runs("sound", "daily", "success"))
