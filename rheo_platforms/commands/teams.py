"""``rheo releases``, ``rollback``, ``promote``, ``diff``: what was active, and what another stage has."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from rheo_platforms.commands.deploy import application, at_stage, life, tell_state
from rheo_platforms.commands.shared import App, Json, app, tell
from rheo_platforms.operations.comparison import compare_rows
from rheodsl.analysis import DataFrameFormat


@app.command()
def releases(
    file: App = None,
    plans: Annotated[bool, typer.Option("--plans", help="Say what each one changed.")] = False,
    as_json: Json = False,
) -> None:
    """List the releases of an application: each activation that changed something."""
    found = application(file, as_json).releases()
    lines = [line for each in found for line in (str(each), *(f"        {p}" for p in each.plan if plans))]
    tell(as_json, found, "\n".join(lines))


@app.command()
def rollback(
    number: Annotated[
        int | None, typer.Argument(help="The release; the one before this one when left out.")
    ] = None,
    file: App = None,
    as_json: Json = False,
) -> None:
    """Let an application run as it did in a release."""
    found = application(file, as_json)
    found.rollback(number)
    tell_state(found, as_json)


@app.command()
def promote(
    to: Annotated[str, typer.Argument(metavar="STAGE", help="The stage that it is a preview of.")],
    file: App = None,
    as_json: Json = False,
) -> None:
    """Let a stage run what its preview (--stage) runs: the very files."""
    found = application(file, as_json)
    other = at_stage(file, to, found, as_json)
    life(found).promote(life(other))
    tell_state(other, as_json)


@app.command()
def diff(
    other: Annotated[str, typer.Argument(metavar="STAGE", help="The stage to compare with.")],
    node: Annotated[str, typer.Argument(help="The node whose output is compared.")],
    values: Annotated[list[str], typer.Argument(metavar="PARTITION", help="A text for each dimension.")],
    file: App = None,
    as_json: Json = False,
) -> None:
    """Compare an output with that of another stage; exit with status 2 when they differ."""
    found = application(file, as_json)
    sides = [at_stage(file, other, found, as_json), found]
    rows = [side.load_data(side[node], format=DataFrameFormat.ORIGINAL, values=values) for side in sides]
    compared = compare_rows(*(list(chain.from_iterable(parts)) for parts in rows))
    tell(as_json, compared, "\n".join(compared.lines(*(side.name for side in sides))))
    if not compared.same:
        raise typer.Exit(2)
