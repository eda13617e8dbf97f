"""``orders.day == ships.day.fmt(...)`` -> a link: the facade over `rheo_runtime.expr`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import BadExpr, Expr
from rheo_runtime.values import DATETIME, LONG, STRING, BadValue, Kind, Value
from rheodsl import ir, tracing
from rheodsl.agreement import agree
from rheodsl.dimensions import DimensionType
from rheodsl.errors import LinkError, TruthError, UnknownNameError, here
from rheodsl.notation import show as show
from rheodsl.notation import show_delta

_FIELDS = frozenset("aAwdbBmyYHIpMSfzZjUWGuV")
# The input name of a reference to the node's own output.
OUTPUT = "output"

Kinds = Mapping[x.Ref, Kind]


class Links(tuple["ir.Link", ...]):
    """Links that all hold. ``&`` joins more; a truth value is an error."""

    __slots__ = ()

    def __and__(self, other: Links) -> Links:
        if not isinstance(other, Links):
            raise LinkError(
                f"{other!r} is no link to join by &",
                hint="put links and (target, function, source) in a list",
            )
        return Links((*self, *other))

    def __or__(self, other: object) -> NoReturn:
        raise LinkError(
            "links are no alternatives: all of them hold", hint="declare a node for each alternative"
        )

    def __bool__(self) -> NoReturn:
        raise TruthError(
            f"{' & '.join(f'{show(link.left)} == {show(link.right)}' for link in self)} has no truth value yet",
            hint="join links by & or put them in a list, in place of and / or / not / if",
        )


class DimensionExpr:
    """A value computed from dimensions, such as ``orders.day - 1``. Nothing is computed until an event.

    Operators return new expressions; ``==`` builds a link. ``and``, ``or``, ``not`` and ``if`` are errors.
    """

    __slots__ = ("_enumerated", "_kinds", "_node")

    def __init__(
        self, node: Expr, kinds: Kinds, enumerated: Mapping[x.Ref, tuple[Value, ...]] | None = None
    ) -> None:
        self._node = node
        self._kinds = kinds
        # The values of a dimension that its filter enumerates: what a function can be tabulated over.
        self._enumerated = enumerated or {}

    # --- looking in ---

    @property
    def node(self) -> Expr:
        """The expression as data."""
        return self._node

    @property
    def kind(self) -> Kind:
        """The type of the value."""
        if any(ref.input == OUTPUT and ref not in self._kinds for ref in x.refs(self._node)):
            raise LinkError(
                f"{self!r} has no type before the node exists",
                hint="put the operator on the other side of ==",
            )
        return x.kind_of(self._node, self._kinds.__getitem__)

    def __repr__(self) -> str:
        return show(self._node)

    def __bool__(self) -> NoReturn:
        raise TruthError(
            f"{self!r} has no truth value yet",
            hint="compare with == to build a link, and join links by & in place of and / or / not / if",
        )

    def __iter__(self) -> NoReturn:
        raise TruthError(
            f"{self!r} cannot be iterated: it is one value", hint="use signal('a', 'b') for several"
        )

    def __contains__(self, item: object) -> NoReturn:
        raise TruthError(
            f"'in' cannot build a link on {self!r}", hint="use .map({...}), or fix values by signal[...]"
        )

    def __hash__(self) -> NoReturn:
        raise TruthError(
            f"{self!r} cannot be looked up in a dict or a set: it has no value yet", hint="use .map({...})"
        )

    if not TYPE_CHECKING:  # a checker shall go on to refuse what is not there

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            known = [n for n in vars(DimensionExpr) if not n.startswith("_") and n not in ("node", "kind")]
            near = difflib.get_close_matches(name, known, 1)
            raise UnknownNameError(
                f"{self!r} has no operator {name!r}",
                hint=f"did you mean .{near[0]}?" if near else f"its operators: {', '.join(sorted(known))}",
            )

    def __str__(self) -> str:
        tracing.refuse_text(self)
        return repr(self)

    def __format__(self, spec: str) -> str:
        tracing.refuse_text(self)
        return format(repr(self), spec)

    # --- text and time ---

    def fmt(self, format: str) -> DimensionExpr:
        """Return the text of a date in ``format`` (strftime)."""
        self._need(str, format, "fmt", "a format, such as '%Y-%m-%d'")
        # A text that holds only part of a date (%m, %A) is a fine value, just not one to read back.
        fields = re.findall(r"%(.?)", format.replace("%%", ""))
        if not fields:
            raise LinkError(
                f"{self!r}.fmt({format!r}) has no date field", hint="use one such as %Y, %m or %d"
            )
        for field in fields:
            if field not in _FIELDS:
                raise LinkError(
                    f"{self!r}.fmt({format!r}): %{field} is no date field",
                    hint="use one such as %Y, %m or %d",
                )
        return self._then(x.Fmt(self._node, format))

    strftime = fmt

    def parse(
        self, format: str, granularity: str | None = None, timezone: str | None = None
    ) -> DimensionExpr:
        """Return the date that a text in ``format`` spells."""
        self._need(str, format, "parse", "a format, such as '%Y-%m-%d'")
        try:
            kind = v.datetime_kind(format, granularity and granularity.upper(), timezone)
        except BadValue as fault:
            raise LinkError(
                f"{self!r}.parse: {fault}", hint="write .parse(format, granularity, timezone)"
            ) from None
        return self._then(x.Parse(self._node, kind))

    def upper(self) -> DimensionExpr:
        """Return the text in upper case."""
        return self._then(x.Upper(self._node))

    def lower(self) -> DimensionExpr:
        """Return the text in lower case."""
        return self._then(x.Lower(self._node))

    def zfill(self, width: int) -> DimensionExpr:
        """Return the text, or the number as text, padded with zeros to ``width``."""
        self._need(int, width, "zfill", "a whole number")
        return self._then(x.Zfill(self._node, width))

    def trunc(self, unit: str) -> DimensionExpr:
        """Return the month (day, hour, year) that contains the time: ``.trunc("month")``."""
        self._need(str, unit, "trunc", "a granularity, such as 'month'")
        return self._then(x.Trunc(self._node, unit.upper()))

    def at(self, unit: str) -> DimensionExpr:
        """Return the first hour (minute, day, month) of the time: ``.at("hour")``, zero-filled."""
        self._need(str, unit, "at", "a granularity, such as 'month'")
        return self._then(x.At(self._node, unit.upper()))

    def tz(self, zone: str) -> DimensionExpr:
        """Return the same instant, read in another timezone."""
        self._need(str, zone, "tz", "an IANA name, such as 'Europe/Berlin'")
        try:
            v.zone_name(zone)
        except BadValue as fault:
            raise LinkError(
                f"{self!r}.tz: {fault}", hint="give an IANA name, such as 'Europe/Berlin'"
            ) from None
        return self._then(x.Tz(self._node, zone))

    @property
    def year(self) -> DimensionExpr:
        """The year, a LONG."""
        return self._then(x.Part(self._node, "year"))

    @property
    def month(self) -> DimensionExpr:
        """The month, 1 to 12, a LONG."""
        return self._then(x.Part(self._node, "month"))

    @property
    def day_of_month(self) -> DimensionExpr:
        """The day of the month, 1 to 31, a LONG."""
        return self._then(x.Part(self._node, "day_of_month"))

    @property
    def hour(self) -> DimensionExpr:
        """The hour, 0 to 23, a LONG."""
        return self._then(x.Part(self._node, "hour"))

    # As Python's datetime names it: for traced functions.
    day = day_of_month

    def cast(self, type: DimensionType | str) -> DimensionExpr:
        """Return the value as another type: ``.cast(LONG)``."""
        name = type.value if isinstance(type, DimensionType) else str(type)
        if name not in (STRING, LONG, DATETIME):
            raise LinkError(f"{self!r}.cast: {type!r} is no type", hint="use STRING or LONG")
        return self._then(x.Cast(self._node, name))

    # --- values ---

    def map(self, table: Mapping[Any, Any]) -> DimensionExpr:
        """Return what ``table`` gives for the value; a value without a key has no partner.

        Keys must be values of this expression; all results one type, text or whole numbers.
        """
        if not table:
            raise LinkError(f"{self!r}.map: the map is empty", hint="give a result for each value")
        kind = self.kind
        pairs: dict[Value, Value] = {}
        for key, result in table.items():
            try:
                value = v.cast(key, kind)
            except BadValue as fault:
                raise LinkError(
                    f"{self!r}.map: the key {key!r} can never occur: {fault}",
                    hint=f"keys are values of {self!r}, a {kind}",
                ) from None
            if value in pairs:
                raise LinkError(
                    f"{self!r}.map: the key {key!r} stands twice", hint="give one result for each value"
                )
            pairs[value] = result
        if len({type(r) for r in pairs.values()}) > 1 or not all(
            type(r) in (str, int) for r in pairs.values()
        ):
            raise LinkError(
                f"{self!r}.map: results must be all texts or all whole numbers",
                hint="map to text and go on from there, such as .map({...}).parse('%Y-%m-%d')",
            )
        return self._then(x.MapValues(self._node, tuple(sorted(pairs.items()))))

    def apply(self, function: Callable[[Any], Any]) -> DimensionExpr:
        """Return ``function`` of the value. It is traced into an expression now, and never run later."""
        result = tracing.trace(function, [self])
        return result if isinstance(result, DimensionExpr) else literal(result, self)

    def __add__(self, by: int | timedelta | tracing.Delta) -> DimensionExpr:
        return self._moved(by, 1)

    __radd__ = __add__

    def __sub__(self, by: int | timedelta | tracing.Delta) -> DimensionExpr:
        return self._moved(by, -1)

    def _moved(self, by: object, sign: int) -> DimensionExpr:
        if isinstance(by, tracing.Delta):
            moved = self
            for amount, unit in by.parts:
                if isinstance(amount, DimensionExpr):
                    node = x.Offset(moved._node, amount._node, unit, sign)
                    moved = moved._then(node, amount)
                else:
                    moved = moved._moved(timedelta(**{unit.lower() + "s": amount}), sign)
            return moved
        if isinstance(by, timedelta):
            return self._then(x.Shift(self._node, sign * self._units(by)))
        if isinstance(by, bool) or not isinstance(by, int):
            raise LinkError(
                f"{self!r} cannot be moved by {by!r}",
                hint="add or subtract a whole number of units, or a timedelta",
            )
        return self._then(x.Shift(self._node, sign * by))

    def _units(self, by: timedelta) -> int:
        kind = self.kind
        unit = {v.MINUTE: timedelta(minutes=1), v.HOUR: timedelta(hours=1), v.DAY: timedelta(days=1)}.get(
            kind.granularity or ""
        )
        if unit is not None and not by % unit:
            return by // unit
        hint = "add or subtract a whole number of units"
        if kind.type == STRING:
            hint = "parse the text first: .parse('%Y-%m-%d')"
        elif kind.granularity in (v.HOUR, v.DAY):
            hint = "go to a finer granularity first: .at('hour') or .at('minute')"
        raise LinkError(f"{self!r} is a {kind} and cannot be moved by {show_delta(by)}", hint=hint)

    # --- links ---

    def __eq__(self, other: object) -> Links:  # type: ignore[override]
        return link(self, other)

    def __ne__(self, other: object) -> NoReturn:
        raise LinkError(f"{self!r} != ... is no link: links are equations", hint="use a filter on the signal")

    def __lt__(self, other: object) -> NoReturn:
        raise LinkError(
            f"{self!r} cannot be ordered: links are equations", hint="use a window, such as signal[:-7]"
        )

    __le__ = __gt__ = __ge__ = __lt__

    def _then(self, node: Expr, *others: DimensionExpr) -> DimensionExpr:
        kinds, enumerated = dict(self._kinds), dict(self._enumerated)
        for other in others:
            kinds |= other._kinds
            enumerated |= other._enumerated
        made = DimensionExpr(node, kinds, enumerated)
        if not any(ref.input == OUTPUT for ref in x.refs(node)):
            try:
                made.kind  # noqa: B018 - typing is the check
            except BadExpr as fault:
                raise LinkError(f"{made!r}: {fault}", hint=fault.hint) from None
        return made

    def _need(self, type: type, argument: object, operator: str, wanted: str) -> None:
        if not isinstance(argument, type) or isinstance(argument, bool):
            raise LinkError(f"{self!r}.{operator}({argument!r}) makes no sense", hint=f"give {wanted}")


def literal(value: object, beside: DimensionExpr) -> DimensionExpr:
    """Return a literal as an expression of the kind that it is compared with; raises LinkError."""
    kind = beside.kind
    try:
        return DimensionExpr(x.Const(v.cast(value, kind), replace(kind, min=None)), {})
    except BadValue as fault:
        raise LinkError(
            f"{beside!r} cannot equal {value!r}: {fault}",
            hint=f"compare it with a {kind} value or expression",
        ) from None


def link(left: DimensionExpr, right: object) -> Links:
    """Return the link ``left == right``; raises LinkError when the two can never be equal."""
    if not isinstance(right, DimensionExpr):
        if isinstance(left.node, x.Ref) and left.node.input == OUTPUT:
            return Links((ir.Link(left.node, raw_literal(right, left), where=here()),))
        right = literal(right, left)
    if any(r.input == OUTPUT for side in (left, right) for r in x.refs(side.node)):
        return Links((ir.Link(left.node, right.node, where=here()),))
    a, b = agree(left, right)
    return Links((ir.Link(a, b, where=here()),))


def raw_literal(value: object, beside: DimensionExpr) -> Expr:
    """Return a literal for an output dimension, whose kind is not known yet."""
    if isinstance(value, bool) or not isinstance(value, str | int | date):
        raise LinkError(f"{beside!r} cannot equal {value!r}", hint="use a text, a whole number or a date")
    if isinstance(value, date):
        return x.Const(value.isoformat(), Kind(STRING))
    return x.Const(value, Kind(STRING if isinstance(value, str) else LONG))


class OutputDims:
    """The node's own output, for links that set its dimensions: ``output.day == orders.day``."""

    def __getattr__(self, name: str) -> DimensionExpr:
        if name.startswith("_"):
            raise AttributeError(name)
        return DimensionExpr(x.Ref(OUTPUT, name), {})

    def __call__(self, name: str) -> DimensionExpr:
        return DimensionExpr(x.Ref(OUTPUT, name), {})

    dimension = __call__

    def __repr__(self) -> str:
        return "output"


output = OutputDims()
