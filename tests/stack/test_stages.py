"""Production, a stage beside it, and a preview of a change, in one Airflow: apart, compared, promoted, and gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rheo_platforms.cli import app as command

from .conftest import Lab

pytestmark = pytest.mark.slow

# a -> b -> c -> d, b -> e; f -> g -> h; i. A change in c: c and d.
PROGRAM = '''
from rheodsl import *


def write(input_map, output, params):
    """Write two rows."""
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    s3.put_object(Bucket=bucket, Key=f"{key}/rows.csv", Body=b"item,price\\ntea,1\\nrice,2\\n")


def dearer(input_map, output, params):
    """Write two rows, of which one is another."""
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    s3.put_object(Bucket=bucket, Key=f"{key}/rows.csv", Body=b"item,price\\ntea,1\\nrice,3\\n")


app = Application("teams")
place = app.by_stage({"dev": "s3://teams-dev", "*": "s3://teams-orders"})
orders = app.s3("orders", place + "/orders/{day:%Y-%m-%d}")
before = {"a": "orders", "b": "a", "c": "b", "d": "c", "e": "b", "f": "orders", "g": "f", "h": "g", "i": "orders"}
for node, input in before.items():
    app.create_data(node, inputs=[app[input]], compute_targets=write, dataset_format="CSV")
'''
NODES = tuple("abcdefghi")
CHANGED = PROGRAM.replace("compute_targets=write", 'compute_targets=dearer if node == "c" else write')
PROD, DEV, PREVIEW = "teams", "teams--dev", "teams--pr-1"


@pytest.fixture
def rheo(stack: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The command, for a program beside which stands that production has the plain names."""
    monkeypatch.chdir(stack.folder)
    (tmp_path / "pyproject.toml").write_text('[tool.rheo]\nplain = "prod"\n')
    (tmp_path / "app.py").write_text(PROGRAM)

    def run(name: str, *words: str, status: int = 0) -> str:
        done = CliRunner().invoke(command, [name, "--app", str(tmp_path / "app.py"), *words])
        assert done.exit_code == status, (done.output, done.exception)
        return done.output

    return run


def partitions(stack: Lab, app: str, node: str, state: str | None = None) -> set[str]:
    """The partitions of which a node has runs."""
    return {run["partition_key"] for run in stack.runs(app, node, state)}


def everything(stack: Lab) -> str:
    """The names of all that applications have on the stack."""
    found = [b["Name"] for b in stack.client("s3").list_buckets()["Buckets"]]
    found += stack.client("dynamodb").list_tables()["TableNames"]
    found += stack.client("sqs").list_queues().get("QueueUrls", [])
    found += [rule["Name"] for rule in stack.client("events").list_rules()["Rules"]]
    found += [part.app for part in stack.local.status()]
    found += [str(path) for path in (stack.local.folder / "dags").rglob("*")]
    return "\n".join(found)


def test_three_stages_of_one_program(stack: Lab, rheo: Callable[..., str], tmp_path: Path) -> None:
    for stage, name in (("prod", PROD), ("dev", DEV)):
        rheo("activate", "--stage", stage)
        stack.started.add(name)
    (tmp_path / "app.py").write_text(CHANGED)
    assert "\nnodes\n  + c\n  + d\n\n" in rheo("plan", "--stage", "pr-1", "--from", "prod")
    begun = time.monotonic()
    rheo("activate", "--stage", "pr-1", "--from", "prod")
    seconds = time.monotonic() - begun
    stack.started.add(PREVIEW)
    print(f"the preview is up after {seconds:.1f} s")
    assert seconds < 120, "a minute, and as much again for a busy machine"
    dags = {path.stem for path in (stack.local.folder / "dags" / PREVIEW).glob("*.py")}
    assert dags & set(NODES) == {"c", "d"}, "the node that changed and what comes after it"

    stack.put("s3://teams-dev/orders/2020-01-01/_SUCCESS")
    for node in ("d", "e", "h", "i"):  # the last ones of each chain
        stack.until(lambda n=node: partitions(stack, DEV, n, "success"))  # type: ignore[misc]
    stack.put("s3://teams-orders/orders/2020-01-03/_SUCCESS")
    for node in ("d", "e", "h", "i"):
        stack.until(lambda n=node: partitions(stack, PROD, n, "success"))  # type: ignore[misc]
    stack.until(lambda: "2020-01-03" in partitions(stack, PREVIEW, "d", "success"))
    for node in NODES:
        assert partitions(stack, DEV, node) == {"2020-01-01"}
        assert partitions(stack, PROD, node) == {"2020-01-03"}
    assert "2020-01-01" not in partitions(stack, PREVIEW, "c")

    told = rheo("diff", "prod", "c", "2020-01-03", "--stage", "pr-1", status=2)
    assert "- teams: 2 rows, 1 of them only here" in told
    assert "+ item=rice, price=3" in told
    rheo("diff", "prod", "d", "2020-01-03", "--stage", "pr-1")

    def made(day: str) -> str:
        """What c of production makes of a day."""
        stack.put(f"s3://teams-orders/orders/{day}/_SUCCESS")
        stack.until(lambda: day in partitions(stack, PROD, "c", "success"))
        return stack.read(f"s3://rheo-teams/internal_data/c/{day}/rows.csv")

    rheo("promote", "prod", "--stage", "pr-1")
    assert "rice,3" in made("2020-01-04")
    rheo("rollback", "--stage", "prod")
    assert "rice,2" in made("2020-01-05")

    assert PREVIEW in everything(stack)
    rheo("terminate", "--stage", "pr-1", "--yes", "--wait")
    rheo("delete", "--stage", "pr-1", "--yes")
    stack.started.discard(PREVIEW)
    assert PREVIEW not in everything(stack)
