"""The ``rheo`` command."""

from __future__ import annotations

import importlib

from platforms.commands.shared import app, err
from rheodsl.errors import RheoError

# Each registers its commands on the one above; help shows them in this order.
for _name in (
    "building",
    "graphing",
    "templates",
    "local",
    "deploying",
    "watching",
    "controlling",
    "backfilling",
    "dead_letters",
):
    importlib.import_module(f"platforms.commands.{_name}")


def main() -> None:
    """Run the command; a user's mistake is printed as text, not as a traceback."""
    try:
        app()
    except RheoError as fault:
        err.print(str(fault), markup=False)
        raise SystemExit(1) from None
