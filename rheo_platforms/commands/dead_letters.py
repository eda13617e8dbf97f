"""``rheo dlq list|replay|drop``: the messages that the listener, or its queue, has given up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rheo_platforms.commands.shared import Commands, Running, Yes, app, deployment_of, out
from rheo_platforms.operations import dead_letters
from rheo_platforms.operations.dead_letters import Letter

if TYPE_CHECKING:
    from rheo_platforms.deployment import Deployment

dlq = typer.Typer(cls=Commands, no_args_is_help=True, help="Messages that the listener has given up.")
app.add_typer(dlq, name="dlq")

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of messages, or how they begin.", metavar="ID")]
Reason = Annotated[str, typer.Option(help="Only those whose reason contains this.", metavar="TEXT")]
All = Annotated[bool, typer.Option("--all", help="All messages.")]
Act = Callable[["Deployment", Iterable[str], str], Iterator[Letter]]


@dlq.command("list")
def list_(
    ids: Ids = None,
    reason: Reason = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Write each as a line of JSON, with its body.")
    ] = False,
    running: Running = None,
) -> None:
    """Show dead messages: id, time, what each is about, and why it was given up."""
    letters = dead_letters.read(deployment_of(running), ids or (), reason)
    for letter in letters:
        if as_json:
            fields = {name: value for name, value in asdict(letter).items() if name != "receipt"}
            out.print(json.dumps(fields, ensure_ascii=False, default=str), markup=False)
        else:
            _show(letter)
    if not letters and not as_json:
        out.print("No dead messages.")


@dlq.command()
def replay(ids: Ids = None, reason: Reason = "", everything: All = False, running: Running = None) -> None:
    """Send dead messages to the listener again. What it has seen before changes nothing."""
    _each("sent again", dead_letters.replay, ids, reason, everything, running)


@dlq.command()
def drop(
    ids: Ids = None,
    reason: Reason = "",
    everything: All = False,
    yes: Yes = False,
    running: Running = None,
) -> None:
    """Remove dead messages for good."""
    if not yes:
        typer.confirm("What they announce will never run. Remove them?", abort=True)
    _each("removed", dead_letters.drop, ids, reason, everything, running)


def _each(done: str, act: Act, ids: Ids, reason: str, everything: bool, running: Running) -> None:
    if not (ids or reason or everything):
        raise typer.BadParameter("say which: ids, --reason TEXT, or --all")
    count = 0
    for letter in act(deployment_of(running), ids or (), reason):
        _show(letter)
        count += 1
    out.print(f"{count} {done}.")


def _show(letter: Letter) -> None:
    line = f"{letter.id[:8]}  {letter.time:%Y-%m-%d %H:%M:%S}  {letter.about}\n          {letter.reason}"
    out.print(line, markup=False)
