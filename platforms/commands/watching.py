"""``rheo status``, ``explain``, ``pending`` and ``logs``: what runs, ran and waits, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from platforms.commands.shared import Running, app, deployment_of, out
from rheodsl.loading import load_app

if TYPE_CHECKING:
    from platforms.local.stack import LocalStack
    from platforms.monitoring.watch import Watch

# Tables are as wide as the terminal; texts of any length are for `out`, which never folds them.
_tables = Console(highlight=False)

Node = Annotated[str, typer.Argument(help="The id of a node.", metavar="NODE")]
Partition = Annotated[
    list[str] | None,
    typer.Argument(help="Its output partition: a text for each dimension, or all of them joined by '/'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def status(running: Running = None, as_json: Json = False) -> None:
    """Show how many executions of each node wait, run and are over; of a local stack, its processes too."""
    from platforms.monitoring.tables import status_table
    from platforms.monitoring.watch import Watch

    stack = _stack(running)
    if stack is None:
        watched = [_watch(running)]
    else:
        watched = [Watch(stack.deployment(name)) for name in _names(stack.stack, running)]
    found = {w.deployment.app: (w.routes(), w.records(None), w.pending(None)) for w in watched}
    if as_json:
        _print_json(
            {
                name: {"routes": routes, "executions": records, "pending": pending}
                for name, (routes, records, pending) in found.items()
            }
        )
        return
    if stack is not None:
        from platforms.local.commands import processes

        _tables.print(processes(stack.stack))
        out.print(f"Airflow: {stack.stack.airflow.url}")
    for name, (routes, records, pending) in found.items():
        paused = stack is not None and stack.stack.state.residents[name].paused
        title = f"executions of {name}" + (" (paused)" if paused else "")
        _tables.print(status_table(title, routes, records, pending))


@app.command()
def explain(node: Node, partition: Partition = None, running: Running = None, as_json: Json = False) -> None:
    """Say why a partition of a node ran, did not run, or waits, with the events behind it."""
    from platforms.monitoring.tables import explanation_text

    account = _watch(running).explain(node, partition or [])
    if as_json:
        _print_json({**asdict(account), "verdict": account.verdict})
    else:
        out.print(explanation_text(account))


@app.command()
def pending(
    node: Annotated[str | None, typer.Argument(help="Only this node.", metavar="NODE")] = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Show what waits, for what, and since when."""
    from platforms.monitoring.tables import pending_table

    watched = _watch(running)
    found = watched.pending(node)
    if as_json:
        _print_json(found)
    elif found:
        _tables.print(pending_table(f"what waits in {watched.deployment.app}", found))
    else:
        out.print(f"nothing waits in {node or watched.deployment.app}", markup=False)


@app.command()
def logs(
    node: Node,
    partition: Partition = None,
    task: Annotated[str | None, typer.Option(help="Only this task, or the job of this name.")] = None,
    tail: Annotated[int | None, typer.Option(help="Only so many lines of each log, the last ones.")] = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Print what the tasks of a partition's latest run wrote, and the jobs that they started."""
    found = [log for log in _watch(running).logs(node, partition or []) if _wanted(log.task, task)]
    if as_json:
        _print_json(found)
        return
    if not found:
        out.print(f"no run of {'/'.join([node, *(partition or [])])} has written anything", markup=False)
    for log in found:
        lines = log.text.splitlines()
        out.print(f"---- {log.task}, attempt {log.attempt}, {log.state}", style="bold", markup=False)
        out.print(f"     {log.source}", style="dim", markup=False)
        for line in lines if tail is None else lines[max(0, len(lines) - tail) :]:
            out.print(line, markup=False)


def _wanted(name: str, task: str | None) -> bool:
    return task is None or name.removeprefix("job ") == task


def _watch(running: Path | None) -> Watch:
    from platforms.monitoring.watch import Watch

    return Watch(deployment_of(running))


def _stack(running: Path | None) -> Any:
    """The local platform, when that is where the application lives."""
    from platforms.local.platform import LocalPlatform

    platform = None if running is None else load_app(running).platform
    if platform is None:
        return LocalPlatform()
    return platform if isinstance(platform, LocalPlatform) else None


def _names(stack: LocalStack, running: Path | None) -> Sequence[str]:
    return sorted(stack.state.residents) if running is None else [load_app(running).name]


def _print_json(value: object) -> None:
    out.print(json.dumps(_plain(value), indent=1), markup=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _plain(asdict(value)) if hasattr(value, "__dataclass_fields__") else value
