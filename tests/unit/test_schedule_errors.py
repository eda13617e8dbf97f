"""Every error message of a schedule, whole: what, the marked place, the next step."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rheodsl.schedule import ScheduleError, parse

FAULTS = {
    "": """\
RD301: a schedule starts with rate( or cron(

    ^
  hint write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year""",
    "daily": """\
RD301: a schedule starts with rate( or cron(
    daily
    ^^^^^
  hint write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year""",
    "rate": """\
RD301: a schedule starts with rate( or cron(
    rate
        ^
  hint write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year""",
    "rate(": """\
RD301: the end does not belong here in a rate
    rate(
         ^
  hint a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)""",
    "rate()": """\
RD301: ')' does not belong here in a rate
    rate()
         ^
  hint a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)""",
    "rate(1 days)": """\
RD301: AWS wants 'day' after 1
    rate(1 days)
           ^^^^
  hint write rate(1 day)""",
    "rate(5 hour)": """\
RD301: AWS wants 'hours' after 5
    rate(5 hour)
           ^^^^
  hint write rate(5 hours)""",
    "rate(0 days)": """\
RD301: a rate must be a whole number above 0, not 0
    rate(0 days)
         ^
  hint write rate(1 day) or more""",
    "rate(-1 days)": """\
RD301: a rate must be a whole number above 0, not -1
    rate(-1 days)
         ^^
  hint write rate(1 day) or more""",
    "rate(1.5 hours)": """\
RD301: a rate must be a whole number above 0, not 1.5
    rate(1.5 hours)
         ^^^
  hint write rate(1 hour) or more""",
    "rate(1 week)": """\
RD301: a rate has no unit 'week'
    rate(1 week)
           ^^^^
  hint count in days: rate(7 days)""",
    "rate(2 months)": """\
RD301: a rate has no unit 'months'
    rate(2 months)
           ^^^^^^
  hint use cron(0 0 1 * ? *) for every month""",
    "rate(1 fortnight)": """\
RD301: a rate has no unit 'fortnight'
    rate(1 fortnight)
           ^^^^^^^^^
  hint the units are minute(s), hour(s) and day(s)""",
    "rate(1 day": """\
RD301: the closing parenthesis is missing
    rate(1 day
              ^
  hint end the schedule with )""",
    "rate(1 day) x": """\
RD301: nothing may follow the closing parenthesis
    rate(1 day) x
               ^
  hint delete the rest""",
    "rate(day)": """\
RD301: 'day' does not belong here in a rate
    rate(day)
         ^^^
  hint a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)""",
    "rate(1,day)": """\
RD301: ',' does not belong here in a rate
    rate(1,day)
          ^
  hint a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)""",
    "rate(99999999 days)": """\
RD301: a rate of more than 100 years never fires twice
    rate(99999999 days)
         ^^^^^^^^
  hint write a shorter rate""",
    "at(2025-01-01T00:00:00)": """\
RD301: at(...) fires only once, a timer recurs
    at(2025-01-01T00:00:00)
    ^^^^^^^^^^^^^^^^^^^^^^^
  hint write rate(...) or cron(...); run once with execute""",
    "at()": """\
RD301: at(...) fires only once, a timer recurs
    at()
    ^^^^
  hint write rate(...) or cron(...); run once with execute""",
    "Rate(1 day)": """\
RD301: a schedule starts with rate( or cron(
    Rate(1 day)
    ^^^^
  hint write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year""",
    "cron(0 0 * * *)": """\
RD301: a cron schedule has six fields, this one has 5
    cron(0 0 * * *)
                 ^
  hint the fields are minutes hours day-of-month month day-of-week year, e.g. cron(0 0 1 * ? *)""",
    "cron(0 0 1 * MON *)": """\
RD301: day-of-month and day-of-week cannot both be given
    cron(0 0 1 * MON *)
             ^^^^^^^
  hint put ? in the one that does not matter""",
    "cron(0 0 ? * ? *)": """\
RD301: day-of-month and day-of-week cannot both be ?
    cron(0 0 ? * ? *)
             ^^^^^
  hint put * in one of them for every day""",
    "cron(60 0 1 * ? *)": """\
RD301: minutes is 0 to 59, not 60
    cron(60 0 1 * ? *)
         ^^
  hint minutes takes 0-59 and the wildcards , - * /""",
    "cron(0 24 1 * ? *)": """\
RD301: hours is 0 to 23, not 24
    cron(0 24 1 * ? *)
           ^^
  hint hours takes 0-23 and the wildcards , - * /""",
    "cron(0 0 0 * ? *)": """\
RD301: day-of-month is 1 to 31, not 0
    cron(0 0 0 * ? *)
             ^
  hint day-of-month takes 1-31 and the wildcards , - * ? / L W""",
    "cron(0 0 1 13 ? *)": """\
RD301: month is 1 to 12, not 13
    cron(0 0 1 13 ? *)
               ^^
  hint month takes 1-12 or JAN-DEC and the wildcards , - * /""",
    "cron(0 0 ? * 8 *)": """\
RD301: day-of-week is 1 to 7, not 8
    cron(0 0 ? * 8 *)
                 ^
  hint day-of-week takes 1-7 or SUN-SAT and the wildcards , - * ? L #""",
    "cron(0 0 ? * 0 *)": """\
RD301: day-of-week is 1 to 7, not 0
    cron(0 0 ? * 0 *)
                 ^
  hint day-of-week takes 1-7 or SUN-SAT and the wildcards , - * ? L #""",
    "cron(0 0 1 * ? 1969)": """\
RD301: year is 1970 to 2199, not 1969
    cron(0 0 1 * ? 1969)
                   ^^^^
  hint year takes 1970-2199 and the wildcards , - * /""",
    "cron(0 0 ? * FOO *)": """\
RD301: 'FOO' does not belong here in the day-of-week field
    cron(0 0 ? * FOO *)
                 ^^^
  hint day-of-week takes 1-7 or SUN-SAT and the wildcards , - * ? L #""",
    "cron(0 0 ? * MON,FOO *)": """\
RD301: 'FOO' does not belong here in the day-of-week field
    cron(0 0 ? * MON,FOO *)
                     ^^^
  hint day-of-week takes 1-7 or SUN-SAT and the wildcards , - * ? L #""",
    "cron(0 0 ? JAN MON 2020-2019)": """\
RD301: the year range runs backwards
    cron(0 0 ? JAN MON 2020-2019)
                       ^^^^^^^^^
  hint write 2019-2020""",
    "cron(0 0 ? JAN MON,6L *)": """\
RD301: 6L must stand alone in its field
    cron(0 0 ? JAN MON,6L *)
                       ^^
  hint use two timers, or list plain values""",
    "cron(0 0 1,15W * ? *)": """\
RD301: 15W must stand alone in its field
    cron(0 0 1,15W * ? *)
               ^^^
  hint use two timers, or list plain values""",
    "cron(0 0 L-3 * ? *)": """\
RD301: AWS has no days before the last one
    cron(0 0 L-3 * ? *)
             ^^^
  hint write L, LW, or a day such as 28""",
    "cron(0 0 6L * ? *)": """\
RD301: in day-of-month L stands alone
    cron(0 0 6L * ? *)
             ^^
  hint write L for the last day, or 6L in day-of-week""",
    "cron(0 0 ? * MON/2 *)": """\
RD301: / has no meaning in the day-of-week field
    cron(0 0 ? * MON/2 *)
                 ^^^^^
  hint list the days, e.g. MON,WED,FRI""",
    "cron(0 0 ? * */2 *)": """\
RD301: / has no meaning in the day-of-week field
    cron(0 0 ? * */2 *)
                 ^^^
  hint list the days, e.g. MON,WED,FRI""",
    "cron(0 0 ? * 3#6 *)": """\
RD301: a month has no weekday number 6
    cron(0 0 ? * 3#6 *)
                   ^
  hint write #1 to #5, or L for the last""",
    "cron(0/0 0 1 * ? *)": """\
RD301: minutes cannot step by 0
    cron(0/0 0 1 * ? *)
           ^
  hint write a step of 1 to 59""",
    "cron(0/60 0 1 * ? *)": """\
RD301: minutes cannot step by 60
    cron(0/60 0 1 * ? *)
           ^^
  hint write a step of 1 to 59""",
    "cron(0 0 31 2 ? *)": """\
RD301: this schedule never fires
    cron(0 0 31 2 ? *)
    ^^^^^^^^^^^^^^^^^^
  hint no month and year of the schedule has that day""",
    "cron(0 0 1 * ? *": """\
RD301: the closing parenthesis is missing
    cron(0 0 1 * ? *
                    ^
  hint end the schedule with )""",
    "cron(0 0 1 MON ? *)": """\
RD301: MON has no meaning in the month field
    cron(0 0 1 MON ? *)
               ^^^
  hint month takes 1-12 or JAN-DEC and the wildcards , - * /""",
    "cron(0 ? 1 * ? *)": """\
RD301: ? has no meaning in the hours field
    cron(0 ? 1 * ? *)
           ^
  hint hours takes 0-23 and the wildcards , - * /""",
    "cron(0 0 1 * 5W *)": """\
RD301: W has no meaning in the day-of-week field
    cron(0 0 1 * 5W *)
                 ^^
  hint day-of-week takes 1-7 or SUN-SAT and the wildcards , - * ? L #""",
    "cron(0 0 1#2 * ? *)": """\
RD301: # has no meaning in the day-of-month field
    cron(0 0 1#2 * ? *)
             ^^^
  hint day-of-month takes 1-31 and the wildcards , - * ? / L W""",
    "cron(0 0 1, 15 * ? *)": """\
RD301: ' ' does not belong here in the day-of-month field
    cron(0 0 1, 15 * ? *)
               ^
  hint day-of-month takes 1-31 and the wildcards , - * ? / L W""",
    "cron(0 0 1 * ? *) *": """\
RD301: nothing may follow the closing parenthesis
    cron(0 0 1 * ? *) *
                     ^
  hint delete the rest""",
    "cron()": """\
RD301: ')' does not belong here in the minutes field
    cron()
         ^
  hint minutes takes 0-59 and the wildcards , - * /""",
    "cron(0 0 ?,1 * ? *)": """\
RD301: ? must stand alone in its field
    cron(0 0 ?,1 * ? *)
             ^
  hint use two timers, or list plain values""",
    "cron(x 0 1 * ? *)": """\
RD301: 'x' does not belong here in the minutes field
    cron(x 0 1 * ? *)
         ^
  hint minutes takes 0-59 and the wildcards , - * /""",
    "cron(0 0 1 * ? * *)": """\
RD301: a cron schedule has six fields, this one has 7
    cron(0 0 1 * ? * *)
                     ^
  hint the fields are minutes hours day-of-month month day-of-week year, e.g. cron(0 0 1 * ? *)""",
    "cron(0 0 -1 * ? *)": """\
RD301: '-' does not belong here in the day-of-month field
    cron(0 0 -1 * ? *)
             ^
  hint day-of-month takes 1-31 and the wildcards , - * ? / L W""",
    "cron(0 0 1- * ? *)": """\
RD301: ' ' does not belong here in the day-of-month field
    cron(0 0 1- * ? *)
               ^
  hint day-of-month takes 1-31 and the wildcards , - * ? / L W""",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text.replace("\n", " ") or "empty")
def test_a_bad_schedule_says_where_and_what_to_do(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    error = caught.value
    assert error.where is not None
    assert error.where.file.endswith("test_schedule_errors.py")
    assert str(error).replace(f"  at   {error.where}\n", "") == FAULTS[text]


def test_a_schedule_error_is_a_value_error() -> None:
    assert issubclass(ScheduleError, ValueError)
    assert ScheduleError.code == "RD301"


def test_a_schedule_is_text() -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(5)  # type: ignore[arg-type]
    assert caught.value.what == "a schedule is text, not int"
    assert caught.value.hint == 'write "rate(1 day)" or "cron(0 0 1 * ? *)"'


@pytest.mark.parametrize("text", ["rate(1 day)", "cron(0 0 1 * ? *)"])
def test_a_time_needs_a_timezone(text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text).next_after(datetime(2025, 5, 7))
    assert caught.value.what == "2025-05-07T00:00:00 has no timezone"
    assert caught.value.hint == "pass an aware time, e.g. datetime(..., tzinfo=UTC)"
    with pytest.raises(ScheduleError):
        list(parse(text).fire_times(datetime(2025, 5, 7, tzinfo=UTC), datetime(2025, 5, 8)))


def test_a_long_text_is_shown_around_its_fault() -> None:
    minutes = ",".join(["1"] * 100)
    with pytest.raises(ScheduleError) as caught:
        parse(f"cron({minutes},60,{minutes} 0 1 * ? *)")
    _, line, carets = caught.value.what.split("\n")
    assert line.startswith("    ...")
    assert line.endswith("...")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "60"
