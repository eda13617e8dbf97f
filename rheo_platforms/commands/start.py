"""``rheo init``: a project to begin with."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from rheo_platforms.commands.shared import Json, app, tell
from rheo_platforms.commands.workflows import GITHUB, GITLAB
from rheodsl.errors import StateError

APP = '''"""What each region has sold: of a day, once its orders are there; of a week, once all seven days are."""

import os

from rheodsl import *

# On this machine while you work; in AWS where RHEO_REGION names a region, as the CI's workflow does.
region = os.environ.get("RHEO_REGION")
app = Application("NAME", platform=AWSPlatform(region) if region else None)

orders = app.s3(
    "orders",
    "s3://NAME-orders/{region}/{day:%Y-%m-%d}",
    format="CSV",
    schema="item string, price double",
)
sales = app.create_data(
    "sales",
    inputs=[orders],
    compute_targets=SparkSQL("SELECT item, sum(price) AS price FROM orders GROUP BY item"),
)
week = app.create_data(
    "week",
    inputs=[sales["*"][:-7].range_check(True)],
    compute_targets=SparkSQL("SELECT item, sum(price) AS price FROM sales GROUP BY item"),
)
'''

TEST = '''"""When the nodes run, told as a story of events; no Airflow, no Spark, no AWS."""


def test_a_day_runs_when_its_orders_are_there(rheo_app, rheo_sim):
    [run] = rheo_sim.send(rheo_app["orders"]["NA"]["2026-01-07"])
    assert (run.node, run.output) == ("sales", {"region": "NA", "day": "2026-01-07"})


def test_a_week_waits_for_all_seven_days(rheo_app, rheo_sim):
    for day in range(1, 7):
        rheo_sim.send(rheo_app["orders"]["NA"][f"2026-01-{day:02}"])
    assert "week" not in {run.node for run in rheo_sim.runs}
    rheo_sim.send(rheo_app["orders"]["NA"]["2026-01-07"])
    assert [run.output["day"] for run in rheo_sim.runs if run.node == "week"] == ["2026-01-07"]
'''

ORDERS = "item,price\ntea,2.5\ntea,2.5\nrice,4.0\n"

PROJECT = """\
# What `rheo` speaks of when no application is named.
[tool.rheo]
app = "app.py"
plain = "prod" # this stage has the names without a stage

[tool.pytest.ini_options]
testpaths = ["tests"]
rheo_app = "app.py"
"""

IGNORED = """\
.venv/
__pycache__/
.pytest_cache/
# the local stack: its state (with passwords), logs and data
.rheo/
# what is generated; take this line out to review it
dags_out/
"""


def files_of(name: str, gitlab: bool = False) -> dict[str, str]:
    """Return the files of a project whose application has this name, by their paths; its CI is GitHub's or GitLab's.

    >>> sorted(files_of("shop"))[:3]
    ['.github/workflows/rheo.yml', '.gitignore', 'app.py']
    """
    ci, workflow = (".gitlab-ci.yml", GITLAB) if gitlab else (".github/workflows/rheo.yml", GITHUB)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "app.py": APP.replace("NAME", name),
        "tests/test_app.py": TEST,
        "tests/orders.csv": ORDERS,
        "pyproject.toml": PROJECT,
        ".gitignore": IGNORED,
        ci: workflow.replace("PYTHON", python),
    }


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where; it is made when it is not there.")] = Path(),
    name: Annotated[
        str | None, typer.Option(help="The name of the application; the folder's when left out.")
    ] = None,
    gitlab: Annotated[
        bool, typer.Option("--gitlab", help="Write the workflow for GitLab, not GitHub.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Begin a project: an application, its tests, .gitignore, and a workflow that plans, previews and activates."""
    chosen = name or re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-")[:40] or "shop"
    found = files_of(chosen, gitlab)
    there = [path for path in found if (folder / path).exists()]
    if there:
        raise StateError(
            f"{folder.resolve()} has {', '.join(there)} already",
            hint="name an empty folder: rheo init FOLDER; nothing was written",
        )
    for path, text in found.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8", newline="\n")
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder}; "
    told = [
        *(f"  {path}" for path in found),
        f"{chosen} is begun; go on: {step}rheo check, python -m pytest, rheo up",
    ]
    tell(as_json, {"app": chosen, "folder": folder.resolve(), "files": list(found)}, "\n".join(told))
