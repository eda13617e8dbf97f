"""``orders.day == ships.day.fmt(...)`` -> a link: the facade over `rheo_runtime.expr`.

Two computed values -> two expressions that compare as values of one type, or why none do.

A guide-style function -> an expression: called once with expressions, or tabulated over known values.
No user function is kept: what it does to its arguments is recorded now, and runs nowhere later.
"""

from __future__ import annotations

import builtins
import datetime as dt
import re
import types
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import BadExpr, Expr
from rheo_runtime.values import DATETIME, LONG, STRING, BadValue, Kind, Value
from rheodsl import ir
from rheodsl.dimensions import DimensionType
from rheodsl.errors import LinkError, RheoError, TraceError, TruthError, UnknownNameError, here, nearest
from rheodsl.notation import show as show
from rheodsl.notation import show_delta
from rheodsl.own_past import OwnPast, not_iterable
from rheodsl.words import declares, knows_its_words

_FIELDS = frozenset([*"aAwdbBmyYHIpMSfzZjUWGuVq", "-m", "-d", "-j", "-H", "-I", "-M", "-S"])
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


_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


class Delta:
    """A timedelta whose parts may be expressions, as a traced function builds it."""

    def __init__(self, days: Any = 0, *, hours: Any = 0, minutes: Any = 0, **others: Any) -> None:
        if others:
            raise TypeError(f"a computed timedelta has no {', '.join(others)}, only days, hours and minutes")
        parts = [(days, v.DAY), (hours, v.HOUR), (minutes, v.MINUTE)]
        self.parts = [
            (amount, unit) for amount, unit in parts if not (isinstance(amount, int) and amount == 0)
        ]


