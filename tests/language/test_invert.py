"""Solving an equation for one dimension: what comes back is what went in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.derivation import solve as solve_by_value
from rheo_runtime.expr import Expr, NotInvertible, Ref, solve
from rheo_runtime.values import BadValue, Kind
from rheodsl.notation import show

from .test_expr import (
    DAY,
    HOUR,
    KINDS,
    MINUTE,
    MONTH,
    TEXT,
    YEAR,
    N,
    compute,
    expressions,
    kind_of,
    partitions,
)

KNOWN = Ref("known", "value")


def solved(expr: Expr, target: Ref) -> Expr:
    """Return ``target`` as an expression of the value of ``expr``."""
    kinds = {**KINDS, KNOWN: kind_of(expr)}
    return solve(expr, KNOWN, target, lambda e: x.kind_of(e, kinds.__getitem__))


def loses(expr: Expr) -> bool:
    """Whether a text that several values share is read: 007 and 7, the hour that a clock shows twice."""
    below = list(map(loses, x.children(expr)))
    kinds = [kind_of(child) for child in x.children(expr)]
    reads = isinstance(expr, x.Cast) and expr.type == v.LONG and kinds[0].type == v.STRING
    shows = isinstance(expr, x.Fmt | x.Cast | x.MapValues) and kinds[0].granularity in (v.HOUR, v.MINUTE)
    return reads or shows or any(below)


@given(expressions(), partitions())
def test_what_is_solved_gives_the_value_back(expr: Expr, partition: dict[Ref, tuple[Any, Any]]) -> None:
    targets = list(x.refs(expr))
    assume(len(targets) == 1 and not loses(expr))
    (target,) = targets
    try:
        back = solved(expr, target)
    except NotInvertible:
        assume(False)
        return
    values = {ref: value for ref, (value, _) in partition.items()}
    try:
        result = compute(expr, values)
    except BadValue:
        assume(False)
        return
    kinds = {**KINDS, KNOWN: kind_of(expr)}
    again = x.compile_expr(back, kinds.__getitem__, lambda ref: lambda known: known)(result)
    assert again == values[target]
    assert x.kind_of(back, kinds.__getitem__).granularity == KINDS[target].granularity


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        (x.Trunc(DAY, "MONTH"), "trunc has no inverse"),
        (x.Part(DAY, "month"), "a calendar field has no inverse"),
        (x.Upper(TEXT), "upper has no inverse"),
        (x.Lower(TEXT), "lower has no inverse"),
        (x.Zfill(TEXT, 3), "zfill has no inverse"),
        (x.MapValues(N, ((1, "a"), (2, "a"))), "a map that gives one value for several keys has no inverse"),
        (x.Fmt(DAY, "%Y-%m"), "format '%Y-%m' does not tell one DAY from the next"),
        (x.Fmt(DAY, "%d"), "format '%d' has no year"),
        (x.Fmt(DAY, "%A"), "format '%A': %A cannot be read back from a path"),
        (x.Fmt(MONTH, "%Y"), "format '%Y' does not tell one MONTH from the next"),
        (
            x.At(x.Tz(HOUR, "Asia/Kolkata"), "MINUTE"),
            "an hour of Asia/Kolkata is half of one hour of America/Los_Angeles and half of the next",
        ),
        (x.Offset(DAY, N, "HOUR", 1), "a time of HOUR DATETIME does not tell the DAY DATETIME"),
        (x.Offset(MONTH, N, "DAY", 1), "a time of DAY DATETIME does not tell the MONTH DATETIME"),
    ],
    ids=lambda p: show(p) if isinstance(p, Expr) else "",
)
def test_what_has_no_inverse_says_why(expr: Expr, reason: str) -> None:
    with pytest.raises(NotInvertible) as caught:
        solved(expr, next(x.refs(expr)))
    assert str(caught.value) == reason


def test_the_amount_of_a_timedelta_is_not_found() -> None:
    with pytest.raises(NotInvertible, match=r"^a computed timedelta has no inverse$"):
        solved(x.Offset(DAY, N, "DAY", 1), N)


@pytest.mark.parametrize(
    ("expr", "back"),
    [
        (DAY, "known.value"),
        (x.Shift(DAY, -1), "(known.value + 1)"),
        (x.Fmt(DAY, "%Y%m%d"), "known.value.parse('%Y%m%d')"),
        (x.Cast(DAY, "STRING"), "known.value.parse('%d-%m-%Y')"),
        (x.Cast(N, "STRING"), "known.value.cast(LONG)"),
        (x.At(YEAR, "DAY"), "known.value.trunc('year')"),
        (x.Tz(HOUR, "UTC"), "known.value.tz('America/Los_Angeles')"),
        (x.At(x.Tz(HOUR, "UTC"), "MINUTE"), "known.value.trunc('hour').tz('America/Los_Angeles')"),
        (x.Tz(MINUTE, "Asia/Kolkata"), "known.value.tz('UTC')"),
        (x.Tz(MINUTE, "PST"), "known.value.tz('UTC')"),
        (x.Offset(HOUR, N, "HOUR", 1), "(known.value - timedelta(hours=a.n))"),
    ],
    ids=lambda p: show(p) if isinstance(p, Expr) else "",
)
def test_inverses(expr: Expr, back: str) -> None:
    assert show(solved(expr, next(x.refs(expr)))) == back


@given(st.sampled_from(list(KINDS)), st.lists(st.integers(-20, 20), max_size=4))
def test_shifts_turn_around(ref: Ref, steps: list[int]) -> None:
    assume(KINDS[ref] != Kind(v.STRING) and KINDS[ref].type != v.STRING)
    expr: Expr = ref
    for step in steps:
        expr = x.Shift(expr, step)
    back = solved(expr, ref)
    assert x.compile_expr(back, lambda r: KINDS[ref], lambda r: lambda known: known)(2040) == v.shift(
        2040, -sum(steps), KINDS[ref]
    )


@given(expressions(), partitions())
def test_by_value_what_is_found_is_right(expr: Expr, partition: dict[Ref, tuple[Any, Any]]) -> None:
    """Of an equation with one unknown: whatever is found solves it, and what the inverse gives is found."""
    targets = list(dict.fromkeys(x.refs(expr)))
    assume(targets)
    values = {ref: value for ref, (value, _) in partition.items()}
    try:
        result = compute(expr, values)
    except BadValue:
        assume(False)
        return
    kinds = {**KINDS, KNOWN: kind_of(expr)}
    target, *others = targets
    given_ = {(ref.input, ref.dim): values[ref] for ref in others} | {(KNOWN.input, KNOWN.dim): result}
    found = solve_by_value([(expr, KNOWN)], given_, lambda ref, _: [kinds[ref]]).get(
        (target.input, target.dim)
    )
    if found is not None:
        assert compute(expr, {**values, target: found}) == result
    elif len(targets) == 1 and not loses(expr):
        with pytest.raises(NotInvertible):
            solved(expr, target)


@pytest.mark.parametrize(
    ("expr", "value", "found"),
    [
        (x.MapValues(N, ((1, "a"), (2, "b"), (3, "b"))), "a", 1),
        (x.MapValues(N, ((1, "a"), (2, "b"), (3, "b"))), "b", None),
        (x.MapValues(N, ((1, "a"), (2, "b"), (3, "b"))), "c", None),
        (x.Zfill(N, 3), "007", 7),
        (x.Trunc(DAY, "MONTH"), 24242, None),
    ],
    ids=lambda p: show(p) if isinstance(p, Expr) else "",
)
def test_by_value(expr: Expr, value: Any, found: Any) -> None:
    kinds = {**KINDS, KNOWN: kind_of(expr)}
    (target,) = set(x.refs(expr))
    known = {(KNOWN.input, KNOWN.dim): value}
    assert (
        solve_by_value([(expr, KNOWN)], known, lambda ref, _: [kinds[ref]]).get((target.input, target.dim))
        == found
    )
