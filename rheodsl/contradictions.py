"""A link -> why it can never hold, where that can be known before any event: disjoint values or formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheo_runtime.values import BadValue, Kind, Value, render
from rheodsl import ir
from rheodsl.notation import show

Kinds = Mapping[x.Ref, Kind]


def contradiction(
    link: ir.Link, inputs: Mapping[str, ir.Input], signals: Mapping[str, ir.Signal], kinds: Kinds
) -> str | None:
    """Return the reason why the two sides are never equal, or None."""
    left = possible(link.left, inputs, signals, kinds)
    right = possible(link.right, inputs, signals, kinds)
    for side, values in ((link.left, left), (link.right, right)):
        if values is not None and not values:
            return f"{show(side)} has a result for none of the values that the filters let pass"
    if left is not None and right is not None and not left & right:
        kind = x.kind_of(link.left, kinds.__getitem__)
        return f"the one side is {listed(left, kind)}, the other {listed(right, kind)}"
    if reason := _never_the_same_minute(link, inputs, kinds):
        return reason
    shapes = [_shape(link.left, kinds), _shape(link.right, kinds)]
    for (a, b), known in ((shapes, right), (shapes[::-1], left)):
        if a is not None and b is not None and not _may_match(a, b):
            return f"texts of the form {a!r} are never of the form {b!r}"
        if a is not None and known and not any(re.fullmatch(_pattern(a), str(value)) for value in known):
            return f"texts of the form {a!r} are never {listed(known, Kind(v.STRING))}"
    return None


def possible(
    expr: Expr, inputs: Mapping[str, ir.Input], signals: Mapping[str, ir.Signal], kinds: Kinds
) -> frozenset[Value] | None:
    """Return all values that ``expr`` can take, where filters and maps enumerate them; else None."""
    if isinstance(expr, x.Const):
        return frozenset([expr.value])
    refs = list(dict.fromkeys(x.refs(expr)))
    if len(refs) != 1:
        return None
    ref = refs[0]
    position = signals[ref.input].dims.index(ref.dim)
    literals = [branch[position].value for branch in inputs[ref.input].branches]
    if None not in literals:
        return image(expr, kinds, {value for value in literals if value is not None})
    innermost = innermost_map(expr)
    if innermost is None:
        return None
    # The keys of the innermost map are all that can pass it.
    above = x.rewrite(expr, lambda e: ref if e == innermost else e)
    of_map = x.kind_of(innermost, kinds.__getitem__)
    return image(above, {**kinds, ref: of_map}, {result for _, result in innermost.pairs})


def innermost_map(expr: Expr) -> x.MapValues | None:
    """Return the map that is applied first in an expression, if any."""
    for child in x.children(expr):
        if found := innermost_map(child):
            return found
    return expr if isinstance(expr, x.MapValues) else None


def image(expr: Expr, kinds: Kinds, arguments: set[Value]) -> frozenset[Value]:
    """Return the values of an expression of one dimension for some values of it; those without one are left out."""
    compute = x.compile_expr(expr, kinds.__getitem__, lambda ref: lambda value: value)
    found: set[Value] = set()
    for argument in arguments:
        try:
            found.add(compute(argument))
        except BadValue:
            continue  # this value has no image, so no partner
    return frozenset(found)


def _never_the_same_minute(
    link: ir.Link, inputs: Mapping[str, ir.Input], kinds: Mapping[x.Ref, Kind]
) -> str | None:
    """Hours of two zones whose clocks differ by half an hour, say, never begin together.

    The hour of a reference is found from the other's: it is the one in which that begins.
    """
    refs = [*x.refs(link.left), *x.refs(link.right)]
    if any(ref.input not in inputs or inputs[ref.input].reference for ref in refs):
        return None
    sides = [x.kind_of(side, kinds.__getitem__) for side in (link.left, link.right)]
    if any(kind.granularity != v.HOUR for kind in sides):
        return None
    left, right = (_minutes(kind.timezone or "UTC") for kind in sides)
    if left & right:
        return None
    shown = [
        f"{kind.timezone or 'UTC'} begin at minute {min(m)}"
        for kind, m in zip(sides, (left, right), strict=True)
    ]
    return f"hours of {shown[0]} of an hour of UTC, and hours of {shown[1]}"


@cache
def _minutes(zone: str) -> frozenset[int]:
    """At which minutes of an hour in UTC the hours of a zone begin, in these decades."""
    moments = (
        datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for year in range(2000, 2038) for month in (1, 7)
    )
    return frozenset(
        int(-(moment.utcoffset() or timedelta(0)).total_seconds() // 60 % 60) for moment in moments
    )


def _shape(expr: Expr, kinds: Kinds) -> str | None:
    return expr.format if isinstance(expr, x.Fmt) else None


_WIDTHS = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "I": r"\d{2}",
    "M": r"\d{2}", "S": r"\d{2}", "j": r"\d{3}", "f": r"\d{6}", "U": r"\d{2}", "V": r"\d{2}", "u": r"\d",
    "G": r"\d{4}", "q": r"[1-4]",
}  # fmt: skip


def _pattern(format: str) -> str:
    """The texts of a strftime format, as a regular expression."""
    return "".join(
        _WIDTHS.get(p, ".+") if i % 2 and p != "%" else re.escape(p) for i, p in enumerate(v.pieces(format))
    )


def _may_match(a: str, b: str) -> bool:
    if a == b:
        return True
    patterns = _pattern(a), _pattern(b)
    if any(".+" in p for p in patterns):
        return True
    return _zeros(a) == _zeros(b)


def _zeros(format: str) -> str:
    """A text of a format with zeros for its numbers."""
    return "".join(
        "0" * _DIGITS.get(p, 2) if i % 2 and p != "%" else p for i, p in enumerate(v.pieces(format))
    )


_DIGITS = {"Y": 4, "G": 4, "j": 3, "f": 6, "u": 1, "q": 1}


def listed(found: frozenset[Value], kind: Kind) -> str:
    """Return values as text, the first four of many."""
    texts = sorted(render(value, kind) for value in found)
    return ", ".join(texts[:4]) + (", ..." if len(texts) > 4 else "")
