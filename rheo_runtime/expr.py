"""Values of inputs -> a computed value: the expressions of links, outputs and references, as data.

Nodes are frozen and serialise to JSON lists ``[tag, field, ...]``. `kind_of` types an expression,
`compile_expr` turns it into a function. Nothing here runs a user's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache, singledispatch
from typing import Any, TypeVar

from rheo_runtime import values as v
from rheo_runtime.values import DATETIME, LONG, STRING, BadValue, Kind, Value

T = TypeVar("T")


class BadExpr(ValueError):
    """An operator on a value of a type that it does not take; ``hint`` is the next step."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.hint = hint


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
    "tz": Tz, "part": Part, "cast": Cast,
}  # fmt: skip
_TAGS = {cls: tag for tag, cls in NODES.items()}
_FIELDS = {cls: tuple(f.name for f in fields(cls)) for cls in _TAGS}
_CHILDREN = {cls: tuple(f.name for f in fields(cls) if f.type == "Expr") for cls in _TAGS}
PARTS = ("year", "month", "day_of_month", "hour")


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the expressions directly below ``expr``."""
    return tuple(getattr(expr, name) for name in _CHILDREN[type(expr)])


def refs(expr: Expr) -> Iterator[Ref]:
    """Yield every `Ref` in ``expr``, left to right.

    >>> [r.dim for r in refs(Offset(Ref("a", "day"), Ref("a", "hour"), "HOUR", 1))]
    ['day', 'hour']
    """
    if isinstance(expr, Ref):
        yield expr
    for child in children(expr):
        yield from refs(child)


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return ``expr`` with ``change`` applied to every node, the deepest first."""
    below = {name: rewrite(getattr(expr, name), change) for name in _CHILDREN[type(expr)]}
    return change(replace(expr, **below) if below else expr)


# --- types -------------------------------------------------------------------------------------


@singledispatch
def _kind(expr: Expr, below: list[Kind]) -> Kind:
    raise BadExpr(f"no type rule for {type(expr).__name__}")


def kind_of(expr: Expr, of_ref: Callable[[Ref], Kind]) -> Kind:
    """Return the kind of ``expr``; raises BadExpr where an operator does not fit its operand."""
    if isinstance(expr, Ref):
        return of_ref(expr)
    return _kind(expr, [kind_of(child, of_ref) for child in children(expr)])


def _need(kind: Kind, wanted: str, operator: str, hint: str | None = None) -> None:
    if kind.type != wanted:
        raise BadExpr(f"{operator} needs a {wanted}, not a {kind}", hint)


@_kind.register
def _(expr: Const, below: list[Kind]) -> Kind:
    return expr.kind


@_kind.register
def _(expr: Fmt, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".fmt()", "cast a number or text with .cast() or .zfill()")
    return Kind(STRING)


@_kind.register
def _(expr: Parse, below: list[Kind]) -> Kind:
    _need(below[0], STRING, ".parse()", "only a text is parsed; dates compare as dates")
    return expr.kind


@_kind.register
def _(expr: MapValues, below: list[Kind]) -> Kind:
    return Kind(LONG if isinstance(expr.pairs[0][1], int) else STRING)


@_kind.register(Upper)
@_kind.register(Lower)
def _(expr: Expr, below: list[Kind]) -> Kind:
    _need(below[0], STRING, f".{type(expr).__name__.lower()}()")
    return Kind(STRING)


@_kind.register
def _(expr: Zfill, below: list[Kind]) -> Kind:
    if below[0].type == DATETIME:
        raise BadExpr(f".zfill() needs a STRING or a LONG, not a {below[0]}", "use .fmt() for a date's text")
    return Kind(STRING)


@_kind.register
def _(expr: Shift, below: list[Kind]) -> Kind:
    if below[0].type == STRING:
        raise BadExpr("+ and - need a LONG or a DATETIME, not a STRING", "parse or cast the text first")
    return replace(below[0], min=None)


