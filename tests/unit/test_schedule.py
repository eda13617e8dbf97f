"""Schedules: what AWS documents, and laws that hold for every expression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import examples

from rheo_runtime import values as v
from rheo_runtime.timetable import fires
from rheodsl import AnyDate
from rheodsl.schedule import EPOCH, Cron, Rate, ScheduleError, parse
from rheodsl.signal_declarations import timer

MONTH_NAMES = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAY_NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# What AWS documents: expression, a moment, the fires that follow it.
DOCUMENTED = [
    ("cron(0 10 * * ? *)", "2025-05-07T10:00", ["2025-05-08T10:00", "2025-05-09T10:00"]),
    ("cron(15 12 * * ? *)", "2025-05-07T12:14", ["2025-05-07T12:15", "2025-05-08T12:15"]),
    ("cron(0 18 ? * MON-FRI *)", "2025-05-09T17:00", ["2025-05-09T18:00", "2025-05-12T18:00"]),
    ("cron(0 8 1 * ? *)", "2025-12-01T08:00", ["2026-01-01T08:00", "2026-02-01T08:00"]),
    ("cron(0/15 * * * ? *)", "2025-05-07T10:31", ["2025-05-07T10:45", "2025-05-07T11:00"]),
    ("cron(0/10 * ? * MON-FRI *)", "2025-05-09T23:50", ["2025-05-12T00:00", "2025-05-12T00:10"]),
    ("cron(0/5 8-17 ? * MON-FRI *)", "2025-05-09T17:55", ["2025-05-12T08:00", "2025-05-12T08:05"]),
    ("cron(0/30 20-2 ? * MON-FRI *)", "2025-05-07T02:30", ["2025-05-07T20:00", "2025-05-07T20:30"]),
    ("cron(0 12 * * ? *)", "2025-05-07T12:00", ["2025-05-08T12:00"]),
    ("cron(5,35 14 * * ? *)", "2025-05-07T14:05", ["2025-05-07T14:35", "2025-05-08T14:05"]),
    ("cron(15 10 ? * 6L 2019-2022)", "2019-01-01T00:00", ["2019-01-25T10:15", "2019-02-22T10:15"]),
    ("cron(1/10 * * * ? *)", "2025-05-07T10:00", ["2025-05-07T10:01", "2025-05-07T10:11"]),
    ("cron(0 0 1 * ? *)", "2025-05-01T00:00", ["2025-06-01T00:00"]),
    ("cron(0 0 1 JAN,FEB,MAR ? *)", "2025-03-01T00:00", ["2026-01-01T00:00", "2026-02-01T00:00"]),
    ("cron(0 0 1-15 * ? *)", "2025-05-15T00:00", ["2025-06-01T00:00"]),
    ("cron(0 0 3W * ? *)", "2025-05-01T00:00", ["2025-05-02T00:00", "2025-06-03T00:00"]),
    ("cron(0 0 ? * 3#2 *)", "2025-05-01T00:00", ["2025-05-13T00:00", "2025-06-10T00:00"]),
    ("cron(0 0 L * ? *)", "2024-02-01T00:00", ["2024-02-29T00:00", "2024-03-31T00:00"]),
    ("cron(0 0 ? * L *)", "2025-05-07T00:00", ["2025-05-10T00:00", "2025-05-17T00:00"]),
    ("cron(0 0 LW * ? *)", "2025-05-01T00:00", ["2025-05-30T00:00", "2025-06-30T00:00", "2025-07-31T00:00"]),
    ("cron(0 0 1W * ? *)", "2025-02-01T00:00", ["2025-02-03T00:00", "2025-03-03T00:00"]),
    ("cron(0 0 31W * ? *)", "2025-08-02T00:00", ["2025-08-29T00:00", "2025-10-31T00:00"]),
    ("cron(0 0 ? * MON#5 *)", "2025-05-07T00:00", ["2025-06-30T00:00", "2025-09-29T00:00"]),
    ("cron(0 0 29 2 ? *)", "2025-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    ("cron(0 0 1 1 ? 2024/5)", "2025-01-01T00:00", ["2029-01-01T00:00", "2034-01-01T00:00"]),
    ("rate(1 minute)", "2025-05-07T10:00", ["2025-05-07T10:01", "2025-05-07T10:02"]),
    ("rate(5 minutes)", "2025-05-07T10:01", ["2025-05-07T10:05", "2025-05-07T10:10"]),
    ("rate(1 hour)", "2025-05-07T10:00", ["2025-05-07T11:00"]),
    ("rate(1 day)", "2025-05-07T10:00", ["2025-05-08T00:00"]),
    ("rate(7 days)", "1970-01-01T00:00", ["1970-01-08T00:00", "1970-01-15T00:00"]),
]


@pytest.mark.parametrize(("text", "moment", "fires"), DOCUMENTED, ids=[row[0] for row in DOCUMENTED])
def test_fires_as_documented(text: str, moment: str, fires: list[str]) -> None:
    schedule, t = parse(text), at(moment)
    for fire in fires:
        after = schedule.next_after(t)
        assert after == at(fire)
        t = after


@pytest.mark.parametrize(
    ("text", "granularity"),
    [
        ("rate(30 minutes)", "MINUTE"),
        ("rate(24 hours)", "HOUR"),
        ("rate(1 day)", "DAY"),
        ("rate(7 days)", "DAY"),
        ("cron(0/15 * * * ? *)", "MINUTE"),
        ("cron(5,35 14 1 1 ? 2030)", "MINUTE"),
        ("cron(0 * * * ? *)", "HOUR"),
        ("cron(0 6,18 1 * ? *)", "HOUR"),
        ("cron(0 10 * * ? *)", "DAY"),
        ("cron(0 10 1,15 * ? *)", "DAY"),
        ("cron(0 10 ? * MON *)", "DAY"),
        ("cron(0 0 1 * ? *)", "DAY"),
        ("cron(0 0 LW * ? *)", "DAY"),
        ("cron(0 0 ? * 3#2 *)", "DAY"),
        ("cron(0 0 ? * 6L *)", "DAY"),
        ("cron(0 0 1 1 ? *)", "DAY"),
        ("cron(0 0 L 2 ? *)", "DAY"),
        ("cron(0 0 1 1 ? 2030)", "DAY"),
    ],
)
def test_granularity(text: str, granularity: str) -> None:
    assert parse(text).granularity == granularity


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("cron(0 0 1 * ? *)", "0 0 1 * *"),
        ("cron(0/15 8-17 ? * MON-FRI *)", "*/15 8-17 * * 1-5"),
        ("cron(0/30 20-2 ? * FRI-MON *)", "0,30 0-2,20-23 * * 0,1,5,6"),
        ("cron(0 0 1 JAN,FEB,MAR ? *)", "0 0 1 1-3 *"),
        ("cron(0 0 L * ? *)", "0 0 L * *"),
        ("cron(15 10 ? * 6L *)", "15 10 * * L5"),
        ("cron(0 0 ? * 3#2 *)", "0 0 * * 2#2"),
        ("cron(0 0 15W * ? *)", None),
        ("cron(0 0 LW * ? *)", None),
        ("cron(0 0 1 * ? 2030)", None),
        ("rate(1 day)", "0 0 * * *"),
        ("rate(7 days)", "0 0 * * 4"),
        ("rate(15 minutes)", "*/15 * * * *"),
        ("rate(5 days)", None),
        ("rate(90 minutes)", None),
    ],
)
def test_airflow_cron(text: str, unix: str | None) -> None:
    assert parse(text).airflow_cron() == unix


def test_delta_is_for_rates() -> None:
    assert parse("rate(90 minutes)").delta() == timedelta(minutes=90)
    assert parse("cron(0 0 1 * ? *)").delta() is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("cron(00  09 * JAN-DEC ? *)", "cron(0 9 * * ? *)"),
        ("cron( */5 0 ? * 2-6 2024-2026/2 )", "cron(0/5 0 ? * MON-FRI 2024-2026/2)"),
        ("cron(0 0 ? jan,3 friL 1970-2199)", "cron(0 0 ? 1,3 6L *)"),
        ("cron(59/5 0 lw * ? *)", "cron(59 0 LW * ? *)"),
        ("rate( 5  Minutes )", "rate(5 minutes)"),
    ],
)
def test_spelling_is_canonical(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_times_of_other_zones_are_converted() -> None:
    eastern = datetime(2025, 5, 6, 23, 30, tzinfo=timezone(timedelta(hours=-4)))
    assert parse("cron(0 * * * ? *)").next_after(eastern) == at("2025-05-07T04:00")


def test_the_last_fire_is_followed_by_none() -> None:
    schedule = parse("cron(0 0 1 1 ? 2030)")
    assert schedule.next_after(at("2029-12-31T23:59")) == at("2030-01-01T00:00")
    assert schedule.next_after(at("2030-01-01T00:00")) is None
    assert list(schedule.fire_times(at("2030-01-02T00:00"), at("2040-01-01T00:00"))) == []


def test_a_rate_ends_with_the_calendar() -> None:
    assert parse("rate(36500 days)").next_after(at("9990-01-01T00:00")) is None


def test_a_rate_counts_from_its_anchor() -> None:
    rate = Rate(7, "day")
    anchor = at("2025-05-07T09:30")
    assert rate.next_after(at("2025-01-01T00:00"), anchor) == anchor
    assert rate.next_after(anchor, anchor) == at("2025-05-14T09:30")
    fires = list(rate.fire_times(anchor, at("2025-05-28T09:30"), anchor))
    assert fires == [anchor, at("2025-05-14T09:30"), at("2025-05-21T09:30")]


def test_fire_times_hold_the_start_and_not_the_end() -> None:
    cron = parse("cron(0 0 * * ? *)")
    assert list(cron.fire_times(at("2025-05-01T00:00"), at("2025-05-03T00:00"))) == [
        at("2025-05-01T00:00"),
        at("2025-05-02T00:00"),
    ]


# --- laws -----------------------------------------------------------------------------------------------


def numbers(low: int, high: int, names: list[str] | None = None) -> st.SearchStrategy[str]:
    digits = st.integers(low, high).map(str)
    return digits | st.sampled_from(names) if names else digits


def terms(low: int, high: int, *, names: list[str] | None = None, steps: int = 0) -> st.SearchStrategy[str]:
    value = numbers(low, high, names)
    span = st.tuples(value, value).map("-".join)
    options = [st.just("*"), value, span]
    if steps:
        options.append(st.tuples(st.just("*") | value | span, st.integers(1, steps).map(str)).map("/".join))
    return st.lists(st.one_of(options), min_size=1, max_size=3).map(",".join)


month_days = terms(1, 31, steps=31) | st.sampled_from(["L", "LW"]) | st.integers(1, 31).map("{}W".format)
week_days = (
    terms(1, 7, names=DAY_NAMES)
    | numbers(1, 7, DAY_NAMES).map("{}L".format)
    | st.just("L")
    | st.tuples(numbers(1, 7, DAY_NAMES), st.integers(1, 5).map(str)).map("#".join)
)
year_spans = st.tuples(st.integers(2000, 2040), st.integers(0, 40)).map(lambda p: f"{p[0]}-{p[0] + p[1]}")
crons = st.tuples(
    terms(0, 59, steps=59),
    terms(0, 23, steps=23),
    st.tuples(month_days, st.just("?")) | st.tuples(st.just("?"), week_days),
    terms(1, 12, names=MONTH_NAMES, steps=12),
    st.just("*") | year_spans,
).map(lambda p: f"cron({p[0]} {p[1]} {p[2][0]} {p[3]} {p[2][1]} {p[4]})")
rates = st.tuples(st.integers(2, 500), st.sampled_from(["minutes", "hours", "days"])).map(
    lambda p: f"rate({p[0]} {p[1]})"
)
moments = st.datetimes(datetime(1999, 1, 1), datetime(2042, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


def naive(text: str) -> Callable[[datetime], bool]:
    """An independent reading of a cron expression: does one minute match?"""
    minute, hour, day, month, weekday, year = text.removeprefix("cron(").removesuffix(")").split()

    def plain(field: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
        found: set[int] = set()

        def number(word: str) -> int:
            return names.index(word) + low if names and word in names else int(word)

        for term in field.split(","):
            body, _, step = term.partition("/")
            first, _, last = ("*" if body == "*" else body).partition("-")
            start = low if first == "*" else number(first)
            stop = number(last) if last else high if step or first == "*" else start
            value = start
            for count in range(high - low + 1):
                if count % int(step or 1) == 0:
                    found.add(value)
                if value == stop:
                    break
                value = low if value == high else value + 1
        return found

    def days_of(t: datetime) -> Iterator[datetime]:
        first = t.replace(day=1)
        for offset in range(31):
            if (day := first + timedelta(days=offset)).month == t.month:
                yield day

    def day_matches(t: datetime) -> bool:
        last = list(days_of(t))[-1].day
        workdays = [d.day for d in days_of(t) if d.weekday() < 5]
        if day == "?":
            mine = DAY_NAMES[(t.weekday() + 1) % 7]
            if weekday == "L":
                return mine == "SAT"
            if weekday.endswith("L") or "#" in weekday:
                name, _, nth = weekday.removesuffix("L").partition("#")
                name = DAY_NAMES[int(name) - 1] if name.isdigit() else name
                same = [d.day for d in days_of(t) if DAY_NAMES[(d.weekday() + 1) % 7] == name]
                wanted = same[-1:] if not nth else same[int(nth) - 1 : int(nth)]
                return t.day in wanted
            return DAY_NAMES.index(mine) + 1 in plain(weekday, 1, 7, DAY_NAMES)
        if day == "L":
            return t.day == last
        if day == "LW":
            return t.day == workdays[-1]
        if day.endswith("W"):
            target = int(day[:-1])
            return target <= last and t.day == min(workdays, key=lambda d: abs(d - target))
        return t.day in plain(day, 1, 31)

    minutes, hours = plain(minute, 0, 59), plain(hour, 0, 23)
    months, years = plain(month, 1, 12, MONTH_NAMES), plain(year, 1970, 2199)

    def matches(t: datetime) -> bool:
        return (
            t.minute in minutes
            and t.hour in hours
            and t.month in months
            and t.year in years
            and day_matches(t)
        )

    return matches


def minutes_between(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(minutes=1)


def parsed(text: str) -> Cron:
    try:
        schedule = parse(text)
    except ScheduleError as error:
        assume("never fires" not in error.what)
        raise
    assert isinstance(schedule, Cron)
    return schedule


@examples(150)
@given(crons, moments)
def test_next_after_agrees_with_a_minute_by_minute_search(text: str, t: datetime) -> None:
    matches, fire = naive(text), parsed(text).next_after(t)
    after = t.replace(second=0, microsecond=0) + timedelta(minutes=1)
    window = timedelta(days=1)
    if fire is None:
        assert not any(map(matches, minutes_between(after, after + window)))
        return
    assert fire > t
    assert (fire.second, fire.microsecond) == (0, 0)
    assert matches(fire)
    assert not any(map(matches, minutes_between(after, min(fire, after + window))))
    assert not any(map(matches, minutes_between(max(after, fire - window), fire)))


@examples(100)
@given(crons, moments)
def test_fire_times_are_the_matching_minutes(text: str, t: datetime) -> None:
    schedule = parsed(text)
    start = (schedule.next_after(t) or t).replace(second=0, microsecond=0) - timedelta(hours=7)
    end = start + timedelta(hours=14)
    assert list(schedule.fire_times(start, end)) == list(filter(naive(text), minutes_between(start, end)))


@given(crons | rates)
def test_a_schedule_reads_back_as_itself(text: str) -> None:
    try:
        schedule = parse(text)
    except ScheduleError as error:
        assert "never fires" in error.what
        return
    assert parse(str(schedule)) == schedule
    assert str(parse(str(schedule))) == str(schedule)


@given(rates, moments)
def test_a_rate_fires_at_whole_steps_after_the_epoch(text: str, t: datetime) -> None:
    rate = parse(text)
    fire, step = rate.next_after(t), rate.delta()
    assert fire is not None
    assert step is not None
    assert t < fire <= t + step
    assert (fire - EPOCH) % step == timedelta(0)


@examples(150)
@given(crons, moments)
def test_the_airflow_expression_fires_at_the_same_times(text: str, t: datetime) -> None:
    schedule = parsed(text)
    unix = schedule.airflow_cron()
    assume(unix is not None)
    for _ in range(3):
        fire = schedule.next_after(t)
        assert fire is not None
        assert croniter(unix, t).get_next(datetime) == fire
        t = fire


@examples(100)
@given(crons, moments)
def test_no_two_fires_share_a_period_of_the_granularity(text: str, t: datetime) -> None:
    schedule = parsed(text)
    width = {"YEAR": 4, "MONTH": 7, "DAY": 10, "HOUR": 13, "MINUTE": 16}[schedule.granularity]
    seen: set[str] = set()
    for _ in range(20):
        fire = schedule.next_after(t)
        if fire is None:
            break
        label = fire.isoformat()[:width]
        assert label not in seen
        seen.add(label)
        t = fire


@pytest.mark.parametrize(
    ("text", "start", "fires"),
    [
        # 02:30 does not happen on 2024-03-10 in New York.
        ("cron(30 2 * * ? *)", datetime(2024, 3, 9, tzinfo=UTC), ["03-09 07:30", "03-11 06:30", "03-12 06:30"]),
        # 01:30 happens twice on 2024-11-03: the first time counts.
        ("cron(30 1 * * ? *)", datetime(2024, 11, 2, tzinfo=UTC), ["11-02 05:30", "11-03 05:30", "11-04 06:30"]),
        ("cron(30 21 * * ? *)", datetime(2024, 1, 1, tzinfo=UTC), ["01-01 02:30", "01-02 02:30", "01-03 02:30"]),
        ("cron(0 0 1 * ? *)", datetime(2024, 1, 1, tzinfo=UTC), ["01-01 05:00", "02-01 05:00", "03-01 05:00"]),
    ],
)  # fmt: skip
def test_a_cron_fires_by_the_clock_of_its_zone(text: str, start: datetime, fires: list[str]) -> None:
    read = parse(text, "America/New_York")
    found = list(islice(read.fire_times(start, start + timedelta(days=400)), 3))
    assert [fire.strftime("%m-%d %H:%M") for fire in found] == fires
    assert read.next_after(found[0]) == found[1]


@pytest.mark.parametrize(
    ("text", "zone", "steady"),
    [
        ("cron(0 3 * * ? *)", "America/New_York", True),
        ("cron(0 1 * * ? *)", "America/New_York", False),
        ("cron(59 1 ? * MON-SAT *)", "America/New_York", True),  # clocks change on Sundays
        ("cron(0 * * * ? *)", "America/New_York", False),
        ("cron(0 * * * ? *)", "Asia/Tokyo", True),
        ("cron(0 * * * ? *)", "UTC", True),
    ],
)
def test_hours_that_every_clock_shows_once(text: str, zone: str, steady: bool) -> None:
    read = parse(text, zone)
    assert isinstance(read, Cron)
    assert read.steady() is steady


@given(st.integers(1, 40_000))
def test_among_the_ticks_of_a_rate_are_all_its_fires(minutes: int) -> None:
    rate = Rate(minutes, "minute")
    start = datetime(2025, 5, 1, tzinfo=UTC)
    end = start + timedelta(minutes=3 * minutes)
    ticks = parse(rate.ticks()).fire_times(start, end)
    due = [tick for tick in ticks if (tick - EPOCH) % rate.delta() == timedelta()]
    assert due == list(rate.fire_times(start, end))


# ── the partitions of a timer ─────────────────────────────────────────────────────────────────────────

SPAN = {"MINUTE": timedelta(days=3), "HOUR": timedelta(days=6), "DAY": timedelta(days=40)}
UNIT = {"MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1), "DAY": timedelta(days=1)}
ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
CHANGES = st.sampled_from([at("2024-03-10T12:00"), at("2024-11-03T12:00"), at("2024-04-07T00:00")])
few_rates = st.tuples(st.integers(2, 60), st.sampled_from(["minutes", "hours", "days"])).map(
    lambda p: f"rate({p[0]} {p[1]})"
)


def naive_fires(text: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Minute by minute; of two equal times on a wall the first."""
    matches = naive(text) if text.startswith("cron") else None
    for t in minutes_between(start, end):
        wall = t.astimezone(ZoneInfo(zone))
        if matches is None:
            if (t - EPOCH) % parse(text).delta() == timedelta():  # type: ignore[operator]
                yield t
        elif matches(wall.replace(tzinfo=None)) and not wall.fold:
            yield t


