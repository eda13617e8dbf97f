"""An expression -> its text, as the user would write it."""

from __future__ import annotations

from datetime import timedelta

from rheo_runtime import expr as x
from rheo_runtime.expr import Expr
from rheo_runtime.values import LONG, render


def show(expr: Expr) -> str:
    """Return an expression as the user would write it.

    >>> show(x.Fmt(x.Shift(x.Ref("orders", "day"), -1), "%Y"))
    "(orders.day - 1).fmt('%Y')"
    """
    match expr:
        case x.Ref(input, dim):
            return f"{input}.{dim}"
        case x.Const(value, kind):
            return repr(render(value, kind)) if kind.type != LONG else str(value)
        case x.Shift(base, by):
            return f"({show(base)} {'-' if by < 0 else '+'} {abs(by)})"
        case x.CalendarShift(base, years, months, days):
            moved = {"years": years, "months": months, "days": days}
            return f"{show(base)}.shift({', '.join(f'{k}={n}' for k, n in moved.items() if n)})"
        case x.DateOf():
            parts = [getattr(expr, name) for name, _ in x.DATE_FIELDS]
            unit = ("YEAR", "MONTH", "DAY", "HOUR").index(expr.unit)
            return f"date_of({', '.join(map(show, parts[: unit + 1]))})"
        case x.Offset(base, amount, unit, sign):
            return f"({show(base)} {'-' if sign < 0 else '+'} timedelta({unit.lower()}s={show(amount)}))"
        case x.Fmt(base, format):
            return f"{show(base)}.fmt({format!r})"
        case x.Parse(base, kind):
            return f"{show(base)}.parse({kind.format!r})"
        case x.MapValues(base, pairs):
            inner = ", ".join(f"{k!r}: {value!r}" for k, value in pairs[:4])
            return f"{show(base)}.map({{{inner}{', ...' if len(pairs) > 4 else ''}}})"
        case x.Part(base, field):
            return f"{show(base)}.{field}"
        case x.Cast(base, wanted):
            return f"{show(base)}.cast({wanted})"
        case x.Zfill(base, width):
            return f"{show(base)}.zfill({width})"
        case x.Trunc(base, unit) | x.At(base, unit):
            return f"{show(base)}.{type(expr).__name__.lower()}({unit.lower()!r})"
        case x.Tz(base, zone):
            return f"{show(base)}.tz({zone!r})"
        case x.Upper(base) | x.Lower(base):
            return f"{show(base)}.{type(expr).__name__.lower()}()"
    raise TypeError(f"no text for {type(expr).__name__}")


def show_delta(delta: timedelta) -> str:
    """Return a timedelta as the user would write it.

    >>> show_delta(timedelta(days=1, minutes=90))
    'timedelta(days=1, minutes=90)'
    """
    parts = {"days": delta.days, "hours": delta.seconds // 3600}
    if delta.seconds % 3600:
        del parts["hours"]
        parts |= {"minutes": delta.seconds // 60} if not delta.seconds % 60 else {"seconds": delta.seconds}
    shown = [f"{name}={amount}" for name, amount in parts.items() if amount]
    return f"timedelta({', '.join(shown)})"