@knows_its_words
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
        for ref in x.refs(self._node):
            if ref.input == OUTPUT and ref not in self._kinds:
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
            near = nearest(name, known)
            raise UnknownNameError(
                f"{self!r} has no operator {name!r}",
                hint=f"did you mean .{near}?" if near else f"its operators: {', '.join(sorted(known))}",
            )

    def __str__(self) -> str:
        refuse_text(self)
        return repr(self)

    def __format__(self, spec: str) -> str:
        refuse_text(self)
        return format(repr(self), spec)

    # --- text and time ---

    def fmt(self, format: str) -> DimensionExpr:
        """Return the text of a date in ``format`` (strftime)."""
        self._need(str, format, "fmt", "a format, such as '%Y-%m-%d'")
        # A text that holds only part of a date (%m, %A) is a fine value, just not one to read back.
        fields = re.findall(r"%(-?.?)", format.replace("%%", ""))
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
        """Return the same instant, read in another timezone; of a day, the zone in which its hours are meant."""
        self._need(str, zone, "tz", "an IANA name, such as 'Europe/Berlin'")
        try:
            v.zone_name(zone)
        except BadValue as fault:
            raise LinkError(
                f"{self!r}.tz: {fault}", hint="give an IANA name, such as 'Europe/Berlin'"
            ) from None
        return self._then(x.Tz(self._node, zone))

    def shift(self, *, years: int = 0, months: int = 0, weeks: int = 0, days: int = 0) -> DimensionExpr:
        """Return the date moved by the calendar: ``.shift(years=-1)`` is the same day of the year before.

        A day that the month lacks becomes its last: 2024-02-29 a year back is 2023-02-28. Such a shift takes
        two days to one, so it cannot be turned around.
        """
        for name, amount in {"years": years, "months": months, "weeks": weeks, "days": days}.items():
            self._need(int, amount, f"shift({name}=...)", "a whole number")
        kind = self.kind
        finest = "days" if days or weeks else "months" if months else "years"
        needed = {"days": v.DAY, "months": v.MONTH, "years": v.YEAR}[finest]
        if kind.type == DATETIME and v.GRANULARITIES.index(kind.granularity or v.DAY) > v.GRANULARITIES.index(
            needed
        ):
            raise LinkError(
                f"{self!r} is a {kind} and cannot be moved by {finest}",
                hint="move it by whole units of its own: + n, - n",
            )
        return self._then(x.CalendarShift(self._node, years, months, days + 7 * weeks))

    def replace(
        self,
        *,
        year: int | DimensionExpr | None = None,
        month: int | DimensionExpr | None = None,
        day: int | DimensionExpr | None = None,
    ) -> DimensionExpr:
        """Return the date with fields of its own moved, as traced functions write it: ``d.replace(year=d.year - 1)``.

        ``replace(day=1)`` is the first day of the month. Other fields are an error that names `shift`.
        """
        moved = self
        for name, value in (("year", year), ("month", month)):
            if value is None:
                continue
            match value.node if isinstance(value, DimensionExpr) else None:
                case x.Shift(x.Part(base, field), by) if base == self._node and field == name:
                    moved = moved.shift(**{f"{name}s": by})
                case _:
                    raise LinkError(
                        f"{self!r}.replace({name}=...) is no shift",
                        hint=f"use .shift({name}s=n), or .trunc(...)",
                    )
        if day is not None:
            if day != 1 or isinstance(day, bool | DimensionExpr):
                raise LinkError(f"{self!r}.replace(day=...) is no shift", hint="use .shift(days=n)")
            moved = moved.trunc("month").at("day")
        return moved

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
        result = trace(function, [self])
        return result if isinstance(result, DimensionExpr) else literal(result, self)

    def __add__(self, by: int | timedelta | Delta) -> DimensionExpr:
        return self._moved(by, 1)

    __radd__ = __add__

    def __sub__(self, by: int | timedelta | Delta) -> DimensionExpr:
        return self._moved(by, -1)

    def _moved(self, by: object, sign: int) -> DimensionExpr:
        if isinstance(by, Delta):
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
        if type(by).__name__ == "relativedelta" and (units := _calendar_units(by)) is not None:
            return self.shift(**{name: sign * amount for name, amount in units.items()})
        if isinstance(by, bool) or not isinstance(by, int):
            raise LinkError(
                f"{self!r} cannot be moved by {by!r}",
                hint="add or subtract a whole number of units, or a timedelta",
            )
        return self._then(x.Shift(self._node, sign * by))

    def _units(self, by: timedelta) -> int:
        kind = self.kind
        unit = {
            v.MINUTE: timedelta(minutes=1), v.HOUR: timedelta(hours=1), v.DAY: timedelta(days=1),
            v.WEEK: timedelta(weeks=1),
        }.get(kind.granularity or "")  # fmt: skip
        if unit is not None and not by % (unit * kind.step):
            return by // (unit * kind.step)
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


def agree(left: DimensionExpr, right: DimensionExpr) -> tuple[Expr, Expr]:
    """Return two expressions that compare as values of one type; raises LinkError when none can."""
    a, b = left.kind, right.kind
    if a.type == b.type == DATETIME:
        if a.granularity != b.granularity:
            fine, coarse = (left, right) if _finer(a, b) else (right, left)
            unit = (coarse.kind.granularity or "").lower()
            other = (fine.kind.granularity or "").lower()
            raise LinkError(
                f"{left!r} ({a}) cannot equal {right!r} ({b})",
                hint=f"write {fine!r}.trunc({unit!r}) or {coarse!r}.at({other!r})",
            )
        if a.granularity == v.WEEK and a.week_start != b.week_start:
            raise LinkError(
                f"{left!r} and {right!r} begin their weeks on {_weekday(a)} and {_weekday(b)}",
                hint="declare both with the same week_start",
            )
        for side, other_kind in ((left, b), (right, a)):
            _check_zoned(side, other_kind)
        return left.node, right.node
    if a.type == b.type:
        if a.insensitive != b.insensitive:
            return _lowered(left), _lowered(right)
        return left.node, right.node
    if {a.type, b.type} == {STRING, DATETIME}:
        when, text = (left, right) if a.type == DATETIME else (right, left)
        return _as_text(left, when, text), _as_text(right, when, text)
    raise LinkError(f"{left!r} ({a}) cannot equal {right!r} ({b})", hint=_cast_hint(left, right))


