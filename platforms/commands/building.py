"""``rheo check``, ``show``, ``compile`` and ``replay``: what needs the file of an application alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platforms.commands.shared import App, app, err, out
from rheodsl.loading import load_app


@app.command()
def check(file: App, strict: Annotated[bool, typer.Option(help="Treat warnings as errors.")] = False) -> None:
    """Report all faults of an application."""
    application = load_app(file)
    graph = application.graph(strict=strict)
    for warning in graph.warnings:
        out.print(str(warning), markup=False)
    nodes = f"{len(graph.nodes)} node{'s' if len(graph.nodes) != 1 else ''}"
    warned = f", {len(graph.warnings)} warnings" if graph.warnings else ""
    out.print(f"{application.name}: {nodes}, no fault{warned}")


@app.command()
def show(
    file: App,
    stage: Annotated[
        str, typer.Option(help="graph: as understood; plan: what is written; dag: the DAG files.")
    ] = "graph",
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
) -> None:
    """Print an application at a stage of its way to Airflow."""
    from platforms.showing import STAGES

    if stage not in STAGES:
        raise typer.BadParameter(f"{stage!r} is none of {', '.join(STAGES)}", param_hint="--stage")
    out.print(STAGES[stage](load_app(file), node), markup=False, end="")


@app.command(name="compile")
def compile_(
    file: App,
    to: Annotated[Path, typer.Option("-o", "--out", help="Files go to OUT/<application>/.")] = Path(
        "dags_out"
    ),
    dialect: Annotated[str, typer.Option(help="mwaa-3.3 or mwaa-3.0.")] = "mwaa-3.3",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when a file would change.")
    ] = False,
) -> None:
    """Write the DAG files, scripts and route table of an application."""
    from codegen import compiler

    application = load_app(file)
    found = compiler.compile_app(application, dialect=dialect)
    folder = to / application.name
    if check:
        if changes := compiler.difference(found, folder):
            out.print(changes, markup=False, end="")
            err.print(f"{folder} is not what {file} compiles to: run rheo compile", markup=False)
            raise typer.Exit(1)
        out.print(f"{folder} is up to date")
        return
    changed = compiler.write(found, folder)
    out.print(f"{folder}: {len(found)} files, {len(changed)} changed")


@app.command()
def replay(
    file: App,
    events: Annotated[Path, typer.Argument(help="One JSON event a line: a raw AWS event.", metavar="EVENTS")],
) -> None:
    """Send events to an application in memory and print, for each, match, binding and result."""
    from platforms.replaying import Replay

    session = Replay(load_app(file))
    for number, line in enumerate(events.read_text("utf-8").splitlines(), start=1):
        if line.strip():
            for told in session.line(number, line):
                out.print(told, markup=False)
    out.print(session.summary(), markup=False)
