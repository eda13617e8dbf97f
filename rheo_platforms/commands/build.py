"""``rheo check``, ``show``, ``compile`` and ``replay``: what needs the file of an application alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codegen import compiler
from rheo_platforms.commands.shared import App, Json, Minutes, app, err, file_of, named, out, tell
from rheo_platforms.commands.show import DATA, STAGES
from rheo_platforms.operations.capacity import PACE, capacity_of, load_of
from rheo_platforms.operations.replay import Replay
from rheodsl.bindable import restrictions
from rheodsl.errors import GraphError, together
from rheodsl.loading import uncollected


@app.command()
@uncollected()  # what it makes stays until it ends
def check(
    file: App = None,
    strict: Annotated[bool, typer.Option(help="Treat warnings as errors.")] = False,
    as_json: Json = False,
) -> None:
    """Report all faults of an application."""
    application = named(file)
    try:
        graph = application.graph(strict=strict)
    except GraphError as fault:
        more = compiler.faults(application.sound_graph())
        raise GraphError(application.name, together(fault.faults, more)) from None
    if faults := compiler.faults(graph):
        raise GraphError(graph.app, faults)
    nodes = f"{len(graph.nodes)} node{'s' if len(graph.nodes) != 1 else ''}"
    warned = f", {len(graph.warnings)} warnings" if graph.warnings else ""
    binds = restrictions(graph)
    lines = [*map(str, graph.warnings), *map(str, binds), f"{application.name}: {nodes}, no fault{warned}"]
    found = {
        "app": application.name,
        "nodes": [n.id for n in graph.nodes],
        "warnings": graph.warnings,
        "binds": binds,
    }
    tell(as_json, found, "\n".join(lines))


@app.command()
def show(
    file: App = None,
    stage: Annotated[
        str, typer.Option(help="graph: as understood; plan: what is written; dag: the DAG files.")
    ] = "graph",
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    as_json: Json = False,
) -> None:
    """Print an application at a stage of its way to Airflow."""
    if stage not in STAGES:
        raise typer.BadParameter(f"{stage!r} is none of {', '.join(STAGES)}", param_hint="--stage")
    application = named(file)
    if as_json:
        tell(True, DATA[stage](application, node), "")
    else:
        out.print(STAGES[stage](application, node), markup=False, end="")


@app.command(name="compile")
@uncollected()  # what it makes stays until it ends
def compile_(
    file: App = None,
    to: Annotated[Path, typer.Option("-o", "--out", help="Files go to OUT/<application>/.")] = Path(
        "dags_out"
    ),
    dialect: Annotated[str, typer.Option(help="mwaa-3.3 or mwaa-3.0.")] = "mwaa-3.3",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when a file would change.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the DAG files, scripts and route table of an application."""
    application = named(file)
    found = compiler.compile_graph(application.graph(), dialect=dialect)
    folder = to / application.name
    if check:
        changes = compiler.difference(found, folder)
        up_to_date = f"{folder} is up to date"
        tell(as_json, {"folder": folder, "diff": changes}, changes.rstrip("\n") or up_to_date)
        if changes:
            err.print(f"{folder} is not what {file_of(file)} compiles to: run rheo compile", markup=False)
            raise typer.Exit(1)
        return
    changed = compiler.write(found, folder)
    told = f"{folder}: {len(found)} files, {len(changed)} changed"
    tell(as_json, {"folder": folder, "files": sorted(found), "changed": sorted(map(str, changed))}, told)


@app.command()
def replay(
    events: Annotated[Path, typer.Argument(help="One JSON event a line: a raw AWS event.", metavar="EVENTS")],
    file: App = None,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="Tell how long all of them take, and how late executions end.")
    ] = False,
    minutes: Minutes = PACE.minutes,
    as_json: Json = False,
) -> None:
    """Send events to an application in memory and print, for each, match, binding and result."""
    application = named(file)
    if capacity:
        load = load_of(application, events.read_text("utf-8").splitlines())
        found = capacity_of(application, load, PACE._replace(minutes=minutes))
        tell(as_json, found.to_json(), str(found))
        return
    session = Replay(application)
    lines: dict[int, list[str]] = {}
    for number, line in enumerate(events.read_text("utf-8").splitlines(), start=1):
        if line.strip():
            lines[number] = list(session.line(number, line))
            if not as_json:
                tell(False, None, "\n".join(lines[number]))
    tell(as_json, {"lines": lines, "summary": session.summary()}, session.summary())