def _weekday(kind: Kind) -> str:
    return v.WEEKDAYS[kind.week_start]


def _check_zoned(side: DimensionExpr, other: Kind) -> None:
    """Hours of a day say in which zone that day is meant, where they are compared with those of a zone."""
    if other.granularity not in (v.HOUR, v.MINUTE) or other.timezone in (None, "UTC"):
        return
    made = _hours_of_no_zone(side.node, side._kinds)
    if made is not None:
        zone = f"timezone={other.timezone!r}"
        match made:
            case x.DateOf():
                hours = f"{show(made)[:-1]}, {zone})"
            case x.Parse():
                hours = f"{show(made.base)}.parse({made.kind.format!r}, {zone})"
            case x.Offset():
                hours = f"{show(made.base)}.tz({other.timezone!r})"
            case _:
                hours = f"{show(made.base)}.tz({other.timezone!r}).at({made.unit.lower()!r})"
        raise LinkError(
            f"{side!r} is in no zone, and is compared with hours in {other.timezone}",
            hint=f"say whose day it is: {hours}",
        )


def _hours_of_no_zone(expr: Expr, kinds: Kinds) -> x.At | x.Offset | x.DateOf | x.Parse | None:
    """What makes hours of a day, of numbers or of a text of which nothing says in which zone it is meant."""
    if isinstance(expr, x.Trunc) and expr.unit not in (v.HOUR, v.MINUTE):
        return None
    if isinstance(expr, x.DateOf | x.Parse):
        made = x.kind_of(expr, kinds.__getitem__)
        if made.granularity in (v.HOUR, v.MINUTE) and made.timezone is None:
            return expr
    if isinstance(expr, x.At | x.Offset):
        day, made = (x.kind_of(each, kinds.__getitem__) for each in (expr.base, expr))
        if day.timezone is None and _finer(made, day) and made.granularity in (v.HOUR, v.MINUTE):
            return expr
    found = (_hours_of_no_zone(child, kinds) for child in x.children(expr))
    return next((each for each in found if each is not None), None)


def _finer(a: Kind, b: Kind) -> bool:
    order = v.GRANULARITIES.index
    return order(a.granularity or v.DAY) < order(b.granularity or v.DAY)


def _lowered(side: DimensionExpr) -> Expr:
    return side.node if side.kind.insensitive else x.Lower(side.node)


def _as_text(side: DimensionExpr, when: DimensionExpr, text: DimensionExpr) -> Expr:
    """A date compared with text is compared in its own format."""
    own = when.kind.format or v.DEFAULT_FORMAT
    if isinstance(text.node, x.Fmt) and text.node.format != own:
        raise LinkError(
            f"{when!r} (written {own!r}) and {text!r} can never be equal",
            hint="drop .fmt, dates compare as dates",
        )
    return x.Fmt(when.node, own) if side is when else text.node


def _cast_hint(left: DimensionExpr, right: DimensionExpr) -> str:
    number = left if left.kind.type == LONG else right
    other = right if number is left else left
    if other.kind.type == STRING:
        return f"write {number!r}.cast(STRING) or {other!r}.cast(LONG), or .map({{...}})"
    return "compare dates with dates; .year, .month, .day_of_month and .hour are numbers"


def _calendar_units(by: object) -> dict[str, int] | None:
    """The units of dateutil's relativedelta; None where it sets fields, or moves by less than a day."""
    absolute = ("year", "month", "day", "weekday", "hour", "minute", "second", "microsecond")
    finer = ("hours", "minutes", "seconds", "microseconds", "leapdays")
    if any(getattr(by, n, None) is not None for n in absolute) or any(getattr(by, n, 0) for n in finer):
        return None
    return {name: int(getattr(by, name)) for name in ("years", "months", "days")}


