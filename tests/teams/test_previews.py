"""A change at a stage of its own -> what differs and what follows, compared, promoted, and gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rheo_platforms.aws import account
from rheo_platforms.cli import app as command
from rheo_platforms.lifecycle import record
from rheo_platforms.lifecycle.preview import affected, preview_graph
from rheo_platforms.operations.comparison import compare_rows
from rheo_runtime.wire import RouteTable
from rheodsl import Application, ir
from rheodsl.errors import StateError
from tests.lifecycle.world import ACCOUNT, DAGS, REGION, Crash, World

from .test_releases import runs

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")

# a -> b -> c -> d, b -> e; f -> g -> h; i. A change in c: c and d.
NODES = {
    "a": "orders",
    "b": "a",
    "c": "b",
    "d": "c",
    "e": "b",
    "f": "orders",
    "g": "f",
    "h": "g",
    "i": "orders",
}


def nine(stage: str | None = None, platform: Any = None, **changed: str) -> Application:
    """An application of nine nodes, some of which compute something else."""
    app = Application("shop", platform, stage=stage)
    app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
    for node, input in NODES.items():
        code = changed.get(node, f"output = {input}")
        app.create_data(node, inputs=[app[input]], compute_targets=code, dataset_format="CSV")
    return app


PROD = ir.Partner("shop", ACCOUNT, REGION)
CHANGE = "output = b.limit(10)"


def preview(**changed: str) -> ir.Graph:
    wanted, staged = nine(**changed).graph(), nine("pr-1", **changed).graph()
    return preview_graph(nine().graph(), wanted, staged, PROD, "rheo-shop")


def test_what_differs_and_what_comes_after() -> None:
    assert affected(nine().graph(), nine().graph()) == frozenset()
    assert affected(nine().graph(), nine(c=CHANGE).graph()) == {"c", "d"}
    assert affected(nine().graph(), nine(b=CHANGE).graph()) == {"b", "c", "d", "e"}
    moved = Application("shop")
    moved.s3("orders", "s3://elsewhere/orders/{day:%Y-%m-%d}")
    for node, input in NODES.items():
        moved.create_data(
            node, inputs=[moved[input]], compute_targets=f"output = {input}", dataset_format="CSV"
        )
    assert affected(nine().graph(), moved.graph()) == NODES.keys(), "all that comes from another place"


def test_the_rest_is_read_from_the_base_and_never_written() -> None:
    found = preview(c=CHANGE)
    assert [node.id for node in found.nodes] == ["c", "d"]
    assert {signal.id for signal in found.signals} == {"b", "c", "d"}
    source = found.signal("b").source
    assert isinstance(source, ir.UpstreamSource)
    assert (source.app, source.bucket) == ("shop", "rheo-shop")
    assert found.upstreams == (PROD,)


def test_what_reads_no_node_of_the_base_imports_nothing() -> None:
    found = preview(i="output = orders.limit(1)")
    assert [node.id for node in found.nodes] == ["i"]
    assert found.upstreams == ()


def test_nothing_differs() -> None:
    with pytest.raises(StateError, match="no node of shop--pr-1 differs from shop"):
        preview()


def test_rows_are_compared_in_whichever_order() -> None:
    rows = [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"a": "2", "b": "y"}]
    assert compare_rows(rows, rows[::-1]).same
    found = compare_rows(rows, [{"a": "2", "c": "y"}, {"a": "1", "c": "z"}])
    assert found.rows == (3, 2)
    assert found.only == (("b",), ("c",))
    assert found.differing == (1, 0), "of the columns that both have; twice is not once"
    assert not found.same
    assert compare_rows([{"a": 1}], [{"a": "1"}]).differing == (1, 1), "a number is no text"
    assert compare_rows([{"a": float("nan")}], [{"a": float("nan")}]).same
    assert compare_rows(rows, []).differing == (3, 0)
    assert next(iter(found.lines("prod", "pr"))) == (
        "- prod: 3 rows, 1 of them only here, columns that the other has not: b"
    )


FILE = """
from rheodsl import *
from tests.teams.test_previews import NODES

app = AWSApplication("shop", "eu-west-1")
app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
for node, input in NODES.items():
    code = CHANGED.get(node, f"output = {input}")
    app.create_data(node, inputs=[app[input]], compute_targets=code, dataset_format="CSV")
"""


class Team:
    """A program of nine nodes, and the command."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "app.py"
        (folder / "pyproject.toml").write_text('[tool.rheo]\nplain = "prod"\n')
        self.change()

    def change(self, **changed: str) -> None:
        self.file.write_text(f"CHANGED = {changed!r}\n" + FILE)

    def rheo(self, name: str, *words: str, status: int = 0) -> str:
        done = CliRunner().invoke(command, [name, "--app", str(self.file), *words])
        assert done.exit_code == status, (done.output, done.exception)
        return done.output or str(done.exception)


