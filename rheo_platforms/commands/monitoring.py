"""``rheo status``, ``explain``, ``pending``, ``stale``, ``late``, ``logs`` and ``audit``: what runs, ran and waits, and why."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rheo_platforms.commands.shared import Json, Running, app, deployment_of, file_of, named, out, tell
from rheo_platforms.commands.tables import explanation_text, failures, pending_table, status_table
from rheo_platforms.consoles import console
from rheo_platforms.local.commands import processes
from rheo_platforms.local.platform import LocalPlatform
from rheo_platforms.local.stack import LocalStack
from rheo_platforms.operations.audit import audit as audit_of
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime.program import Program
from rheodsl.error_pages import section
from rheodsl.explaining import at
from rheodsl.reports import moment

# Tables are as wide as the terminal; texts of any length are for `out`, which never folds them.
_tables = console()

Node = Annotated[str, typer.Argument(help="The id of a node.", metavar="NODE")]
Partition = Annotated[
    list[str] | None,
    typer.Argument(help="Its output partition: a text for each dimension, or all of them joined by '/'."),
]


@app.command()
def status(running: Running = None, as_json: Json = False) -> None:
    """Show how many executions of each node wait, run and are over; of a local stack, its processes too."""
    stack = _stack(running)
    if stack is None:
        watched = [_watch(running)]
    else:
        watched = [Monitoring(stack.deployment(name)) for name in _names(stack.stack, running)]
    found = {w.deployment.app: (w.routes(), w.records(None), w.pending(None)) for w in watched}
    halted = {w.deployment.app: w.paused() for w in watched}
    resting = {w.deployment.app: w.halted() for w in watched}
    overdue = {w.deployment.app: w.late() for w in watched}
    denied = {w.deployment.app: w.refusals() for w in watched}
    if as_json:
        _print_json(
            {
                name: {
                    "routes": routes,
                    "executions": records,
                    "pending": pending,
                    "paused": halted[name],
                    "late": overdue[name],
                    "denied": [each._asdict() for each in denied[name]],
                }
                for name, (routes, records, pending) in found.items()
            }
        )
        return
    if stack is not None:
        _tables.print(processes(stack.stack))
        out.print(f"Airflow: {stack.stack.airflow.url}")
    for name, (routes, records, pending) in found.items():
        paused = resting[name] or (stack is not None and stack.stack.state.residents[name].paused)
        title = f"executions of {name}" + (" (paused)" if paused else "")
        _tables.print(status_table(title, routes, records, pending))
        for node, by in sorted(halted[name].items()):
            out.print(f"PAUSED in Airflow by {by}: {node}", markup=False)
        for failed in failures(records):
            out.print(f"FAILED {failed.execution_id} at {moment(failed.moved)}: {failed.note}", markup=False)
        for one in overdue[name]:
            out.print(f"LATE {one}", markup=False)
        for refusal in denied[name]:
            out.print(
                f"DENIED at {moment(at(refusal.time))}: {refusal.what} may not be looked for: "
                f"{refusal.permission} is missing",
                markup=False,
            )


Explained = Annotated[str, typer.Argument(help="The id of a node, or the code of an error.", metavar="NODE")]


@app.command()
def explain(
    node: Explained, partition: Partition = None, running: Running = None, as_json: Json = False
) -> None:
    """Say why a partition of a node ran, did not run, or waits, with the events behind it.

    With the code of an error, such as RD104, say what it means: cause, example, repair.
    """
    if not partition and re.fullmatch(r"RD\d+", node, re.IGNORECASE):
        tell(as_json, {"code": node.upper(), "text": section(node)}, section(node))
        return
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
    watched = _watch(running)
    found = watched.pending(node)
    if as_json:
        _print_json(found)
    elif found:
        _tables.print(pending_table(f"what waits in {watched.deployment.app}", found))
    else:
        out.print(f"nothing waits in {node or watched.deployment.app}", markup=False)


@app.command()
def stale(
    node: Annotated[
        str | None, typer.Argument(help="Only this node and what it reads.", metavar="NODE")
    ] = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """List outputs that are older than what they read, ancestors first; backfill --stale makes them again."""
    watched = _watch(running)
    _list(watched.stale(node), f"nothing is stale in {node or watched.deployment.app}", as_json)


@app.command()
def late(running: Running = None, as_json: Json = False) -> None:
    """List what should be there by now and is not."""
    watched = _watch(running)
    _list(watched.late(), f"nothing is late in {watched.deployment.app}", as_json)


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


@app.command()
def audit(
    running: Running = None,
    airflow: Annotated[bool, typer.Option("--airflow", help="Ask Airflow for the runs too.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Look whether what was published is there.")] = False,
    as_json: Json = False,
) -> None:
    """Check the promises of docs/reliability.md on what really happened; ends with 1 when one was broken."""
    deployment = deployment_of(running)
    found = audit_of(
        Program(deployment.routes),
        deployment.snapshot(),
        time.time(),
        storage=deployment.storage if data else None,
        ask=deployment.airflow.state if airflow else None,
        under_way=deployment.airflow.under_way if airflow else None,
    )
    if as_json:
        _print_json([violation._asdict() for violation in found])
    else:
        for violation in found:
            out.print(str(violation), markup=False)
        out.print(f"{deployment.app}: {len(found) or 'no'} broken promises", markup=False)
    if found:
        raise typer.Exit(1)


def _wanted(name: str, task: str | None) -> bool:
    return task is None or name.removeprefix("job ") == task


def _watch(running: Path | None) -> Monitoring:
    return Monitoring(deployment_of(running))


def _stack(running: Path | None) -> LocalPlatform | None:
    """The local platform, when that is where the application lives."""
    platform = None if file_of(running) is None else named(running).platform
    if platform is None:
        return LocalPlatform()
    return platform if isinstance(platform, LocalPlatform) else None


def _names(stack: LocalStack, running: Path | None) -> Sequence[str]:
    return sorted(stack.state.residents) if file_of(running) is None else [named(running).name]


def _list(found: Sequence[object], nothing: str, as_json: bool) -> None:
    """Print each on a line, or that there is none."""
    if as_json:
        _print_json(found)
        return
    for each in found or [nothing]:
        out.print(str(each), markup=False)


def _print_json(value: object) -> None:
    tell(True, value, "")