@_kind.register
def _(expr: Offset, below: list[Kind]) -> Kind:
    base, amount = below
    _need(base, DATETIME, "+ timedelta")
    _need(amount, LONG, "timedelta(...)")
    if expr.unit not in (v.DAY, v.HOUR, v.MINUTE):
        raise BadExpr(f"a computed timedelta has no {expr.unit.lower()}s", "use days, hours or minutes")
    finer = min(base.granularity or v.DAY, expr.unit, key=v.GRANULARITIES.index)
    return v.datetime_kind(granularity=finer, timezone=base.timezone)


@_kind.register
def _(expr: Trunc, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".trunc()")
    return _regrained(below[0], expr.unit, coarser=True)


@_kind.register
def _(expr: At, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".at()")
    return _regrained(below[0], expr.unit, coarser=False)


def _regrained(kind: Kind, unit: str, *, coarser: bool) -> Kind:
    if unit not in v.GRANULARITIES:
        units = ", ".join(g.lower() for g in v.GRANULARITIES)
        raise BadExpr(f"{unit.lower()!r} is no granularity", f"use one of {units}")
    order = v.GRANULARITIES.index
    if kind.granularity == unit:
        return replace(kind, min=None)
    if (order(unit) > order(kind.granularity or v.DAY)) != coarser:
        asked, other = (".trunc()", ".at()") if coarser else (".at()", ".trunc()")
        finer = "finer" if coarser else "coarser"
        raise BadExpr(f"{asked}: {unit} is {finer} than {kind.granularity}", f"use {other}")
    return v.datetime_kind(granularity=unit, timezone=kind.timezone)


@_kind.register
def _(expr: Tz, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".tz()")
    if below[0].granularity not in (v.HOUR, v.MINUTE):
        raise BadExpr(
            f".tz() needs instants (HOUR or MINUTE), not a {below[0]}",
            "days and coarser values are calendar labels; use .at('hour') first",
        )
    return replace(below[0], timezone=v.zone_name(expr.zone), min=None)


@_kind.register
def _(expr: Part, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, f".{expr.field}")
    needed = {"year": v.YEAR, "month": v.MONTH, "day_of_month": v.DAY, "hour": v.HOUR}[expr.field]
    if v.GRANULARITIES.index(below[0].granularity or v.DAY) > v.GRANULARITIES.index(needed):
        raise BadExpr(f"a {below[0]} has no .{expr.field}")
    return Kind(LONG)


@_kind.register
def _(expr: Cast, below: list[Kind]) -> Kind:
    if expr.type == DATETIME and below[0].type != DATETIME:
        raise BadExpr(f"a {below[0]} is not cast to DATETIME", "use .parse(format)")
    if expr.type == LONG and below[0].type == DATETIME:
        raise BadExpr(f"a {below[0]} is not cast to LONG", "use .fmt(format).cast(LONG)")
    return below[0] if expr.type == below[0].type else Kind(expr.type)


# --- evaluation --------------------------------------------------------------------------------

Fn = Callable[[Any], Any]


def compile_expr(expr: Expr, of_ref: Callable[[Ref], Kind], leaf: Callable[[Ref], Fn]) -> Fn:
    """Return a function that computes ``expr``.

    Parameters
    ----------
    of_ref
        The kind of a `Ref`.
    leaf
        For a `Ref`, a function from whatever the result is called with to the dimension's value.

    The function raises BadValue where a value has no result: a text that does not parse, a key
    that is not in a map.
    """
    if isinstance(expr, Ref):
        return leaf(expr)
    below = [compile_expr(child, of_ref, leaf) for child in children(expr)]
    kinds = [kind_of(child, of_ref) for child in children(expr)]
    kind = _kind(expr, kinds)
    return _compile(expr, below, kinds, kind)


