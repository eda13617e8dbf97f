"""Golden error texts: what a user writes in ``app.py`` -> the whole message that they read.

A file of ``tests/golden/errors`` holds cases, each a name, a few lines of the user's and the message::

    === a value outside the declared filter
    regions["FE"]
    ---
    RD102: regions.region cannot be 'FE': it lies outside the filter (NA, EU)
      at   app.py:1
      hint use a value that the signal's dimension_filter lets pass

`PRELUDE` stands before the user's lines. When they raise nothing, the graph is compiled; its report, or
its warnings, are the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheodsl import Application
from rheodsl.errors import RheoError

FOLDER = Path(__file__).parents[1] / "golden" / "errors"

PRELUDE = """
from datetime import date, datetime, timedelta
from rheodsl import *
from rheodsl.testing import Simulator

app = Application("shop")
orders = app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}")
ships = app.s3("ships", "s3://lake/ships/{region}/{ship_day:%d-%m-%Y}")
hours = app.s3("hours", "s3://lake/hours/{at:%Y-%m-%d %H}")
months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
regions = app.marshal_external_data(
    S3Dataset(None, "lake", "regions"),
    "regions",
    {"region": {"type": STRING, "date": {"type": DATETIME}}},
    {"NA": {"*": {}}, "EU": {"*": {}}},
)
flag = app.s3("flag", "s3://lake/flag")
errors = app.create_metric("errors", {"Error": {}, "Retry": {}})
cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
"""


@dataclass(frozen=True)
class Case:
    """What a user wrote, and the message."""

    name: str
    written: str
    message: str


def read(path: Path) -> Iterator[Case]:
    """Yield the cases of a golden file."""
    for block in path.read_text("utf-8").split("=== ")[1:]:
        name, _, rest = block.partition("\n")
        written, _, message = rest.partition("\n---\n")
        yield Case(name.strip(), written.strip("\n"), message.strip("\n"))


def write(path: Path, cases: list[Case]) -> None:
    """Write the cases of a golden file."""
    blocks = [f"=== {c.name}\n{c.written}\n---\n{c.message}\n" for c in cases]
    path.write_text("\n".join(blocks), "utf-8")


def message_of(written: str) -> str:
    """Return what a user reads who writes this; "" when there is nothing to say."""
    scope: dict[str, Any] = {"__name__": "app"}
    exec(compile(PRELUDE, "prelude.py", "exec"), scope)
    try:
        exec(compile(written, "app.py", "exec"), scope)
        app = scope["app"]
        assert isinstance(app, Application)
        warnings = app.graph().warnings
    except RheoError as fault:
        return str(fault)
    return "\n\n".join(map(str, warnings))
