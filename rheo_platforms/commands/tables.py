"""Records -> tables for a terminal: narrow ones fit 80 columns, words are folded where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rheodsl.reports import ComputeRecord, ComputeState, Explanation, MissingInput, PendingNode, Route

_STYLES = {
    ComputeState.SUCCEEDED: "green",
    ComputeState.FAILED: "red",
    ComputeState.SKIPPED: "dim",
    ComputeState.CLAIMED: "cyan",
}
# What each column of numbers counts; an execution is ready until a run of Airflow has it.
_COLUMNS = {
    "ready": (ComputeState.READY, ComputeState.ANNOUNCED, ComputeState.HELD),
    "runs": (ComputeState.CLAIMED,),
    "done": (ComputeState.SUCCEEDED,),
    "failed": (ComputeState.FAILED,),
    "skipped": (ComputeState.SKIPPED,),
}
_VERDICTS = {"succeeded": "green", "failed": "red", "waits": "yellow", "runs": "cyan", "is ready": "cyan"}


def table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table; the columns in ``right`` hold numbers."""
    made = Table(
        title=title, title_justify="left", title_style="bold",
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in columns:
        if column in right:
            made.add_column(column, justify="right", no_wrap=True)
        else:
            made.add_column(column, overflow="fold")
    return made


def status_table(
    title: str, routes: Iterable[Route], records: Iterable[ComputeRecord], pending: Iterable[PendingNode]
) -> Table:
    """Return how many executions of each node are in which state, what waits, and when it last changed."""
    counts: dict[str, Counter[ComputeState]] = {route.id: Counter() for route in routes}
    latest: dict[str, datetime] = {}
    for record in records:
        counts.setdefault(record.route_id, Counter())[record.state] += 1
        latest[record.route_id] = max(record.moved, latest.get(record.route_id, record.moved))
    waiting = Counter(node.route_id for node in pending)
    made = table(title, "node", "waits", *_COLUMNS, "latest", right=("waits", *_COLUMNS))
    for node, states in sorted(counts.items()):
        numbers = [
            _number(sum(states[state] for state in column), _STYLES.get(column[0], ""))
            for column in _COLUMNS.values()
        ]
        age = ago(latest[node]) if node in latest else ""
        made.add_row(Text(node), _number(waiting[node], "yellow"), *numbers, age)
    return made


def failures(records: Iterable[ComputeRecord], most: int = 5) -> list[ComputeRecord]:
    """Return the partitions whose last execution has failed, the latest ones first."""
    last = {(record.route_id, record.partition): record for record in records}
    found = [record for record in last.values() if record.state is ComputeState.FAILED]
    return sorted(found, key=lambda record: record.moved, reverse=True)[:most]


def _number(count: int, style: str) -> Text:
    return Text(str(count) if count else "", style=style)


def pending_table(title: str, pending: Iterable[PendingNode]) -> Table:
    """Return what waits: since when, what has arrived, and what is missing."""
    made = table(title, "waits", "since", "arrived", "missing")
    made.columns[1].no_wrap = True
    for node in pending:
        name = "\n".join(filter(None, (node.route_id, node.partition)))
        arrived = "\n".join(f"{alias} {partition}".rstrip() for alias, partition in node.arrived.items())
        made.add_row(Text(name), ago(node.since), Text(arrived), Text("\n".join(_missing(node.missing))))
    return made


def _missing(missing: Iterable[MissingInput]) -> Iterable[str]:
    """What is missing for the same reason, in one line."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        if each.partition and each.partition in each.reason:
            yield each.reason
        else:
            reasons.setdefault((each.alias, each.reason), []).append(each.partition)
    for (alias, reason), partitions in reasons.items():
        shown = partitions if len(partitions) <= 4 else [*partitions[:3], f"{len(partitions) - 3} more"]
        yield f"{alias} {', '.join(shown)}".rstrip() + f": {reason}"


def explanation_text(account: Explanation) -> Text:
    """Return an account with its verdict in colour."""
    said = Text(str(account))
    said.highlight_words([account.verdict], style=_VERDICTS.get(account.verdict, "bold"))
    return said


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago something was, in the largest unit that is full.

    >>> ago(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 2, 30, tzinfo=UTC))
    '2 h ago'
    """
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit if count > 1 or unit != 'days' else 'day'} ago"
    return f"{max(0, int(seconds))} s ago"
