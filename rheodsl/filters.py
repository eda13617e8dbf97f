"""``[index]`` -> rules of a filter: literals, any, windows, and what remains when filters chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from rheo_runtime.values import DATETIME, LONG, STRING, BadValue, Kind, cast, render
from rheo_runtime.wire import Branch, Rule, Window
from rheodsl.errors import FilterError, ValueCastError

# What a user may write between brackets.
Index = str | int | date | slice


class _Empty(Exception):
    """Two filters that leave nothing."""


def narrow(branches: tuple[Branch, ...], position: int, index: object, shown: str) -> tuple[Branch, ...]:
    """Return the branches that ``index`` leaves at the dimension at ``position``.

    ``shown`` is the dimension as the user knows it (``orders.day``), for messages. Raises
    FilterError, or ValueCastError for a value that is none of the dimension's.
    """
    left: list[Branch] = []
    failures: list[str] = []
    for branch in branches:
        rule = branch[position]
        try:
            narrowed = _intersect(rule, read_index(index, rule.kind, shown))
        except (BadValue, _Empty) as fault:
            failures.append(str(fault))
            continue
        left.append((*branch[:position], narrowed, *branch[position + 1 :]))
    if left:
        return tuple(left)
    raise _nothing_left(branches, position, index, shown, failures) from None


def _nothing_left(
    branches: tuple[Branch, ...], position: int, index: object, shown: str, failures: list[str]
) -> FilterError | ValueCastError:
    rule = branches[0][position]
    try:
        wanted = read_index(index, rule.kind, shown)
    except BadValue as fault:
        return ValueCastError(
            f"{shown} cannot be {_written(index)}: {fault}",
            hint=f"write {_example(rule.kind)}, or '*' for any",
        )
    if wanted.value is not None:
        rules = [branch[position] for branch in branches]
        allowed = {render(r.value, r.kind): None for r in rules if r.value is not None}
        return FilterError(
            f"{shown} cannot be {_written(index)}: it lies outside the filter ({', '.join(allowed)})",
            hint="use a value that the signal's dimension_filter lets pass",
        )
    return FilterError(f"{shown}: {failures[0]}", hint="a filter can only be narrowed")


def _example(kind: Kind) -> str:
    if kind.type == DATETIME:
        value = cast(datetime(2020, 3, 18), kind) if kind.min is None else kind.min
        return f"a date such as {render(value, kind)!r}"
    first = "" if kind.min is None else f" from {kind.min!r} on"
    return f"a text{first}" if kind.type == STRING else f"a whole number{first}"


def _written(index: object) -> str:
    return repr(index.isoformat() if isinstance(index, date) else index)


def read_index(index: object, kind: Kind, shown: str) -> Rule:
    """Return the rule that one index writes; raises FilterError, BadValue."""
    if isinstance(index, str) and index == "*":
        return Rule(kind)
    if isinstance(index, tuple):
        raise FilterError(
            f"{shown}: a tuple is no index",
            hint="write one [] for each dimension: s[1][:-30], not s[1, :-30]",
        )
    if isinstance(index, slice):
        return Rule(kind, window=_window(index, kind, shown))
    if isinstance(index, int) and not isinstance(index, bool) and kind.type == DATETIME:
        # A bare int is never a date: s[-30] is s[:-30].
        return Rule(kind, window=_window(slice(None, index), kind, shown))
    return Rule(kind, value=cast(index, kind))


def _window(index: slice, kind: Kind, shown: str) -> Window:
    if index.step is not None:
        raise FilterError(f"{shown}: a window has no step", hint="write [shift:size], such as [-1:-3]")
    for part in (index.start, index.stop):
        if part is not None and (not isinstance(part, int) or isinstance(part, bool)):
            raise FilterError(
                f"{shown}: {part!r} is no whole number of partitions",
                hint="write a window as [:-7] or [-1:-3]",
            )
    if kind.type == STRING:
        raise FilterError(
            f"{shown}: a STRING dimension has no window", hint="its values have no order; use a value or '*'"
        )
    if index.start is None and index.stop is None:
        raise FilterError(
            f"{shown}: [:] says no window", hint="use '*' for any value, [:-7] for a window of 7"
        )
    if index.stop == 0:
        raise FilterError(
            f"{shown}: a window of 0 partitions is empty",
            hint="[:-1] is the tip alone, [-1:] the value before it",
        )
    return Window(index.start or 0, 1 if index.stop is None else index.stop)


def _intersect(old: Rule, new: Rule) -> Rule:
    if new.value is not None and old.value is not None and new.value != old.value:
        raise _Empty  # the message names the values that are left
    window = old.window
    if new.window is not None:
        window = new.window if old.window is None else _common_window(old.window, new.window)
    return replace(old, value=old.value if new.value is None else new.value, window=window)


def _common_window(a: Window, b: Window) -> Window:
    common = set(a.offsets()) & set(b.offsets())
    # A single value, [-1:] or [:-1], has no direction.
    if a.count * b.count < 0 and 1 not in (abs(a.count), abs(b.count)):
        raise _Empty(f"{show_window(a)} and {show_window(b)} go in opposite directions")
    if not common:
        raise _Empty(f"{show_window(a)} and {show_window(b)} have no partition in common")
    back = a.count < 0 or b.count < 0
    return Window(max(common), -len(common)) if back else Window(min(common), len(common))


def show_window(window: Window) -> str:
    """Return a window as the user writes it.

    >>> show_window(Window(-1, -3)), show_window(Window(0, 14)), show_window(Window(-1, 1))
    ('[-1:-3]', '[:14]', '[-1:]')
    """
    if window.count == 1 and window.shift:
        return f"[{window.shift}:]"
    return f"[{window.shift or ''}:{window.count}]"


def show_filter(branches: tuple[Branch, ...]) -> str:
    """Return a filter as indexes; trailing ``['*']`` left out."""
    shown = []
    for rules in zip(*branches, strict=True):
        values = dict.fromkeys(_show_value(r) for r in rules if r.value is not None)
        text = f"[{'|'.join(values)}]" if values else ""
        windows = {show_window(r.window) for r in rules if r.window is not None}
        shown.append((text + "".join(sorted(windows))) or "['*']")
    while shown and shown[-1] == "['*']":
        shown.pop()
    return "".join(shown)


def _show_value(rule: Rule) -> str:
    assert rule.value is not None
    return str(rule.value) if rule.kind.type == LONG else repr(render(rule.value, rule.kind))
