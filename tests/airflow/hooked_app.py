"""An application with every hook: what each is told is written to the file that ``SEEN`` names."""

from __future__ import annotations

from typing import Any

from rheodsl import (
    Application,
    InlinedCompute,
    RouteCheckpoint,
    RouteExecutionHook,
    RoutePendingNodeHook,
    RouteRetention,
    Slack,
    Sns,
)


def work(input_map: Any, output: Any, params: Any) -> None:
    """Fail while it is told to."""
    import os

    if os.environ.get("FAIL_HERE"):
        raise ValueError("no luck")


def tell(input_map: Any, output: Any, params: Any) -> None:
    """Note what it is told."""
    import json
    import os

    told = {
        "inputs": {alias: signal.get_materialized_resource_paths() for alias, signal in input_map.items()},
        "output": dict(output.dimensions),
        **{name: value for name, value in params.items() if isinstance(value, str | int | list)},
    }
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps(told) + "\n")


class Broken:
    """A hook that fails."""

    def __call__(self, input_map: Any, output: Any, params: Any) -> None:
        raise RuntimeError("a broken hook")


def application() -> Application:
    app = Application("hooked")
    orders = app.s3("orders", "s3://shop/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://shop/ships/{region}/{day:%Y-%m-%d}")
    app.create_data(
        "both",
        [orders, ships],
        compute_targets=InlinedCompute(work, retry_count=1),
        execution_hook=RouteExecutionHook(
            on_exec_begin=tell,
            on_exec_skipped=tell,
            on_compute_success=tell,
            on_compute_failure=tell,
            on_compute_retry=tell,
            on_success=[Broken(), tell],
            on_failure=tell,
            checkpoints=[RouteCheckpoint(60, tell)],
        ),
        pending_node_hook=RoutePendingNodeHook(
            on_pending_node_created=tell,
            on_expiration=InlinedCompute(tell, retry_count=2),
            checkpoints=[RouteCheckpoint(600, [tell, Broken()])],
        ),
        pending_node_expiration_ttl_in_secs=3600,
        retention=RouteRetention(output_in_days=30),
    )
    app.create_data(
        "spark",
        [app.s3("views", "s3://shop/views/{region}/{day:%Y-%m-%d}")],
        compute_targets=["output = views", "print(views.count())"],
        retry_count=3,
        execution_hook=RouteExecutionHook(
            on_compute_retry=Slack("{node} of {day} is tried again", connection="team"),
            on_failure=[tell, Sns("arn:aws:sns:us-east-1:123456789012:failed", "{execution} has failed")],
        ),
    )
    return app
