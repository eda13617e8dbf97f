"""``rheo process``, ``execute``, ``poll``, ``kill`` and ``materialize``: what a running application is asked."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platforms.commands.shared import Running, app, deployment_of, err, out

if TYPE_CHECKING:
    from platforms.control.controls import Controls
    from rheodsl import ir
    from rheodsl.control import Coordinate
    from rheodsl.views import View

Node = Annotated[str, typer.Argument(help="The id of a node.")]
Values = Annotated[
    list[str] | None, typer.Argument(help="The partition: a text for each dimension, as in its path.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="How many executions may be under way at a time.")]
Timeout = Annotated[float | None, typer.Option(help="How long to wait, in seconds; for ever when left out.")]
Recursive = Annotated[bool, typer.Option("--recursive", help="Make missing ancestors first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and do nothing.")]


@app.command()
def process(
    signal: Annotated[str | None, typer.Argument(help="The id of a signal.")] = None,
    values: Values = None,
    event: Annotated[
        Path | None,
        typer.Option(help="A file with a raw AWS event as JSON, in place of a signal; - reads it."),
    ] = None,
    remote: Annotated[bool, typer.Option("--remote", help="Send it to the listener where it lives.")] = False,
    full_range: Annotated[
        bool, typer.Option("--all", help="Of an event with several records, all and not the first alone.")
    ] = False,
    target: Annotated[str | None, typer.Option(help="The only node that takes it.", metavar="NODE")] = None,
    running: Running = None,
) -> None:
    """Send an event as if it had happened, and say what comes of it."""
    if (signal is None) == (event is None):
        raise typer.BadParameter("name a signal and its partition, or --event FILE")
    controls, graph = running_controls(running)
    given: View | dict[str, Any]
    if event is not None:
        text = sys.stdin.read() if str(event) == "-" else event.read_text("utf-8")
        try:
            given = json.loads(text)
        except ValueError as fault:
            raise typer.BadParameter(f"{event} is no JSON: {fault}") from None
    else:
        given = view_of(graph, signal or "", values or [])
    out.print(str(controls.process(given, remote, full_range, target)), markup=False)


@app.command()
def execute(
    node: Node,
    values: Values = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", help="An input's partition, such as orders/NA/2020-03-18, in place of values."
        ),
    ] = None,
    recursive: Recursive = False,
    dry_run: DryRun = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when Airflow was told.")] = False,
    concurrency: Concurrency = 4,
    timeout: Timeout = None,
    running: Running = None,
) -> None:
    """Make one output partition, and print its path."""
    controls, graph = running_controls(running)
    view = view_of(graph, node, values or [])
    given = []
    for each in inputs or ():
        id, *texts = each.split("/")
        given.append(view_of(graph, id, texts))
    if dry_run:
        out.print(str(controls.plan(view, given, recursive)), markup=False)
        return
    path = controls.execute(view, given, recursive, not no_wait, concurrency, timeout)
    if path is not None:
        out.print(path, markup=False)


@app.command()
def poll(node: Node, values: Values = None, timeout: Timeout = None, running: Running = None) -> None:
    """Follow an execution, and print the path of what it made; fails when nothing is made."""
    controls, graph = running_controls(running)
    path = controls.poll(view_of(graph, node, values or []), timeout)
    if path is None:
        err.print("not made", markup=False)
        raise typer.Exit(1)
    out.print(path, markup=False)


@app.command()
def kill(
    node: Annotated[str, typer.Argument(help="The id of a node, or of an execution: node/partition#number.")],
    values: Values = None,
    running: Running = None,
) -> None:
    """End the execution of an output partition."""
    controls, graph = running_controls(running)
    ended = controls.kill(node if "#" in node else view_of(graph, node, values or []))
    out.print(f"ended {', '.join(ended)}" if ended else "nothing is under way", markup=False)


@app.command()
def materialize(
    signal: Annotated[str, typer.Argument(help="The id of a signal or node.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(help="A text for each dimension; * for any, and after -- an index such as -3."),
    ] = None,
    running: Running = None,
) -> None:
    """Print the path of a partition, or of each of a window."""
    controls, graph = _declared(running)
    given: list[Coordinate] = [int(v) if re.fullmatch(r"-\d+", v) else v for v in values or ()]
    paths = controls.materialize(view_of(graph, signal, []), given or None)
    for path in [paths] if isinstance(paths, str) else paths:
        out.print(path, markup=False)


def view_of(graph: ir.Graph, id: str, texts: list[str]) -> View:
    """Return the view of a partition, given by texts; of all of a signal, when there are none.

    Raises UnknownNameError, FilterError, ValueCastError.
    """
    from rheodsl.alarms import facade
    from rheodsl.errors import FilterError, UnknownNameError

    signal = next((s for s in graph.signals if s.id == id), None)
    if signal is None:
        known = ", ".join(s.id for s in graph.signals)
        raise UnknownNameError(f"{graph.app} has no signal or node {id!r}", hint=f"it has {known}")
    view: View = facade(signal)
    if len(texts) > len(signal.dims):
        raise FilterError(
            f"{id} has {len(signal.dims)} dimensions, not {len(texts)}",
            hint=f"give a value for each of {', '.join(signal.dims) or 'none'}",
        )
    for text in texts:
        view = view[text]
    return view


def running_controls(running: Path | None) -> tuple[Controls, ir.Graph]:
    """Return the controls of a running application, and what is active of it."""
    from platforms.control.controls import Controls
    from platforms.monitoring.active import graph_of
    from rheodsl.errors import StateError

    deployment = deployment_of(running)
    graph = graph_of(deployment)
    if graph is None:
        raise StateError(f"nothing of {deployment.app} is active", hint="activate it first")
    return Controls(lambda: deployment, lambda: deployment.bucket, console=err), graph


def _declared(running: Path | None) -> tuple[Controls, ir.Graph]:
    """The same for what needs nothing that runs, when a file says what is declared."""
    if running is None:
        return running_controls(None)
    from codegen.routes import app_bucket
    from platforms.control.controls import Controls
    from rheodsl.loading import load_app

    application = load_app(running)
    graph = application.graph()
    if application.platform is not None:
        control: Any = application.platform.control(application.name)
        return control, graph
    return Controls(lambda: deployment_of(running), lambda: app_bucket(application.name)), graph