@declares()
def date_of(
    year: Any, month: Any = None, day: Any = None, hour: Any = None, *, timezone: str | None = None
) -> DimensionExpr:
    """Return the date that LONG dimensions spell: ``date_of(logs.year, logs.month, logs.day)``.

    Fields may be left out from the finest on: ``date_of(y, m)`` is a month. An hour is one of UTC, or of the clock of
    ``timezone``. Raises LinkError.
    """
    given = [year, month, day, hour]
    while given and given[-1] is None:
        given.pop()
    expressions = [part for part in given if isinstance(part, DimensionExpr)]
    if not expressions or not all(isinstance(p, DimensionExpr) or type(p) is int for p in given):
        raise LinkError(
            "date_of() makes a date of LONG dimensions", hint="write date_of(logs.year, logs.month, logs.day)"
        )
    number = Kind(LONG)
    nodes = [p.node if isinstance(p, DimensionExpr) else x.Const(p, number) for p in given]
    unit = (v.YEAR, v.MONTH, v.DAY, v.HOUR)[len(nodes) - 1]
    nodes += [x.Const(first, number) for first in (1, 1, 1, 0)[len(nodes) :]]
    first, *others = expressions
    made = first._then(x.DateOf(nodes[0], nodes[1], nodes[2], nodes[3], unit), *others)
    if timezone is None:
        return made
    if unit != v.HOUR or timezone in ("UTC", "GMT"):
        return made.tz(timezone)
    day_of_zone = made.trunc("day").tz(timezone)
    return day_of_zone._then(x.Offset(day_of_zone.node, nodes[3], v.HOUR, 1))


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


# --- a function as an expression ---


def _delta(*args: Any, **kwargs: Any) -> Any:
    """timedelta, for plain numbers as well as for expressions."""
    if all(isinstance(a, int | float) for a in (*args, *kwargs.values())):
        return dt.timedelta(*args, **kwargs)
    return Delta(*args, **kwargs)


