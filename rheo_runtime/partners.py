"""A value of one side of a link -> whether any partition of the other side's input can ever have it.

Conservative: what is not known to be impossible may come. An arrival that nothing can ever join is without
effect; it would wait for ever otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime import wire
from rheo_runtime.values import BadValue, Kind, Value

Possible = Callable[[Value], bool]
KindOf = Callable[[x.Expr], Kind]


def possible(term: x.Expr, source: wire.Input, dims: tuple[str, ...], kind: KindOf) -> Possible | None:
    """Return value -> whether ``term`` can ever have it; None when any value may come.

    Parameters
    ----------
    term
        An expression over dimensions of ``source``, whose names are ``dims``.
    kind
        The kind of an expression.
    """
    match term:
        case x.Ref():
            return _of_filter(source, dims.index(term.dim))
        case x.Shift(base, by):
            inner, of = possible(base, source, dims, kind), v.unscheduled(kind(base))
            if inner is None:
                return None
            known = inner
            return _checked(lambda value: known(v.shift(int(value), -by, of)))
        case x.At(base, to):
            inner, of = possible(base, source, dims, kind), kind(base)
            fine, granularity = kind(term), of.granularity or v.DAY

            def at(value: Value) -> bool:
                coarse = v.trunc(int(value), fine, granularity)
                return v.at(coarse, of, to) == value and (inner is None or inner(coarse))

            return _checked(at)
        case x.MapValues(base, pairs):
            inner = possible(base, source, dims, kind)
            results = frozenset(result for key, result in pairs if inner is None or _checked(inner)(key))
            return results.__contains__
        case x.Upper() | x.Lower():
            return _checked(_again(term, kind))
        case x.Zfill(base) if kind(base).type == v.STRING:
            return _checked(_again(term, kind))
        case x.Part(_, field):
            return range(*_FIELDS[field]).__contains__
        case x.Trunc(x.Ref() as base) if isinstance(kind(base).min, int):
            return _checked(_not_below(term, base, kind))
        case x.CalendarShift(base, years, months, days) if not _is_plain(term, kind):
            # A day that a month lacks becomes its last: going back from there and on again ends there too.
            earlier = x.CalendarShift(x.CalendarShift(_VALUE, 0, 0, -days), -years, -months, 0)
            return _checked(_back_and_on(term, earlier, base, None, kind))
        case x.DateOf():
            return _checked(_date_of(term, source, dims, kind))
        case x.Fmt(base) | x.Parse(base) | x.Cast(base) | x.Zfill(base) | x.CalendarShift(base):
            inner = possible(base, source, dims, kind)
            if inner is not None and kind(base).type == v.STRING:
                return None  # several texts may be read as one value
            typed = _typed(term, base, kind)
            try:
                back = x.solve(_of(term, _BASE), _VALUE, _BASE, typed)
            except (x.NotInvertible, x.BadExpr):
                return None
            if not _counts_alike(typed(back), kind(base)):
                return None
            return _checked(_back_and_on(term, back, base, inner, kind))
    return None


_VALUE, _BASE = x.Ref("", "value"), x.Ref("", "base")  # a value of a term, and of what it is computed from
_FIELDS = {"year": (1, 10_000), "month": (1, 13), "day_of_month": (1, 32), "hour": (0, 24)}


def _of(term: x.Expr, base: x.Expr) -> x.Expr:
    """The same operator on something else."""
    return replace(term, base=base)  # type: ignore[call-arg]


def _typed(term: x.Expr, base: x.Expr, kind: KindOf) -> KindOf:
    """The kind of an expression of a value of ``term``, or of one of its ``base``."""
    kinds = {_VALUE: kind(term), _BASE: kind(base)}
    return lambda expr: x.kind_of(expr, kinds.__getitem__)


def _function(expr: x.Expr, typed: KindOf) -> Callable[[Value], Value]:
    """One value -> that of an expression of it."""
    found: Callable[[Value], Value] = x.compile_expr(expr, typed, lambda ref: lambda value: value)
    return found


def _counts_alike(kind: Kind, other: Kind) -> bool:
    """Say whether two kinds have one value for one thing."""
    zones = [
        each.timezone or "UTC" if each.granularity in (v.HOUR, v.MINUTE) else "" for each in (kind, other)
    ]
    same = (kind.type, kind.granularity, kind.week_start) == (other.type, other.granularity, other.week_start)
    return same and zones[0] == zones[1]


def _is_plain(term: x.CalendarShift, kind: KindOf) -> bool:
    """Say whether a calendar shift takes no two dates to one."""
    try:
        x.solve(_of(term, _BASE), _VALUE, _BASE, _typed(term, term.base, kind))
    except x.NotInvertible:
        return False
    return True


def _again(term: x.Expr, kind: KindOf) -> Possible:
    """What comes of an operator that changes nothing when it is applied again."""
    again = _function(_of(term, _VALUE), _typed(term, term, kind))
    return lambda value: again(value) == value


def _not_below(term: x.Trunc, base: x.Ref, kind: KindOf) -> Possible:
    """What comes of dates of which there is a first."""
    lowest = _function(_of(term, _BASE), _typed(term, base, kind))(kind(base).min)  # type: ignore[arg-type]
    return lambda value: int(value) >= int(lowest)


def _back_and_on(term: x.Expr, back: x.Expr, base: x.Expr, inner: Possible | None, kind: KindOf) -> Possible:
    """What comes of a value that the operator takes to it, which ``back`` finds if there is one."""
    typed = _typed(term, base, kind)
    to_base, on = _function(back, typed), _function(_of(term, _BASE), typed)

    def test(value: Value) -> bool:
        found = to_base(value)
        return on(found) == value and (inner is None or inner(found))

    return test


def _date_of(term: x.DateOf, source: wire.Input, dims: tuple[str, ...], kind: KindOf) -> Possible:
    """The dates whose fields can all be what they are computed from, or are what is written."""
    typed = _typed(term, term, kind)
    fields: list[tuple[Callable[[Value], Value], Possible]] = []
    parts: dict[str, x.Expr] = {}
    for name, field in x.DATE_FIELDS:
        child = getattr(term, name)
        if isinstance(child, x.Const):
            continue
        parts[name] = x.Part(_VALUE, field)
        if (inner := possible(child, source, dims, kind)) is not None:
            fields.append((_function(parts[name], typed), inner))
    again = _function(replace(term, **parts), typed)  # type: ignore[arg-type]
    return lambda value: again(value) == value and all(inner(of(value)) for of, inner in fields)


def _of_filter(source: wire.Input, position: int) -> Possible | None:
    """The literal values of a dimension's filter, or what is a partition in any of its branches."""
    rules = [branch[position] for branch in source.branches]
    literals = frozenset(rule.value for rule in rules)
    if None not in literals:
        return literals.__contains__
    kinds = tuple(dict.fromkeys(rule.kind for rule in rules))
    if any(kind.type != v.DATETIME and kind.step == 1 and kind.min is None for kind in kinds):
        return None
    if source.rollup is not None and any(kind.timezone not in (None, "UTC") for kind in kinds):
        return None  # its members tell which there are, each in its own zone
    tests = [v.tester(kind) for kind in kinds]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _checked(test: Possible) -> Possible:
    """A value out of the range of dates is no value; what was asked lately need not be asked again."""

    @lru_cache(maxsize=4096)
    def safe(value: Value) -> bool:
        try:
            return test(value)
        except BadValue:
            return False

    return safe
