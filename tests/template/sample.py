"""Applications and their templates, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codegen.cloudformation.stack import build_template
from codegen.planning import build_plan
from rheodsl import *  # noqa: F403
from rheodsl import SNS, Application, BatchCompute, CWAlarm, GlueTable, InlinedCompute, Permission
from rheodsl.loading import load_app

ROOT = Path(__file__).parents[2]
EXAMPLES = ("flights", "alarms")
TOPIC = "arn:aws:sns:eu-west-1:111122223333:orders"


def note(input_map, output, params):  # type: ignore[no-untyped-def]
    print(output)


def every_source() -> Application:
    """Each kind of event, two completion objects, a folder without one, permissions of a job's own."""
    app = Application("Every_Source")
    orders = app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}")
    ready = app.s3("ready", "s3://lake/ready/{day:%Y-%m-%d}", completion=["READY", "_SUCCESS"])
    loose = app.s3("loose", "s3://loose/{day:%Y-%m-%d}", completion=None)
    sales = app.marshal_external_data(
        GlueTable("sales", "daily", location="s3://sales/daily"), "sales", {"day": {"type": "DATETIME"}}
    )
    told = app.marshal_external_data(SNS(TOPIC), "told", {"day": {"type": "DATETIME"}})
    daily = app.add_timer("daily", "rate(1 day)", "day")
    hot = app.marshal_external_alarm(CWAlarm(name="cpu high"), "hot")
    read = Permission(resource=["arn:aws:s3:::secrets/*"], action=["s3:GetObject"])
    app.create_data("joined", [orders[1], daily], compute_targets=BatchCompute("output = orders"))
    app.create_data(
        "special", [ready, sales], compute_targets=BatchCompute("output = ready", extra_permissions=[read])
    )
    app.create_data("noted", [loose, told], compute_targets=InlinedCompute(note))
    app.create_data("cooled", [hot["ALARM"]], compute_targets=InlinedCompute(note))
    return app


def many(nodes: int, buckets: int = 40) -> Application:
    """An application of many nodes, each with an input of its own and a job."""
    app = Application("many")
    for n in range(nodes):
        source = app.s3(f"source_{n}", f"s3://lake-{n % buckets}/source/{n}/{{day:%Y-%m-%d}}")
        app.create_data(f"node_{n}", [source], compute_targets=BatchCompute(f"output = source_{n}"))
    return app


def example(name: str) -> Application:
    """Return the application of an example."""
    return load_app(ROOT / "examples" / name / "app.py")


def template_of(app: Application, **options: Any) -> dict[str, Any]:
    """Return the template of an application."""
    graph = app.graph()
    return build_template(build_plan(graph, **options), graph)


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a template's resources of one type, by logical id."""
    return {id: r["Properties"] for id, r in template["Resources"].items() if r["Type"] == kind}


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy statement, wherever it stands."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for part in value.values():
            yield from statements(part)
    elif isinstance(value, list):
        for part in value:
            yield from statements(part)


def listed(value: Any) -> list[Any]:
    """Return one value, or several, as a list."""
    return value if isinstance(value, list) else [value]
