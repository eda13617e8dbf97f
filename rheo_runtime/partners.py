"""A value of one side of a link -> whether any partition of the other side's input can ever have it.

Conservative: what is not known to be impossible may come. An arrival that nothing can ever join is without
effect; it would wait for ever otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
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
            inner, of = possible(base, source, dims, kind), kind(base)
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
    return None


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
