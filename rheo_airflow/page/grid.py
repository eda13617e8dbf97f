"""Statuses of a node's partitions -> a grid: along one dimension, dates if there are any, a row for each rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, READY, SKIPPED, SUCCEEDED, Status
from rheo_runtime.values import DATETIME, BadValue, Kind, Value, between, parse, render, to_datetime
from rheo_runtime.wire import Output

# One letter for each state: a row of a grid is a text.
LETTERS: Mapping[str, str] = {
    SUCCEEDED: "S", CLAIMED: "R", READY: "Q", ANNOUNCED: "Q", FAILED: "F", SKIPPED: "K",
}  # fmt: skip
WAITING, MISSING = "W", "."
CELLS = 20_000  # shown at once
COLUMNS = 1_500
ROWS = 400

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a grid is asked for: up to the column ``until`` (a text), rows that contain ``match``."""

    until: str = ""
    match: str = ""


def grid(
    output: Output, statuses: Iterable[Status], waiting: Iterable[str], window: Window = Window()
) -> dict[str, Any]:
    """Return the partitions of a node as a grid.

    Parameters
    ----------
    waiting
        The output partitions that wait; one that has a status keeps it.
    window
        Which part, when there is more than can be shown at once: the latest by default.

    Columns are the values of the last DATETIME dimension, from the first to the last without a gap, so
    that a date without a partition is seen to be missing; without such a dimension, of the last one.
    """
    axis = _axis(output.kinds)
    letters = {status.partition: LETTERS.get(status.state, MISSING) for status in statuses}
    for partition in waiting:
        letters.setdefault(partition, WAITING)
    rows: dict[Texts, dict[str, str]] = {}
    odd = 0
    for partition, letter in letters.items():
        texts = _texts(partition, len(output.dims))
        if texts is None:
            odd += 1
            continue
        key = texts[:axis] + texts[axis + 1 :] if texts else ()
        rows.setdefault(key, {})[texts[axis] if texts else ""] = letter
    kept = [key for key in sorted(rows, key=_sorted_by(output.kinds, axis)) if _matches(key, window.match)]
    shown = kept[:ROWS]
    columns = _columns(output.kinds[axis] if output.kinds else None, [rows[key] for key in kept])
    first, last = _cut(columns, window.until, len(shown))
    keys = columns[first:last]
    counts: dict[str, int] = {}
    for letter in letters.values():
        counts[letter] = counts.get(letter, 0) + 1
    return {
        "dims": [_dim(name, kind) for name, kind in zip(output.dims, output.kinds, strict=True)],
        "axis": axis,
        "keys": keys,
        "times": _times(output.kinds[axis] if output.kinds else None, keys),
        "rows": [list(key) for key in shown],
        "cells": ["".join([rows[key].get(text, MISSING) for text in keys]) for key in shown],
        "counts": counts,
        "before": first,
        "after": len(columns) - last,
        "earlier": columns[first - 1] if first else None,
        "later": columns[min(len(columns), last + len(keys)) - 1] if last < len(columns) else None,
        "more_rows": len(kept) - len(shown),
        "odd": odd,
    }


def _dim(name: str, kind: Kind) -> dict[str, str | None]:
    return {"name": name, "type": kind.type, "granularity": kind.granularity}


def _axis(kinds: Sequence[Kind]) -> int:
    dates = [i for i, kind in enumerate(kinds) if kind.type == DATETIME]
    return dates[-1] if dates else max(0, len(kinds) - 1)


def _texts(partition: str, dims: int) -> Texts | None:
    """Return the texts of a partition; None when a text has a slash of its own, so that nobody can tell."""
    texts = tuple(partition.split("/")) if dims else ()
    return texts if len(texts) == dims else None


def _matches(key: Texts, text: str) -> bool:
    return text.lower() in "/".join(key).lower()


def _sorted_by(kinds: Sequence[Kind], axis: int) -> Callable[[Texts], Any]:
    others = [kind for i, kind in enumerate(kinds) if i != axis]
    return lambda key: [_order(text, kind) for text, kind in zip(key, others, strict=True)]


def _order(text: str, kind: Kind) -> tuple[bool, Value]:
    """Numbers and dates by their values, before what cannot be read (the kind may have changed)."""
    try:
        value = parse(text, kind)
    except BadValue:
        value = text
    return isinstance(value, str), value


def _columns(kind: Kind | None, rows: Iterable[Mapping[str, str]]) -> list[str]:
    texts = {text for row in rows for text in row}
    if kind is None:
        return sorted(texts)
    values = sorted((*_order(text, kind), text) for text in texts)
    read = [value for odd, value, _ in values if not odd and isinstance(value, int)]
    if kind.type != DATETIME or not read:
        return [text for _, _, text in values]
    # A date that stands apart must not make millions of columns: then gaps are left out.
    if (read[-1] - read[0]) // kind.unit > 100 * COLUMNS:
        return [text for _, _, text in values]
    unread = [text for odd, _, text in values if odd]
    return [*(render(v, kind) for v in between(read[0], read[-1], kind)), *unread]


def _cut(columns: Sequence[str], until: str, rows: int) -> tuple[int, int]:
    """Return from where to where columns are shown."""
    width = max(31, min(COLUMNS, CELLS // max(1, rows)))
    last = columns.index(until) + 1 if until in columns else len(columns)
    return max(0, last - width), last


def _times(kind: Kind | None, keys: Iterable[str]) -> list[str] | None:
    """Return when each column is, in ISO form: years, months and weeks are drawn by it."""
    if kind is None or kind.type != DATETIME:
        return None
    times = []
    for text in keys:
        try:
            value = parse(text, kind)
            times.append(to_datetime(int(value), kind).isoformat(timespec="minutes"))
        except BadValue:
            times.append("")
    return times
