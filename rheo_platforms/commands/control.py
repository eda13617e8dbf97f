"""``rheo process``, ``execute``, ``poll``, ``kill``, ``backfill``, ``materialize``: what a running application is asked."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rheo_platforms.commands.shared import Json, Running, app, deployment_of, err, file_of, named, tell
from rheo_platforms.operations.control import Control
from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.cloudwatch.alarms import facade
from rheodsl.control import BackfillRequest, ExecutionRequest, Planned
from rheodsl.errors import FilterError, StateError, UnknownNameError
from rheodsl.paths import Coordinate
from rheodsl.paths import materialize as paths_of
from rheodsl.signals import View

Node = Annotated[str, typer.Argument(help="The id of a node.")]
Values = Annotated[
    list[str] | None, typer.Argument(help="The partition: a text for each dimension, as in its path.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="How many executions may be under way at a time.")]
Timeout = Annotated[float | None, typer.Option(help="How long to wait, in seconds; for ever when left out.")]
Recursive = Annotated[bool, typer.Option("--recursive", help="Make missing ancestors first.")]
Alternative = Annotated[
    str | None,
    typer.Option(help="Of a node of alternatives, the inputs that start the one to use: 'web & shop'."),
]
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
    as_json: Json = False,
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
    done = controls.process(given, remote, full_range, target)
    found = {"executions": dict(done), "taken": done.taken, "ignored": done.ignored, "sent": done.sent}
    tell(as_json, found, str(done))


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
    alternative: Alternative = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Make one output partition, and print its path. What is active runs: `rheo activate` takes changes over."""
    controls, graph = running_controls(running, tell=True)
    view = view_of(graph, node, values or [])
    given = []
    for each in inputs or ():
        id, *texts = each.split("/")
        given.append(view_of(graph, id, texts))
    wanted = ExecutionRequest(view, given, recursive, not no_wait, concurrency, timeout, alternative)
    if dry_run:
        _tell_plan(controls.plan(wanted), as_json)
        return
    path = controls.execute(wanted)
    tell(as_json, {"path": path}, path or "")


@app.command()
def poll(
    node: Node,
    values: Values = None,
    timeout: Timeout = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Follow an execution, and print the path of what it made; fails when nothing is made."""
    controls, graph = running_controls(running)
    path = controls.poll(view_of(graph, node, values or []), timeout)
    tell(as_json, {"path": path}, path or "")
    if path is None:
        err.print("not made", markup=False)
        raise typer.Exit(1)


@app.command()
def kill(
    node: Annotated[str, typer.Argument(help="The id of a node, or of an execution: node/partition#number.")],
    values: Values = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """End the execution of an output partition."""
    controls, graph = running_controls(running)
    ended = controls.kill(node if "#" in node else view_of(graph, node, values or []))
    tell(as_json, {"ended": ended}, f"ended {', '.join(ended)}" if ended else "nothing is under way")


@app.command()
def materialize(
    signal: Annotated[str, typer.Argument(help="The id of a signal or node.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(help="A text for each dimension; * for any, and after -- an index such as -3."),
    ] = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Print the path of a partition, or of each of a window."""
    bucket, graph = _declared(running)
    given: list[Coordinate] = [int(v) if re.fullmatch(r"-\d+", v) else v for v in values or ()]
    paths = paths_of(view_of(graph, signal, []), given or None, bucket)
    found = [paths] if isinstance(paths, str) else paths
    tell(as_json, {"paths": found}, "\n".join(found))


def view_of(graph: ir.Graph, id: str, texts: list[str]) -> View:
    """Return the view of a partition, given by texts; of all of a signal, when there are none.

    Raises UnknownNameError, FilterError, ValueCastError.
    """
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


def running_controls(running: Path | None, *, tell: bool = False) -> tuple[Control, ir.Graph]:
    """Return the controls of a running application, and what is active of it; ``tell`` as for `deployment_of`."""
    deployment = deployment_of(running, tell=tell)
    graph = deployment.graph()
    if graph is None:
        raise StateError(f"nothing of {deployment.app} is active", hint="activate it first")
    return Control(lambda: deployment, console=err), graph


def _declared(running: Path | None) -> tuple[str, ir.Graph]:
    """The bucket of an application, and what a file declares; left out, of what is active."""
    if file_of(running) is None:
        return deployment_of(None).bucket, running_controls(None)[1]
    application = named(running)
    platform, name = application.platform, application.name
    return resource_name(name) if platform is None else platform.bucket(name), application.graph()


@app.command()
def backfill(
    node: Annotated[
        str | None, typer.Argument(help="The id of a node; with --stale, all nodes when left out.")
    ] = None,
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
    stale: Annotated[
        bool, typer.Option("--stale", help="Make again what is older than what it reads, ancestors first.")
    ] = False,
    dry_run: DryRun = False,
    concurrency: Concurrency = 4,
    alternative: Alternative = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Make the output partitions of a range that are not there yet, or are stale; run it again to go on."""
    if node is None and not stale:
        raise typer.BadParameter("name a node, or --stale", param_hint="NODE")
    dims: dict[str, list[str]] = {}
    for each in dim or ():
        name, equals, values = each.partition("=")
        if not equals or not values:
            raise typer.BadParameter(f"{each!r} is not of the form NAME=VALUE,VALUE", param_hint="--dim")
        dims.setdefault(name, []).extend(values.split(","))
    controls, graph = running_controls(running)
    view = None if node is None else view_of(graph, node, [])
    wanted = BackfillRequest(view, start, end, dims, recursive, again, concurrency, stale, alternative)
    if dry_run:
        _tell_plan(controls.backfill_plan(wanted), as_json)
        return
    try:
        result = controls.backfill(wanted)
    except KeyboardInterrupt:
        err.print("interrupted: what is under way goes on; run it again to make the rest", markup=False)
        raise typer.Exit(130) from None
    counts = {"made": result.made, "failed": result.failed, "lacking": result.lacking, "there": result.there}
    tell(as_json, counts, str(result))
    if result.failed or result.lacking:
        raise typer.Exit(1)


def _tell_plan(planned: Planned, as_json: bool) -> None:
    steps = [
        {"node": s.node, "partition": s.partition, "path": s.path, "after": s.after} for s in planned.steps
    ]
    tell(as_json, {"steps": steps, "gaps": planned.gaps}, str(planned))