class _Datetime:
    """datetime.datetime in a traced function: strptime and friends on expressions."""

    def __getattr__(self, name: str) -> Any:
        return getattr(dt.datetime, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        fields = [*args, *(kwargs.get(n) for n in ("year", "month", "day", "hour")[len(args) :])]
        if not any(map(_is_expression, fields)):
            return dt.datetime(*args, **kwargs)
        return date_of(*fields[:4], timezone=getattr(kwargs.get("tzinfo"), "key", None))

    @staticmethod
    def strptime(text: Any, format: str) -> Any:
        return text.parse(format) if _is_expression(text) else dt.datetime.strptime(text, format)

    @staticmethod
    def strftime(moment: Any, format: str) -> Any:
        return moment.strftime(format)


class _Module:
    """The datetime module in a traced function."""

    timedelta = staticmethod(_delta)
    datetime = _Datetime()

    def __getattr__(self, name: str) -> Any:
        return getattr(dt, name)


def _int(value: Any = 0, *args: Any) -> Any:
    return value.cast("LONG") if _is_expression(value) else int(value, *args)


def _str(value: Any = "", *args: Any) -> Any:
    return value.cast("STRING") if _is_expression(value) else str(value, *args)


_STAND_INS: dict[Any, Any] = {dt.timedelta: _delta, dt.datetime: _Datetime(), dt: _Module()}


def refuse_text(expr: DimensionExpr) -> None:
    """Raise TraceError while a function is traced: a text made from an expression would be a constant."""
    if _tracing.get():
        raise TraceError(
            f"{expr!r} cannot be put into a text", hint="use .fmt(...), .cast(STRING) or .zfill(n)"
        )


def trace(function: Callable[..., Any], arguments: Sequence[DimensionExpr]) -> Any:
    """Return what ``function`` makes of expressions: an expression or a literal.

    When it cannot be traced (it looks a value up, or branches on it), it is tabulated over the values
    that the argument's filter enumerates. Raises TraceError when that is impossible too.
    """
    token = _tracing.set(True)
    try:
        result = _instrumented(function)(*arguments)
        # A Delta, say, is no value of a dimension.
        if _is_expression(result) or isinstance(result, str | int | dt.date):
            return result
        fault: Exception = TraceError(f"it returns {type(result).__name__}")
    except Exception as raised:  # noqa: BLE001 - any fault of the user's function means: not traceable
        fault = raised
    finally:
        _tracing.reset(token)
    return _tabulated(function, arguments, fault)


def _is_expression(value: object) -> bool:
    return isinstance(value, DimensionExpr)


def _instrumented(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same code, with datetime, timedelta, int and str that take expressions."""
    if not isinstance(function, types.FunctionType):
        return function
    known = function.__globals__
    # Only what the code names: a module of many nodes has many globals.
    scope = {name: _stand_in(known[name], known) for name in _names(function.__code__) if name in known} | {
        "__builtins__": vars(builtins) | {"int": _int, "str": _str}
    }
    cells = tuple(types.CellType(_stand_in(cell.cell_contents, known)) for cell in function.__closure__ or ())
    made = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(const) for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*inner)


def _stand_in(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, types.FunctionType) and value.__globals__ is known:
        # A helper beside the function; looked into when it is called, as it may call itself.
        return lambda *args, **kwargs: _instrumented(value)(*args, **kwargs)
    try:
        return _STAND_INS.get(value, value)
    except (TypeError, RheoError):  # unhashable, so none of ours
        return value


def _tabulated(function: Callable[..., Any], arguments: Sequence[DimensionExpr], fault: Exception) -> Any:
    shown = ", ".join(map(repr, arguments))
    reason = fault.what if isinstance(fault, RheoError) else f"{type(fault).__name__}: {fault}"
    if len(arguments) != 1 or not (known := enumerated(arguments[0])):
        raise TraceError(
            f"the function of {shown} cannot be written as an expression ({reason})",
            hint="use an operator: .map({...}), .fmt(...), .parse(...), .upper(), + n, .trunc('month'); "
            "or enumerate the values in the signal's dimension_filter, so that it can be tabulated",
        ) from None
    argument = arguments[0]
    kind = argument.kind
    table: dict[Any, Any] = {}
    for value in known:
        plain = v.to_datetime(value, kind) if kind.type == v.DATETIME else value  # type: ignore[arg-type]
        try:
            result = function(plain)
        except Exception as raised:  # noqa: BLE001 - the user's function, on a value that may occur
            raise TraceError(
                f"the function of {shown} fails on {v.render(value, kind)!r} ({type(raised).__name__}: {raised})",
                hint="make it total over the filter's values, or use .map({...})",
            ) from None
        if result is not None:
            table[plain] = result
    if not table:
        values = ", ".join(v.render(value, kind) for value in known)
        raise TraceError(
            f"the function of {shown} gives no value for any of the filter's values",
            hint=f"it is asked for {values}",
        )
    return argument.map(table)


def enumerated(argument: DimensionExpr) -> tuple[v.Value, ...]:
    """Return the values of an expression that is a bare dimension with an enumerated filter, else ()."""
    return argument._enumerated.get(argument.node, ())  # type: ignore[call-overload,no-any-return]


class OutputDims:
    """The node's own output, for links that set its dimensions: ``output.day == orders.day``.

    As an input it is the node's own past: ``output[-1:].ref``.
    """

    def __getitem__(self, index: Any) -> OwnPast:
        return OwnPast((index,))

    def __iter__(self) -> NoReturn:
        raise not_iterable()

    @property
    def ref(self) -> OwnPast:
        """The node's own output as a reference, which only an earlier partition can be."""
        return OwnPast(is_reference=True)

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
