"""The text of an AWS schedule -> its checked parts, or an error that points at the column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from rheodsl.errors import RheoError
from rheodsl.grammar import Source, Stop, extent, read, token_of, tree_of
from rheodsl.schedule_fields import (
    DAYS,
    FIELDS,
    WEEKDAY,
    YEARS,
    Field,
    LastDay,
    LastOfWeekday,
    NearestWeekday,
    NthWeekday,
    OneDay,
    Span,
    Spans,
)

if TYPE_CHECKING:
    from lark import Token, Tree

GRAMMAR: Final = r"""
start: rate | cron | at
rate:  "rate" "(" _WS? RATE _WS WORD _WS? ")"
at:    "at" /\(.*/
cron:  "cron" "(" _WS? field (_WS field)* _WS? ")"

field: term ("," term)*
?term: "*"                              -> every
     | "?"                              -> unspecified
     | _value                           -> one
     | _value "-" _value                -> span
     | "*" "/" NUMBER                   -> every_step
     | _value "/" NUMBER                -> step
     | _value "-" _value "/" NUMBER     -> span_step
     | "L"i                             -> last
     | "L"i "-" NUMBER                  -> last_offset
     | "L"i "W"i                        -> last_weekday
     | _value "W"i                      -> nearest_weekday
     | _value "L"i                      -> last_of_weekday
     | _value "#" NUMBER                -> nth_weekday
_value: NUMBER | NAME

RATE: /[-+]?[0-9.]+/
WORD: /[A-Za-z]+/
NUMBER: /[0-9]+/
NAME.2: /(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)/i
_WS: /[ \t]+/
"""

UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_LONGEST: Final = 36500 * 86400

FieldValue: TypeAlias = Spans | OneDay | None


class ScheduleError(RheoError, ValueError):
    """An AWS schedule expression that is malformed, or that never fires."""

    code = "RD301"


def read_schedule(text: str) -> tuple[int, str] | tuple[FieldValue, ...]:
    """Read a schedule: ``(3, "day")`` for a rate, six field values for a cron expression."""
    source = Source(text, ScheduleError)
    if not isinstance(text, str):
        raise ScheduleError(
            f"a schedule is text, not {type(text).__name__}",
            hint='write "rate(1 day)" or "cron(0 0 1 * ? *)"',
        )
    try:
        body = tree_of(read(GRAMMAR, text).children[0])
    except Stop as stop:
        _explain(source, stop)
    if body.data == "rate":
        return _rate(source, *map(token_of, body.children))
    if body.data == "cron":
        return _cron(source, [tree_of(child) for child in body.children])
    return source.at(
        body, "at(...) fires only once, a timer recurs", "write rate(...) or cron(...); run once with execute"
    )


def _explain(source: Source, stop: Stop) -> NoReturn:
    head = source.text[: stop.start]
    if "(" not in head:
        what = "a schedule starts with rate( or cron("
        hint = (
            'write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year'
        )
    elif ")" in head:
        what, hint = "nothing may follow the closing parenthesis", "delete the rest"
    elif not stop.found and "RPAR" in stop.wanted:
        what, hint = "the closing parenthesis is missing", "end the schedule with )"
    else:
        found = repr(stop.found) if stop.found else "the end"
        if head.startswith("rate"):
            what = f"{found} does not belong here in a rate"
            hint = "a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)"
        else:
            inside = head.partition("(")[2].lstrip()
            index = len(inside.split()) - (inside[-1:] not in ("", " ", "\t"))
            field = FIELDS[min(index, len(FIELDS) - 1)]
            what, hint = f"{found} does not belong here in the {field.name} field", _accepts(field)
    source.fault(what, stop.start, stop.end, hint)


def _accepts(field: Field) -> str:
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    return f"{field.name} takes {field.low}-{field.high}{names} and the wildcards {field.wildcards}"


def _rate(source: Source, value: Token, unit: Token) -> tuple[int, str]:
    name = unit.lower()
    single = name.removesuffix("s")
    if single not in UNITS:
        instead = {"week": "count in days: rate(7 days)", "month": "use cron(0 0 1 * ? *) for every month"}
        instead |= {
            "year": "use cron(0 0 1 1 ? *) for every year",
            "second": "the shortest rate is rate(1 minute)",
        }
        source.at(
            unit,
            f"a rate has no unit {str(unit)!r}",
            instead.get(single, "the units are minute(s), hour(s) and day(s)"),
        )
    if not value.isdigit() or int(value) < 1:
        source.at(
            value, f"a rate must be a whole number above 0, not {value}", f"write rate(1 {single}) or more"
        )
    count = int(value)
    right = single if count == 1 else f"{single}s"
    if name != right:
        source.at(unit, f"AWS wants {right!r} after {count}", f"write rate({count} {right})")
    if count * UNITS[single] > _LONGEST:
        source.at(value, "a rate of more than 100 years never fires twice", "write a shorter rate")
    return count, single


def _cron(source: Source, fields: list[Tree[Token]]) -> tuple[FieldValue, ...]:
    if len(fields) != len(FIELDS):
        start, end = extent(fields[-1])
        source.fault(
            f"a cron schedule has six fields, this one has {len(fields)}",
            start,
            end,
            "the fields are minutes hours day-of-month month day-of-week year, e.g. cron(0 0 1 * ? *)",
        )
    parts = tuple(_field(source, tree, field) for tree, field in zip(fields, FIELDS, strict=True))
    _, _, days, _, weekdays, _ = parts
    if days is not None and weekdays is not None:
        source.fault(
            "day-of-month and day-of-week cannot both be given",
            extent(fields[2])[0],
            extent(fields[4])[1],
            "put ? in the one that does not matter",
        )
    if days is None and weekdays is None:
        source.fault(
            "day-of-month and day-of-week cannot both be ?",
            extent(fields[2])[0],
            extent(fields[4])[1],
            "put * in one of them for every day",
        )
    return parts


def _field(source: Source, tree: Tree[Token], field: Field) -> FieldValue:
    terms = [tree_of(child) for child in tree.children]
    parts = [_term(source, term, field) for term in terms]
    spans = tuple(part for part in parts if isinstance(part, Span))
    if len(spans) == len(parts):
        return spans
    if len(parts) > 1:
        lone = next(term for term, part in zip(terms, parts, strict=True) if not isinstance(part, Span))
        start, end = extent(lone)
        source.fault(
            f"{source.text[start:end]} must stand alone in its field",
            start,
            end,
            "use two timers, or list plain values",
        )
    (part,) = parts
    assert not isinstance(part, Span)
    return part


def _term(source: Source, term: Tree[Token], field: Field) -> Span | OneDay | None:
    kind = str(term.data)
    tokens = [token_of(child) for child in term.children]
    _check_wildcard(source, term, kind, field)
    match kind:
        case "every":
            return Span(field.low, field.high)
        case "unspecified":
            return None
        case "last":
            return LastDay() if field is DAYS else Span(field.high, field.high)
        case "last_weekday":
            return LastDay(weekday=True)
        case "nearest_weekday":
            return NearestWeekday(_number(source, tokens[0], field))
        case "last_of_weekday":
            return LastOfWeekday(_number(source, tokens[0], field))
        case "nth_weekday":
            nth = int(tokens[1])
            if not 1 <= nth <= 5:
                source.at(
                    tokens[1], f"a month has no weekday number {nth}", "write #1 to #5, or L for the last"
                )
            return NthWeekday(_number(source, tokens[0], field), nth)
    return _span(source, term, tokens, kind, field)


def _span(source: Source, term: Tree[Token], tokens: list[Token], kind: str, field: Field) -> Span:
    step = 1
    if kind.endswith("step"):
        step = int(tokens[-1])
        most = field.high - field.low if field is YEARS else field.high
        if not 1 <= step <= most:
            source.at(tokens[-1], f"{field.name} cannot step by {step}", f"write a step of 1 to {most}")
        tokens = tokens[:-1]
    numbers = [_number(source, token, field) for token in tokens]
    first, last = numbers[0] if numbers else field.low, numbers[-1] if numbers else field.high
    if kind == "step":
        last = field.high
    if first > last and not field.wraps:
        source.at(term, f"the {field.name} range runs backwards", f"write {last}-{first}")
    return Span(first, last, step if first != last else 1)


def _check_wildcard(source: Source, term: Tree[Token], kind: str, field: Field) -> None:
    sign = {
        "unspecified": "?",
        "last": "L",
        "last_weekday": "W",
        "nearest_weekday": "W",
        "last_of_weekday": "L",
        "nth_weekday": "#",
    }.get(kind, "/" if kind.endswith("step") else "")
    if kind == "last_offset":
        source.at(term, "AWS has no days before the last one", "write L, LW, or a day such as 28")
    if kind == "last_of_weekday" and field is DAYS:
        source.at(term, "in day-of-month L stands alone", "write L for the last day, or 6L in day-of-week")
    if (kind == "every_step" and field is WEEKDAY) or sign not in field.wildcards:
        hint = "list the days, e.g. MON,WED,FRI" if (field, sign) == (WEEKDAY, "/") else _accepts(field)
        source.at(term, f"{sign} has no meaning in the {field.name} field", hint)


def _number(source: Source, token: Token, field: Field) -> int:
    number = field.number(token)
    if number is None:
        source.at(token, f"{token} has no meaning in the {field.name} field", _accepts(field))
    if not field.low <= number <= field.high:
        source.at(token, f"{field.name} is {field.low} to {field.high}, not {number}", _accepts(field))
    return number