@pytest.fixture
def team(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setattr(account.Credentials, "session", lambda self, region: world.session)
    return Team(tmp_path)


def everything(world: World) -> set[str]:
    """All that an account has: resources that moto makes, and objects."""
    made = [f"{DAGS}/{key}" for key in world.objects(DAGS)]
    made += world.buckets()
    made += world.session.real("dynamodb").list_tables()["TableNames"]
    made += world.session.real("sqs").list_queues().get("QueueUrls", [])
    made += [r["RoleName"] for r in world.session.real("iam").list_roles()["Roles"]]
    made += [f["FunctionName"] for f in world.session.real("lambda").list_functions()["Functions"]]
    made += [r["Name"] for r in world.session.real("events").list_rules()["Rules"]]
    made += [g["logGroupName"] for g in world.session.real("logs").describe_log_groups()["logGroups"]]
    return set(made)


@pytest.mark.slow
def test_a_change_is_previewed_compared_promoted_and_taken_back(world: World, team: Team) -> None:
    team.rheo("activate", "--stage", "prod")
    prod, all_before = runs(world), everything(world)
    team.change(c=CHANGE)
    planned = team.rheo("plan", "--stage", "pr-1", "--from", "prod", "--check", status=2)
    assert planned.startswith(
        "shop--pr-1 is INITIALIZED; a preview of shop\n\nread from shop\n  b\n\nsignals\n  + b\n\nnodes\n  + c\n  + d\n"
    )
    assert everything(world) == all_before, "a plan changes nothing"
    team.rheo("activate", "--stage", "pr-1", "--from", "prod")
    assert runs(world) == prod, "the base is only read"
    assert "nothing would change" in team.rheo("plan", "--stage", "pr-1", "--from", "prod", "--check")
    planned = json.loads(team.rheo("plan", "--stage", "pr-1", "--from", "prod", "--json"))
    assert (planned["base"], planned["reads"], planned["empty"]) == ("shop", ["b"], True)
    said = team.rheo("plan", "--stage", "pr-1", "--from", "prod", "--history", status=2)
    assert "what a preview costs is not told" in said
    team.change()
    assert "no node of shop--pr-1 differs" in team.rheo("plan", "--stage", "pr-1", "--from", "prod", status=1)
    team.change(c=CHANGE)
    dags = {key.removeprefix("dags/shop--pr-1/") for key in world.objects(DAGS, "dags/shop--pr-1/")}
    assert {key for key in dags if key.endswith(".py") and "/" not in key} == {
        "c.py",
        "d.py",
        "rheo__pump.py",
    }
    # Events of one do not start the other: it hears what prod says of b, and nothing of orders.
    listener = RouteTable.loads(json.dumps(world.listener("shop--pr-1")))
    assert [route.node for route in listener.routes] == ["c", "d"]
    assert "shop-orders" not in listener.dumps()
    template = world.session.real("cloudformation").get_template(StackName="rheo-shop--pr-1")["TemplateBody"]
    patterns = [
        made["Properties"]["EventPattern"]
        for made in template["Resources"].values()
        if made["Type"] == "AWS::Events::Rule"
    ]
    said = [p["detail"]["app"] for p in patterns if "app" in p.get("detail", {})]
    assert sorted(map(str, said)) == ["['shop']", "['shop--pr-1']"]

    for bucket, rows in ((world.bucket(), "1,2\n3,4\n"), (world.bucket("shop--pr-1"), "1,2\n3,5\n")):
        key = "internal_data/c/2020-01-01/part-0.csv"
        world.s3.put_object(Bucket=bucket, Key=key, Body=f"x,y\n{rows}".encode())
        world.s3.put_object(Bucket=bucket, Key=key.replace("part-0.csv", "_SUCCESS"), Body=b"")
    told = team.rheo("diff", "prod", "c", "2020-01-01", "--stage", "pr-1", status=2)
    assert "- shop: 2 rows, 1 of them only here" in told
    assert "+ x=3, y=5" in told

    there = world.bucket("shop--pr-1")
    scripts = {key: world.text(there, key) for key in world.objects(there, "rheo/") if key.count("/") > 1}
    assert scripts.keys() >= {"rheo/glue/c.py", "rheo/glue/d.py", "rheo/lib/rheo_spark.py"}
    team.change(c="output = b.limit(99)")  # somebody goes on working: that is not what was previewed
    team.rheo("promote", "prod", "--stage", "pr-1")
    for key, text in scripts.items():
        assert world.text(world.bucket(), key) == text, "the very bytes"
    assert "limit(10)" in world.text(world.bucket(), "rheo/glue/c.py")
    assert [r["what"] for r in json.loads(team.rheo("releases", "--json"))] == [
        "activate",
        "promote shop--pr-1",
    ]
    team.rheo("rollback")
    assert runs(world) == prod
    team.rheo("terminate", "--stage", "pr-1", "--yes")
    team.rheo("delete", "--stage", "pr-1", "--yes")
    assert everything(world) == all_before, "nothing is left"


@pytest.mark.slow
def test_a_preview_of_what_has_changed_since_is_not_promoted(world: World, team: Team) -> None:
    team.rheo("activate")
    team.change(c=CHANGE)
    team.rheo("activate", "--stage", "pr-1", "--from", "prod")
    assert "is no preview of shop--other" in team.rheo("promote", "other", "--stage", "pr-1", status=1)
    assert "shop--pr-1 is the same stage" in team.rheo("promote", "pr-1", "--stage", "pr-1", status=1)
    team.change(i="output = orders.limit(1)")
    team.rheo("activate")
    told = team.rheo("promote", "prod", "--stage", "pr-1", status=1)
    assert "shop has changed since shop--pr-1 was made from it" in told


@pytest.mark.slow
def test_promoting_may_die_at_any_call(world: World, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "SECONDS", -1.0)  # locks of dead processes have expired
    team.rheo("activate")
    before = runs(world)
    team.change(c=CHANGE)
    team.rheo("activate", "--stage", "pr-1", "--from", "prod")
    expected: dict[str, Any] | None = None
    died = 0
    while True:
        world.calls.reset(died)
        done = CliRunner().invoke(command, ["promote", "--app", str(team.file), "prod", "--stage", "pr-1"])
        if not isinstance(done.exception, Crash):
            assert done.exit_code == 0, done.exception
            break
        died += 1
        world.calls.reset()
        team.rheo("promote", "prod", "--stage", "pr-1")
        found = runs(world)
        expected = expected or found
        assert found == expected != before
        team.rheo("rollback", "1")
        assert runs(world) == before
    assert died > 10
