"""The nodes of expressions: frozen, built of one another, walked by `children`, `refs` and `rewrite`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from rheo_runtime.values import Kind, Value


@dataclass(frozen=True, slots=True)
class Expr:
    """A value computed from the dimensions of inputs."""


@dataclass(frozen=True, slots=True)
class Ref(Expr):
    """Dimension ``dim`` of the input (or, in the language, the signal) ``input``."""

    input: str
    dim: str


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A literal."""

    value: Value
    kind: Kind


@dataclass(frozen=True, slots=True)
class Fmt(Expr):
    """The text of a DATETIME in ``format``."""

    base: Expr
    format: str


@dataclass(frozen=True, slots=True)
class Parse(Expr):
    """The DATETIME that a text in ``format`` spells."""

    base: Expr
    kind: Kind


@dataclass(frozen=True, slots=True)
class MapValues(Expr):
    """The value that ``pairs`` (sorted, one for each key) gives for ``base``."""

    base: Expr
    pairs: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True)
class Upper(Expr):
    """A text in upper case."""

    base: Expr


@dataclass(frozen=True, slots=True)
class Lower(Expr):
    """A text in lower case."""

    base: Expr


@dataclass(frozen=True, slots=True)
class Zfill(Expr):
    """A text, or a LONG as text, padded with zeros to ``width``."""

    base: Expr
    width: int


@dataclass(frozen=True, slots=True)
class Shift(Expr):
    """``base`` moved by whole units of its kind; a negative ``by`` looks back."""

    base: Expr
    by: int


@dataclass(frozen=True, slots=True)
class CalendarShift(Expr):
    """``base`` moved by years, months and days of the calendar; a day that the month lacks becomes its last."""

    base: Expr
    years: int
    months: int
    days: int


@dataclass(frozen=True, slots=True)
class DateOf(Expr):
    """The date of a year, a month, a day and an hour, all LONG; ``unit`` is its granularity, and what is finer a literal."""

    year: Expr
    month: Expr
    day: Expr
    hour: Expr
    unit: str


@dataclass(frozen=True, slots=True)
class Offset(Expr):
    """A DATETIME moved by ``sign * amount`` (a LONG) of ``unit``: DAY, HOUR or MINUTE."""

    base: Expr
    amount: Expr
    unit: str
    sign: int


@dataclass(frozen=True, slots=True)
class Trunc(Expr):
    """The value at a coarser granularity that contains ``base``."""

    base: Expr
    unit: str


@dataclass(frozen=True, slots=True)
class At(Expr):
    """The first value at a finer granularity within ``base``: zero-filled."""

    base: Expr
    unit: str


@dataclass(frozen=True, slots=True)
class Tz(Expr):
    """The same instant, read in another timezone."""

    base: Expr
    zone: str


@dataclass(frozen=True, slots=True)
class Part(Expr):
    """A calendar field (year, month, day_of_month, hour) as a LONG."""

    base: Expr
    field: str


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """A LONG as text, a text as LONG, a DATETIME as text in its own format."""

    base: Expr
    type: str


NODES: dict[str, type[Expr]] = {
    "ref": Ref, "const": Const, "fmt": Fmt, "parse": Parse, "map": MapValues, "upper": Upper,
    "lower": Lower, "zfill": Zfill, "shift": Shift, "offset": Offset, "trunc": Trunc, "at": At,
    "tz": Tz, "part": Part, "cast": Cast, "calendar": CalendarShift, "date": DateOf,
}  # fmt: skip
TAGS = {cls: tag for tag, cls in NODES.items()}
FIELDS = {cls: tuple(f.name for f in fields(cls)) for cls in TAGS}
CHILDREN = {cls: tuple(f.name for f in fields(cls) if f.type == "Expr") for cls in TAGS}
PARTS = ("year", "month", "day_of_month", "hour")
# The fields of a `DateOf` and the calendar fields that they are.
DATE_FIELDS = (("year", "year"), ("month", "month"), ("day", "day_of_month"), ("hour", "hour"))


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the expressions directly below ``expr``."""
    return tuple(getattr(expr, name) for name in CHILDREN[type(expr)])


def refs(expr: Expr) -> Iterator[Ref]:
    """Yield every `Ref` in ``expr``, left to right.

    >>> [r.dim for r in refs(Offset(Ref("a", "day"), Ref("a", "hour"), "HOUR", 1))]
    ['day', 'hour']
    """
    if isinstance(expr, Ref):
        yield expr
        return
    for name in CHILDREN[type(expr)]:
        yield from refs(getattr(expr, name))


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return ``expr`` with ``change`` applied to every node, the deepest first."""
    changed = {}
    for name in CHILDREN[type(expr)]:
        child = getattr(expr, name)
        if (made := rewrite(child, change)) is not child:
            changed[name] = made
    return change(replace(expr, **changed) if changed else expr)
