"""The policy in docs/deploy.md -> it names every call that a lifecycle makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codegen.cloudformation.stack import build_template
from rheo_platforms.lifecycle.release import Release
from rheodsl import GlueTable

from .test_activate import schedules
from .test_catalog import table as make_table
from .world import DAGS, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"
# What IAM calls a call, where it is not the call's own name.
ACTIONS = {
    "s3": {
        "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
        "DeleteObjects": "DeleteObject",
    },
}  # fmt: skip
SERVICES = {"mwaa": "airflow"}
FREE = {"sts:GetCallerIdentity"}  # needs no permission


def policy() -> list[dict[str, Any]]:
    """The statements on the page."""
    [block] = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    statements: list[dict[str, Any]] = json.loads(block)["Statement"]
    return statements


def test_it_names_every_call(world: World) -> None:
    names: set[str] = set()
    called = world.calls.__call__

    def note(name: str, call: Any) -> Any:
        names.add(name)
        return called(name, call)

    world.session.calls = note  # type: ignore[assignment]
    app = world.app()
    app.add_timer("often", "rate(1 hour)", time_dimension_id="hour")
    app.create_data("hourly", inputs=[app["often"]], compute_targets="output = spark.range(1)")
    make_table(world)
    sales = app.marshal_external_data(GlueTable("sales", "orders"), "sales", {"day": {"type": "DATETIME"}})
    app.create_data("sold", inputs=[sales], compute_targets="output = sales")
    app.activate()
    schedules(world)
    str(app.plan())
    app.pause()
    app.resume()
    app.terminate(wait_for_active_routes=True)
    app.delete()
    direct = [s for s in policy() if "Condition" not in s]
    allowed = {action for statement in direct for action in statement["Action"]}
    for name in names:
        service, _, method = name.partition(".")
        call = "".join(map(str.capitalize, method.split("_")))
        action = f"{SERVICES.get(service, service)}:{ACTIONS.get(service, {}).get(call, call)}"
        assert action in allowed | FREE, name
    assert len(names) > 20


def test_it_covers_every_service_of_the_template(world: World) -> None:
    app = world.app()
    release = Release.of(app.graph(), dialect="mwaa-3.3", bucket=world.bucket())
    template = build_template(release.plan, release.graph)
    services = {made["Type"].split("::")[1].lower() for made in template["Resources"].values()}
    actions = {action for statement in policy() for action in statement["Action"]}
    for service in services:
        assert any(action.startswith(f"{service}:") for action in actions), service


def test_its_places_are_those_that_are_used(world: World) -> None:
    """Names of buckets, stacks, queues and tables begin as the policy says."""
    world.app().activate()
    assert all(bucket.startswith("rheo-") for bucket in world.buckets() if bucket != DAGS)
    assert all(key.startswith("dags/") for key in world.objects(DAGS))
    [stack] = world.session.real("cloudformation").describe_stacks()["Stacks"]
    assert stack["StackName"].startswith("rheo-")
    roles = world.session.real("iam").list_roles()["Roles"]
    assert all(role["Path"].startswith("/rheo/") for role in roles if role["RoleName"] != "airflow")
