"""Functions of links, with the datetime module imported in every way that users import it."""

from __future__ import annotations

import datetime
import datetime as dt
from collections.abc import Callable
from datetime import datetime as Moment
from datetime import timedelta
from datetime import timedelta as delta
from typing import Any

BACK = timedelta(days=2)
NAMES = {1: "NA", 2: "EU"}


def helper(day: Any) -> Any:
    return day - timedelta(days=1)


def computed_helper(day: Any, hour: Any) -> Any:
    return day + timedelta(hours=hour)


def countdown(day: Any, left: int) -> Any:
    return day if left == 0 else countdown(day - 1, left - 1)


def closure(days: int) -> Callable[[Any], Any]:
    return lambda day: day - timedelta(days=days)


def closure_over_the_class(kind: Any) -> Callable[[Any, Any], Any]:
    return lambda day, hour: day + kind(hours=hour)


def with_defaults(day: Any, days: int = 3, *, format: str = "%Y") -> Any:
    return (day - timedelta(days=days)).strftime(format)


def with_late_import(day: Any) -> Any:
    from datetime import timedelta

    return day - timedelta(days=1)


class Callable_:
    def __call__(self, day: Any) -> Any:
        return day - 1

    def method(self, day: Any) -> Any:
        return day - 1


# Each with the sources that it takes and what it becomes.
FUNCTIONS: list[tuple[Callable[..., Any], str, str]] = [
    (lambda dim: dim, "day", "s.day"),
    (lambda dim: dim.strftime("%d-%m-%Y"), "day", "s.day.fmt('%d-%m-%Y')"),
    (lambda d: d - timedelta(days=1), "day", "(s.day - 1)"),
    (lambda d: d - delta(1), "day", "(s.day - 1)"),
    (lambda d: d + dt.timedelta(weeks=1), "day", "(s.day + 7)"),
    (lambda d: timedelta(days=1) + d, "day", "(s.day + 1)"),
    (lambda d: d - BACK, "day", "(s.day - 2)"),
    (lambda d: (d - datetime.timedelta(days=1)).strftime("%Y"), "day", "(s.day - 1).fmt('%Y')"),
    (lambda t: dt.datetime.strptime(t, "%Y-%m-%d"), "text", "s.text.parse('%Y-%m-%d')"),
    (lambda t: datetime.datetime.strptime(t, "%d-%m-%Y"), "text", "s.text.parse('%d-%m-%Y')"),
    (lambda t: Moment.strptime(t, "%Y"), "text", "s.text.parse('%Y')"),
    (lambda d: Moment.strftime(d, "%Y"), "day", "s.day.fmt('%Y')"),
    (lambda d: d.year, "day", "s.day.year"),
    (lambda d: d.month, "day", "s.day.month"),
    (lambda d: d.day, "day", "s.day.day_of_month"),
    (lambda n: str(n), "n", "s.n.cast(STRING)"),
    (lambda n: str(n).zfill(2), "n", "s.n.cast(STRING).zfill(2)"),
    (lambda t: int(t), "text", "s.text.cast(LONG)"),
    (lambda t: int(t) + int("1"), "text", "(s.text.cast(LONG) + 1)"),
    (lambda t: t.upper(), "text", "s.text.upper()"),
    (lambda d: d.trunc("month"), "day", "s.day.trunc('month')"),
    (lambda d: d - len([1, 2]), "day", "(s.day - 2)"),
    (lambda d: "constant", "day", "constant"),
    (lambda d: 3, "day", "3"),
    (lambda d: Moment(2020, 3, 18), "day", "2020-03-18 00:00:00"),
    (lambda d: helper(helper(d)), "day", "((s.day - 1) - 1)"),
    (lambda d: countdown(d, 3), "day", "(((s.day - 1) - 1) - 1)"),
    (helper, "day", "(s.day - 1)"),
    (closure(5), "day", "(s.day - 5)"),
    (with_defaults, "day", "(s.day - 3).fmt('%Y')"),
    (with_late_import, "day", "(s.day - 1)"),
    (Callable_(), "day", "(s.day - 1)"),
    (Callable_().method, "day", "(s.day - 1)"),
    (lambda d: [d - timedelta(days=i) for i in range(3)][2], "day", "(s.day - 2)"),
    (lambda d, h: d + timedelta(hours=h), "day n", "(s.day + timedelta(hours=s.n))"),
    (lambda d, h: d - dt.timedelta(days=h), "day n", "(s.day - timedelta(days=s.n))"),
    (lambda d, h: d + timedelta(days=1, hours=h), "day n", "((s.day + 1) + timedelta(hours=s.n))"),
    (lambda d, h: d + timedelta(minutes=h), "day n", "(s.day + timedelta(minutes=s.n))"),
    (lambda d, h: d + timedelta(hours=int(h)), "day text", "(s.day + timedelta(hours=s.text.cast(LONG)))"),
    (computed_helper, "day n", "(s.day + timedelta(hours=s.n))"),
    (lambda d, h: computed_helper(d, h), "day n", "(s.day + timedelta(hours=s.n))"),
    (closure_over_the_class(timedelta), "day n", "(s.day + timedelta(hours=s.n))"),
]

# Each with the source and the reason in the message.
REFUSED: list[tuple[Callable[..., Any], str, str]] = [
    (lambda r: NAMES[r], "n", "s.n cannot be looked up in a dict or a set: it has no value yet"),
    (lambda r: "NA" if r == 1 else "EU", "n", "s.n == 1 has no truth value yet"),
    (lambda r: "NA" if r else "EU", "n", "s.n has no truth value yet"),
    (lambda r: r in ("a", "b"), "text", "s.text == 'a' has no truth value yet"),
    (lambda d: f"day={d}", "day", "s.day cannot be put into a text"),
    (lambda d: "day=%s" % d, "day", "s.day cannot be put into a text"),  # noqa: UP031
    (lambda d: "day={}".format(d), "day", "s.day cannot be put into a text"),  # noqa: UP032
    (lambda d: d.isoformat(), "day", "s.day has no operator 'isoformat'"),
    (lambda t: t.strip(), "text", "s.text has no operator 'strip'"),
    (lambda d: d.strftime("day"), "day", "s.day.fmt('day') has no date field"),
    (lambda d: d > Moment(2020, 1, 1), "day", "s.day cannot be ordered: links are equations"),
    (lambda d: timedelta(days=1), "day", "it returns timedelta"),
    (lambda d: None, "day", "it returns NoneType"),
    (lambda d: d == "2020-03-18", "day", "it returns Links"),
    (lambda d: 1 / 0, "day", "ZeroDivisionError: division by zero"),
    (lambda d, e: d, "day", "TypeError: <lambda>() missing 1 required positional argument: 'e'"),
    (
        lambda n: timedelta(hours=n, seconds=n),
        "n",
        "TypeError: a computed timedelta has no seconds, only days, hours and minutes",
    ),
    (lambda n: Moment(2020, 1, 1) + timedelta(days=n), "n", "TypeError: unsupported operand type(s) for +: 'datetime.datetime' and 'Delta'"),
    (lambda n: n * 2, "n", "TypeError: unsupported operand type(s) for *: 'DimensionExpr' and 'int'"),
    (lambda t: t[:4], "text", "TypeError: 'DimensionExpr' object is not subscriptable"),
    (lambda t: "x" + t, "text", "s.text cannot be moved by 'x'"),
    (lambda d: d - timedelta(hours=1), "day", "s.day is a DAY DATETIME and cannot be moved by timedelta(hours=1)"),
]  # fmt: skip