@singledispatch
def _compile(expr: Expr, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    raise BadExpr(f"no evaluation rule for {type(expr).__name__}")


@_compile.register
def _(expr: Const, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    value = expr.value
    return lambda x: value


@_compile.register
def _(expr: Fmt, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, shown = below[0], replace(kinds[0], format=expr.format)
    return lambda x: v.render(base(x), shown)


@_compile.register
def _(expr: Parse, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: v.parse(base(x), kind)


@_compile.register
def _(expr: MapValues, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, table, source = below[0], dict(expr.pairs), kinds[0]

    def look_up(x: Any) -> Value:
        key = base(x)
        try:
            return table[key]
        except KeyError:
            raise BadValue(f"{v.render(key, source)!r} is not in the map") from None

    return look_up


@_compile.register
def _(expr: Upper, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: base(x).upper()


@_compile.register
def _(expr: Lower, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: base(x).lower()


@_compile.register
def _(expr: Zfill, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, width = below[0], kinds[0], expr.width
    return lambda x: v.render(base(x), source).zfill(width)


@_compile.register
def _(expr: Shift, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, by = below[0], expr.by * kinds[0].step
    return lambda x: base(x) + by


@_compile.register
def _(expr: Offset, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, amount = below
    source, finer = kinds[0], kind.granularity or v.DAY
    # Values at DAY count days, at HOUR and MINUTE minutes (see rheo_runtime.values).
    per_unit = expr.sign * (1 if finer == v.DAY else {v.DAY: 1440, v.HOUR: 60, v.MINUTE: 1}[expr.unit])
    return lambda x: v.at(base(x), source, finer) + amount(x) * per_unit


@_compile.register
def _(expr: Trunc, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, unit = below[0], kinds[0], expr.unit
    return lambda x: v.trunc(base(x), source, unit)


@_compile.register
def _(expr: At, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, unit = below[0], kinds[0], expr.unit
    return lambda x: v.at(base(x), source, unit)


@_compile.register
def _(expr: Tz, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    return below[0]  # the same instant; only its text and its calendar fields change


@_compile.register
def _(expr: Part, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source = below[0], kinds[0]
    field = "day" if expr.field == "day_of_month" else expr.field
    return lambda x: getattr(v.to_datetime(base(x), source), field)


@_compile.register
def _(expr: Cast, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source = below[0], kinds[0]
    if expr.type == source.type:
        return base
    if expr.type == STRING:
        return lambda x: v.render(base(x), source)
    return lambda x: v.cast(base(x), Kind(LONG))


# --- JSON --------------------------------------------------------------------------------------


def to_json(expr: Expr) -> list[Any]:
    """Return ``expr`` as plain lists.

    >>> to_json(Fmt(Ref("ships", "ship_day"), "%Y"))
    ['fmt', ['ref', 'ships', 'ship_day'], '%Y']
    """
    cls = type(expr)
    return [_TAGS[cls], *(_field_to_json(getattr(expr, name)) for name in _FIELDS[cls])]


def _field_to_json(value: Any) -> Any:
    if isinstance(value, Expr):
        return to_json(value)
    if isinstance(value, Kind):
        return kind_to_json(value)
    if isinstance(value, tuple):
        return [_field_to_json(x) for x in value]
    return value


def from_json(data: list[Any]) -> Expr:
    """Return the expression that `to_json` wrote."""
    cls = NODES[data[0]]
    arguments = [_field_from_json(x) for x in data[1:]]
    if cls is MapValues:
        arguments[1] = tuple((k, value) for k, value in data[2])
    return cls(*arguments)


def _field_from_json(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], str) and value[0] in NODES:
        return from_json(value)
    if isinstance(value, dict):
        return kind_from_json(value)
    return value


def kind_to_json(kind: Kind) -> dict[str, Any]:
    """Return a kind as a dict without its defaults."""
    return dict(_kind_json(kind))


@cache
def _kind_json(kind: Kind) -> dict[str, Any]:
    return {f.name: x for f in fields(kind) if (x := getattr(kind, f.name)) != f.default}


def kind_from_json(data: dict[str, Any]) -> Kind:
    """Return the kind that `kind_to_json` wrote."""
    return Kind(**data)
