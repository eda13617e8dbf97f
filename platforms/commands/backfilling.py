"""``rheo backfill``: many output partitions of a running application."""

from __future__ import annotations

from typing import Annotated

import typer

from platforms.commands.controlling import Concurrency, DryRun, Node, Recursive, running_controls, view_of
from platforms.commands.shared import Running, app, err, out


@app.command()
def backfill(
    node: Node,
    start: Annotated[
        str | None, typer.Option("--from", help="The first value of the date dimension.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The last value; --from when left out.")] = None,
    dim: Annotated[
        list[str] | None,
        typer.Option(help="Values of another dimension: region=NA, or region=NA,EU.", metavar="NAME=VALUES"),
    ] = None,
    recursive: Recursive = False,
    again: Annotated[bool, typer.Option("--again", help="Make also what is there already.")] = False,
    dry_run: DryRun = False,
    concurrency: Concurrency = 4,
    running: Running = None,
) -> None:
    """Make the output partitions of a range that are not there yet; run it again to go on."""
    dims: dict[str, list[str]] = {}
    for each in dim or ():
        name, equals, values = each.partition("=")
        if not equals or not values:
            raise typer.BadParameter(f"{each!r} is not of the form NAME=VALUE,VALUE", param_hint="--dim")
        dims.setdefault(name, []).extend(values.split(","))
    controls, graph = running_controls(running)
    view = view_of(graph, node, [])
    if dry_run:
        out.print(str(controls.backfill_plan(view, start, end, dims, recursive, again)), markup=False)
        return
    try:
        result = controls.backfill(view, start, end, dims, recursive, again, concurrency)
    except KeyboardInterrupt:
        err.print("interrupted: what is under way goes on; run it again to make the rest", markup=False)
        raise typer.Exit(130) from None
    out.print(str(result), markup=False)
    if result.failed or result.lacking:
        raise typer.Exit(1)