@examples(40)
@given(
    crons | few_rates, moments | CHANGES, ZONES, ZONES, st.sampled_from(["MINUTE", "HOUR", "DAY"]),
    st.integers(-2, 2),
)  # fmt: skip
def test_the_partitions_of_a_timer_are_its_fires_cut_and_moved(
    text: str, t: datetime, clock: str, zone: str, granularity: str, shift: int
) -> None:
    """Against a search minute by minute; fires of hours are moved in UTC alone, where each hour is one."""
    if granularity != "DAY" and zone != "UTC":
        shift = 0
    read = parsed(text) if text.startswith("cron") else parse(text)
    t = read.next_after(t) or t
    unit, dimension = UNIT[granularity], {"granularity": granularity, "timezone": zone}
    signal = timer("t", text, AnyDate("at", dimension), shift, clock, None)
    kind = signal.branches[0][0].kind
    bare = v.unscheduled(kind)
    start = t.replace(minute=0, second=0, microsecond=0) - SPAN[granularity] / 2
    expected = set()
    for fire in naive_fires(text, clock, start, start + SPAN[granularity]):
        wall = fire.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        cut = {"MINUTE": wall, "HOUR": wall.replace(minute=0), "DAY": wall.replace(hour=0, minute=0)}
        expected.add(v.from_datetime(cut[granularity] + shift * unit, bare))
    within = timedelta(hours=6) + 4 * unit
    first, last = (
        v.from_datetime(moment, bare) for moment in (start + within, start + SPAN[granularity] - within)
    )
    wanted = [value for value in sorted(expected) if first <= value <= last]
    assert list(v.between(first, last, kind)) == wanted
    assert all(v.is_partition(value, kind) and v.is_fire(value, kind) for value in wanted[:20])
    for one, other in pairwise(wanted[:20]):
        assert v.neighbours(one, 1, 1, kind) == (other,) and v.neighbours(other, 0, -2, kind) == (other, one)
        if one + bare.unit < other and kind.schedule is not None:
            assert not v.is_fire(one + bare.unit, kind)
            assert v.nearest_on_grid(one + bare.unit, kind) == (one, other)


