"""Two applications on the running stack, activated, changed, paused and ended, with real DAG runs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rheodsl import Application
from rheodsl.errors import StateError
from rheodsl.lifecycle import ApplicationState as S

from .conftest import Lab

pytestmark = pytest.mark.slow


def note(input_map: Any, output: Any, params: Any) -> None:
    """Write something."""
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    params["AWS_BOTO_SESSION"].client("s3").put_object(Bucket=bucket, Key=f"{key}/note", Body=b"done")


def shop(name: str, stack: Lab) -> Application:
    app = Application(name, platform=stack.platform)
    orders = app.s3("orders", f"s3://{name}-orders/orders/{{day:%Y-%m-%d}}")
    app.create_data("daily", inputs=[orders], compute_targets=note)
    return app


def test_applications_are_activated_changed_paused_and_ended(stack: Lab) -> None:
    one, two = shop("life-one", stack), shop("life-two", stack)
    assert one.state is S.INITIALIZED
    assert "+ daily" in str(one.plan())
    one.activate()
    two.activate()
    assert one.plan().empty
    before = {part.pid for part in stack.local.status() if part.app == "life-one"}
    one.activate()
    assert {part.pid for part in stack.local.status() if part.app == "life-one"} == before, "as it was"
    stack.put("s3://life-one-orders/orders/2020-01-01/_SUCCESS")
    stack.until(lambda: stack.runs("life-one", "daily", "success"))

    # Somebody else adds a node, having nothing but the name.
    other = Application("life-one", platform=stack.platform)
    other.attach()
    other.create_data("more", inputs=[other["daily"]], compute_targets=note)
    assert [(c.action, c.name) for c in other.plan().nodes] == [("added", "more")]  # type: ignore[attr-defined]
    other.activate()
    stack.put("s3://life-one-orders/orders/2020-01-02/_SUCCESS")
    [run] = stack.until(lambda: stack.runs("life-one", "more", "success"))
    assert run["partition_key"] == "2020-01-02"
    assert len(stack.runs("life-one", "daily")) == 2

    # While it is paused, events wait; the other application goes on.
    other.pause()
    assert (other.state, two.state) == (S.PAUSED, S.ACTIVE)
    stack.put("s3://life-one-orders/orders/2020-01-03/_SUCCESS")
    stack.put("s3://life-two-orders/orders/2020-01-03/_SUCCESS")
    stack.until(lambda: stack.runs("life-two", "daily", "success"))
    time.sleep(3)
    assert len(stack.runs("life-one", "daily")) == 2
    other.resume()
    stack.until(lambda: len(stack.runs("life-one", "daily", "success")) == 3)

    other.terminate(wait_for_active_routes=True)
    assert other.state is S.TERMINATED
    assert all(part.app != "life-one" for part in stack.local.status())
    assert stack.read("s3://rheo-life-one/internal_data/daily/2020-01-03/note") == "done"
    with pytest.raises(StateError):
        other.pause()
    other.delete()
    assert "rheo-life-one" not in [b["Name"] for b in stack.client("s3").list_buckets()["Buckets"]]
    stack.put("s3://life-two-orders/orders/2020-01-04/_SUCCESS")
    stack.until(lambda: len(stack.runs("life-two", "daily", "success")) == 2)
