"""A guide-style function -> an expression: called once with expressions, or tabulated over known values.

No user function is kept: what it does to its arguments is recorded now, and runs nowhere later.
"""

from __future__ import annotations

import builtins
import datetime as dt
import types
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rheo_runtime import values as v
from rheodsl.errors import RheoError, TraceError

if TYPE_CHECKING:
    from rheodsl.expressions import DimensionExpr

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
        return dt.datetime(*args, **kwargs)

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
    from rheodsl.expressions import DimensionExpr

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