@given(crons | rates, moments)
def test_fires_go_back_as_they_come(text: str, t: datetime) -> None:
    try:
        plain = parse(text).plain
    except ScheduleError:
        return
    ahead = list(islice(fires(plain, t), 5))
    assert all(fire >= t for fire in ahead)
    if ahead:
        back = list(islice(fires(plain, ahead[-1] + timedelta(minutes=1), -1), len(ahead)))
        assert back == ahead[::-1]


@pytest.mark.parametrize(
    ("text", "zone", "granularity", "own"),
    [
        ("rate(1 day)", "UTC", "DAY", False),
        ("rate(12 hours)", "UTC", "DAY", False),
        ("rate(12 hours)", "UTC", "HOUR", True),
        ("rate(2 days)", "UTC", "DAY", True),
        ("rate(2 days)", "UTC", "WEEK", False),
        ("rate(1 day)", "America/Los_Angeles", "DAY", False),
        ("rate(1 day)", "Atlantic/Azores", "DAY", True),  # its day of 23 hours begins an hour behind UTC's
        ("cron(0 3 * * ? *)", "America/New_York", "DAY", False),
        ("cron(30 2 * * ? *)", "America/New_York", "DAY", True),  # one day a year has no such time
        ("cron(0 3 ? * * *)", "UTC", "DAY", False),
        ("cron(0 3 ? * MON-FRI *)", "UTC", "DAY", True),
        ("cron(0 * * * ? *)", "UTC", "HOUR", False),
        ("cron(0 * * * ? 2024)", "UTC", "HOUR", True),
        ("cron(0 0 1 * ? *)", "UTC", "DAY", True),
    ],
)
def test_a_timer_that_fires_in_each_unit_needs_no_schedule(
    text: str, zone: str, granularity: str, own: bool
) -> None:
    dimension = AnyDate("at", {"granularity": granularity})
    kind = timer("t", text, dimension, 0, zone, None).branches[0][0].kind
    assert (kind.schedule is not None) is own
    assert kind.regular is not (own or (zone != "UTC" and granularity != "DAY"))
