"""Values: text to value and back, casts from Python, shifts, and time across zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind, datetime_kind

LOS_ANGELES = "America/Los_Angeles"

# ── strategies ────────────────────────────────────────────────────────────────────────────────────────

FORMATS = {
    v.YEAR: ["%Y", "year-%Y"],
    v.MONTH: ["%Y-%m", "%m/%Y", "%Y%m", "%b %Y", "%B, %Y"],
    v.QUARTER: ["%Y-Q%q", "%q of %Y"],
    v.WEEK: ["%G-W%V", "W%V %G"],
    v.DAY: ["%Y-%m-%d", "%d-%m-%Y", "%Y%m%d", "%Y-%j", "%m_%d_%Y", "100%% %Y-%m-%d", "%Y-%-m-%-d", "%Y/%-j"],
    v.HOUR: ["%Y-%m-%d %H", "%Y%m%d%H", "%Y-%m-%dT%H:00", "%d.%m.%Y %I%p"],
    v.MINUTE: ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y%m%d%H%M", "%Y-%m-%d %I:%M %p"],
}
ZONES = [None, "UTC", "GMT", "PST", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo", "America/Sao_Paulo"]

anytime = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 12, 31))
# Before standard time, clocks differed by seconds: no hour or minute is told by its zone then.
standard = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 12, 31))


@st.composite
def datetime_kinds(draw: st.DrawFn) -> Kind:
    granularity = draw(st.sampled_from(v.GRANULARITIES))
    finer = v.GRANULARITIES[: v.GRANULARITIES.index(granularity) + 1]
    format = draw(
        st.sampled_from([f for g in finer for f in FORMATS[g] if g in (v.DAY, granularity) or g != v.WEEK])
    )
    return datetime_kind(format, granularity, draw(st.sampled_from(ZONES)))


@st.composite
def dated(draw: st.DrawFn) -> tuple[Kind, datetime]:
    kind = draw(datetime_kinds())
    return kind, draw(standard if kind.granularity in (v.HOUR, v.MINUTE) else anytime)


def ambiguous(value: int, kind: Kind) -> bool:
    """Whether the clock shows the time of this value twice, or the clock is moved within the hour."""
    if kind.granularity not in (v.HOUR, v.MINUTE):
        return False
    return v.from_datetime(v.to_datetime(value, kind).replace(fold=0), kind) != value


def is_text(text: str) -> bool:
    """Whether a text may be a STRING value at all."""
    try:
        v.check_text(text)
    except BadValue:
        return False
    return True


@st.composite
def kinds_and_values(draw: st.DrawFn) -> tuple[Kind, v.Value]:
    if draw(st.booleans()):
        kind, moment = draw(dated())
        value = v.from_datetime(moment, kind)
        assume(not ambiguous(value, kind))
        return kind, value
    kind = draw(
        st.one_of(
            st.builds(Kind, st.just(v.LONG), digits=st.none() | st.integers(1, 12)),
            st.builds(Kind, st.just(v.STRING), insensitive=st.booleans()),
        )
    )
    if kind.type == v.LONG:
        return kind, draw(st.integers(-(10**18), 10**18))
    text = draw(st.text(min_size=1).filter(is_text))
    return kind, text.lower() if kind.insensitive else text


# ── laws ──────────────────────────────────────────────────────────────────────────────────────────────


@given(kinds_and_values())
def test_a_value_reads_back_from_its_text(case: tuple[Kind, v.Value]) -> None:
    kind, value = case
    assert v.parse(v.render(value, kind), kind) == value


@given(kinds_and_values())
def test_a_value_casts_from_its_text(case: tuple[Kind, v.Value]) -> None:
    kind, value = case
    assert v.cast(v.render(value, kind), kind) == value


@given(datetime_kinds(), st.text(alphabet="0123456789-/ :T.AMP%Jan", max_size=20))
def test_a_text_that_is_read_is_the_one_spelling(kind: Kind, text: str) -> None:
    try:
        value = v.parse(text, kind)
    except BadValue:
        return
    assert v.render(value, kind) == text


@given(dated())
def test_a_moment_lies_in_its_own_partition(case: tuple[Kind, datetime]) -> None:
    kind, moment = case
    value = v.from_datetime(moment, kind)
    start = v.to_datetime(value, kind)
    assert v.from_datetime(start, kind) == value
    if kind.granularity in (v.DAY, v.MONTH, v.YEAR):
        assert start <= moment < v.to_datetime(v.shift(value, 1, kind), kind)


@given(dated(), st.integers(-500, 500), st.integers(-500, 500))
def test_shifts_add_up_and_undo(case: tuple[Kind, datetime], a: int, b: int) -> None:
    kind, moment = case
    assume(1_000 < moment.year < 9_000)  # else years leave the range of dates on the way
    value = v.from_datetime(moment, kind)
    assert v.shift(v.shift(value, a, kind), b, kind) == v.shift(value, a + b, kind)
    assert v.shift(v.shift(value, a, kind), -a, kind) == value
    assert v.shift(value, 0, kind) == value


@given(dated(), st.integers(1, 500))
def test_shifts_keep_order(case: tuple[Kind, datetime], units: int) -> None:
    kind, moment = case
    value = v.from_datetime(moment, kind)
    assert v.shift(value, -units, kind) < value < v.shift(value, units, kind)


@given(dated())
def test_truncating_twice_is_truncating_once(case: tuple[Kind, datetime]) -> None:
    kind, moment = case
    value = v.from_datetime(moment, kind)
    coarser = v.GRANULARITIES[v.GRANULARITIES.index(kind.granularity or v.DAY) :]
    for to in coarser:
        once = v.trunc(value, kind, to)
        assert v.trunc(once, replace(kind, granularity=to), to) == once


@given(dated())
def test_the_first_finer_value_lies_within(case: tuple[Kind, datetime]) -> None:
    kind, moment = case
    assume(moment.year >= 1970)  # as `standard`
    value = v.from_datetime(moment, kind)
    for to in v.GRANULARITIES[: v.GRANULARITIES.index(kind.granularity or v.DAY)]:
        first = v.at(value, kind, to)
        assert v.trunc(first, replace(kind, granularity=to), kind.granularity or v.DAY) == value


@given(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_an_instant_is_one_value_in_every_zone(instant: datetime) -> None:
    minutes = datetime_kind("%Y-%m-%d %H:%M")
    # An hour that a clock shows twice has one name there, and so one value.
    assume(not any(instant.astimezone(ZoneInfo(v.zone_name(zone) or "UTC")).fold for zone in ZONES))
    values = {v.from_datetime(instant, replace(minutes, timezone=v.zone_name(zone))) for zone in ZONES}
    local = v.from_datetime(instant.astimezone(ZoneInfo("Asia/Tokyo")), minutes)
    assert values == {local}


@given(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_truncating_to_the_hour_keeps_the_instant_within_the_hour(instant: datetime) -> None:
    kind = datetime_kind("%Y-%m-%d %H:%M", timezone="PST")
    value = v.from_datetime(instant, kind)
    assert 0 <= value - v.trunc(value, kind, v.HOUR) < 60


# ── kinds ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("format", "granularity"),
    [(f, g) for g, formats in FORMATS.items() for f in formats],
)
def test_the_finest_field_is_the_granularity(format: str, granularity: str) -> None:
    assert datetime_kind(format).granularity == granularity


@pytest.mark.parametrize(
    ("granularity", "format"),
    [
        (None, "%Y-%m-%d"),
        (v.MINUTE, "%Y-%m-%d %H:%M"),
        (v.HOUR, "%Y-%m-%d %H"),
        (v.DAY, "%Y-%m-%d"),
        (v.MONTH, "%Y-%m"),
        (v.YEAR, "%Y"),
    ],
)
def test_a_granularity_has_a_default_format(granularity: str | None, format: str) -> None:
    kind = datetime_kind(granularity=granularity)
    assert (kind.format, kind.granularity) == (format, granularity or v.DAY)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("%d",), "format '%d' has no year"),
        (("%Y-%d",), "format '%Y-%d' has no month, so its values are not unique"),
        (("%Y %H",), "format '%Y %H' has no month, so its values are not unique"),
        (("%Y-%m-%d %M",), "format '%Y-%m-%d %M' has no hour, so its values are not unique"),
        (("day",), "format 'day' has no date field"),
        (("%%Y",), "format '%%Y' has no date field"),
        (("%Y-%U",), "format '%Y-%U': %U cannot be read back from a path"),
        (("%Y-%m-%d %Z",), "format '%Y-%m-%d %Z': %Z cannot be read back from a path"),
        (
            ("%Y-%m-%d", "FORTNIGHT"),
            "granularity 'FORTNIGHT' is none of MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR",
        ),
        (("%Y-%m", "DAY"), "format '%Y-%m' does not tell one DAY from the next"),
        ((None, None, "Mars/Olympus"), "timezone 'Mars/Olympus' is no IANA zone name"),
        ((None, None, "../etc/passwd"), "timezone '../etc/passwd' is no IANA zone name"),
        # Twelve hours twice a day, and the same hour under two names.
        (("%Y-%m-%d %I",), "format '%Y-%m-%d %I' has %I without %p, so its values are not unique"),
        (("%Y-%m-%d %p",), "format '%Y-%m-%d %p' has no hour, so its values are not unique"),
        (("%Y-%m-%d %H:%S",), "format '%Y-%m-%d %H:%S' has no minute, so its values are not unique"),
        # What strptime cannot read at all.
        (("%Y/%Y-%m-%d",), "format '%Y/%Y-%m-%d' has %Y twice"),
        (("%Y-%m-%d%",), "format '%Y-%m-%d%' ends in %"),
    ],
)
def test_a_kind_that_cannot_be_read_back_is_refused(arguments: tuple[str | None, ...], reason: str) -> None:
    with pytest.raises(BadValue) as caught:
        datetime_kind(*arguments)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(Kind(v.LONG), "LONG"), (Kind(v.STRING), "STRING"), (datetime_kind("%Y-%m"), "MONTH DATETIME")],
)
def test_a_kind_says_what_it_is(kind: Kind, shown: str) -> None:
    assert str(kind) == shown


def test_the_zones_of_the_guide() -> None:
    assert v.zone_name("PST") == LOS_ANGELES
    assert v.zone_name("GMT") == v.zone_name("UTC") == "UTC"
    assert v.zone_name("Europe/Berlin") == "Europe/Berlin"
    assert v.zone_name(None) is None


# ── texts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind(v.LONG), "999", 999),
        (Kind(v.LONG), "-5", -5),
        (Kind(v.LONG, digits=3), "007", 7),
        (Kind(v.LONG, digits=3), "-07", -7),
        (Kind(v.LONG, digits=3), "1234", 1234),
        (Kind(v.STRING), "NA", "NA"),
        (Kind(v.STRING, insensitive=True), "Na", "na"),
        (datetime_kind("%Y"), "2020", 2020),
        (datetime_kind("%Y"), "0999", 999),
        (datetime_kind("%Y-%m"), "2020-03", 2020 * 12 + 2),
        (datetime_kind(), "2020-03-18", date(2020, 3, 18).toordinal()),
        (datetime_kind("%Y-%j"), "2020-078", date(2020, 3, 18).toordinal()),
        (datetime_kind("%Y-%m-%d %H"), "1970-01-01 02", 120),
        (datetime_kind("%Y-%m-%d %H", timezone="PST"), "1970-01-01 02", 600),
        (datetime_kind("%d.%m.%Y %I%p"), "18.03.2020 05PM", 26_409_180),
        # A finer text of a coarser dimension: the rest is zero.
        (datetime_kind("%Y-%m-%d %H:%M:%S", "DAY"), "2020-03-18 00:00:00", 737502),
    ],
)
def test_texts(kind: Kind, text: str, value: v.Value) -> None:
    assert v.parse(text, kind) == value
    assert v.render(value, kind) == (text.lower() if kind.insensitive else text)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (Kind(v.LONG), "", "'' is no LONG"),
        (Kind(v.LONG), "part-000", "'part-000' is no LONG"),
        (Kind(v.LONG), "+1", "'+1' is no LONG"),
        (Kind(v.LONG), "1.0", "'1.0' is no LONG"),
        (Kind(v.LONG), "١", "'١' is no LONG"),
        (Kind(v.LONG), "1" * 20, f"'{'1' * 20}' is no LONG"),
        (Kind(v.LONG), "007", "'007' is not how 7 is written here ('7')"),
        (Kind(v.LONG), "-0", "'-0' is not how 0 is written here ('0')"),
        (Kind(v.LONG, digits=3), "7", "'7' is not how 7 is written here ('007')"),
        (Kind(v.LONG, min=10), "9", "'9' is below the minimum '10'"),
        (Kind(v.STRING), "", "an empty text is no STRING value"),
        (Kind(v.STRING, min="b"), "a", "'a' is below the minimum 'b'"),
        (datetime_kind(), "18-03-2020", "'18-03-2020' is no date of format '%Y-%m-%d'"),
        (datetime_kind(), "2021-02-29", "'2021-02-29' is no date of format '%Y-%m-%d'"),
        (datetime_kind(), "2020-3-8", "'2020-3-8' is not how that DAY is written here ('2020-03-08')"),
        (
            datetime_kind(min=737502),
            "2020-03-17",
            "'2020-03-17' is below the minimum '2020-03-18'",
        ),
        (
            datetime_kind("%Y-%m-%d %H:%M:%S", "DAY"),
            "2020-03-18 05:00:00",
            "'2020-03-18 05:00:00' is not how that DAY is written here ('2020-03-18 00:00:00')",
        ),
    ],
)
def test_a_text_that_is_no_value_says_why(kind: Kind, text: str, reason: str) -> None:
    with pytest.raises(BadValue) as caught:
        v.parse(text, kind)
    assert str(caught.value) == reason


def test_a_value_beyond_the_calendar_has_no_text() -> None:
    with pytest.raises(BadValue, match=r"^0 is out of the range of dates$"):
        v.render(0, datetime_kind())
    with pytest.raises(BadValue, match="is out of the range of dates"):
        v.render(10_000, datetime_kind("%Y"))
    with pytest.raises(BadValue, match="is out of the range of dates"):
        v.render(10**12, datetime_kind("%Y-%m-%d %H"))


# ── casts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (Kind(v.LONG), 1, 1),
        (Kind(v.LONG), "1", 1),
        (Kind(v.LONG), "007", 7),
        (Kind(v.STRING), "NA", "NA"),
        (Kind(v.STRING, insensitive=True), "NA", "na"),
        (datetime_kind(), "2020-03-18", 737502),
        (datetime_kind(), date(2020, 3, 18), 737502),
        (datetime_kind(), datetime(2020, 3, 18, 23, 59), 737502),
        (datetime_kind("%d-%m-%Y"), "18-03-2020", 737502),
        # ISO is read whatever the format.
        (datetime_kind("%d-%m-%Y"), "2020-03-18", 737502),
        (datetime_kind("%Y-%m"), "2020-03-01", 2020 * 12 + 2),
        (datetime_kind("%Y-%m"), date(2020, 3, 18), 2020 * 12 + 2),
        (datetime_kind("%Y-%m-%d %H"), "1970-01-01T02:00", 120),
        (datetime_kind("%Y-%m-%d %H"), "1970-01-01T02:00+02:00", 0),
        (datetime_kind("%Y-%m-%d %H", timezone="PST"), datetime(1970, 1, 1, 2), 600),
        (datetime_kind("%Y-%m-%d %H", timezone="PST"), datetime(1970, 1, 1, 2, tzinfo=UTC), 120),
        (datetime_kind("%Y-%m-%d %H", timezone="PST"), date(1970, 1, 1), 480),
    ],
)
def test_casts(kind: Kind, written: object, value: v.Value) -> None:
    assert v.cast(written, kind) == value


@pytest.mark.parametrize(
    ("kind", "written", "reason"),
    [
        (Kind(v.LONG), True, "True is no LONG"),
        (Kind(v.LONG), None, "None is no LONG"),
        (Kind(v.LONG), 1.0, "1.0 is no LONG"),
        (Kind(v.LONG), "x", "'x' is no LONG"),
        (Kind(v.LONG), 10**19, f"{10**19} is no LONG"),
        (Kind(v.LONG, min=10), 9, "'9' is below the minimum '10'"),
        (Kind(v.STRING), 1, "1 is no STRING"),
        (Kind(v.STRING), "", "an empty text is no STRING value"),
        (datetime_kind(), 20200318, "20200318 is no DAY DATETIME"),
        (datetime_kind(), "yesterday", "'yesterday' is no date of format '%Y-%m-%d'"),
        # An ISO text that says more than the dimension holds is a mistake, not a rounding.
        (datetime_kind(), "2020-03-18T05:00", "'2020-03-18T05:00' is no date of format '%Y-%m-%d'"),
        (datetime_kind("%Y-%m"), "2020-03-18", "'2020-03-18' is no date of format '%Y-%m'"),
    ],
)
def test_a_cast_that_fails_says_why(kind: Kind, written: object, reason: str) -> None:
    with pytest.raises(BadValue) as caught:
        v.cast(written, kind)
    assert str(caught.value) == reason


# ── time across zones ─────────────────────────────────────────────────────────────────────────────────


def test_five_in_the_pacific_is_thirteen_utc() -> None:
    """The contract's own case: PST 05:00 and UTC 13:00 are the same instant."""
    pacific = datetime_kind("%Y-%m-%d %H", timezone="PST")
    utc = datetime_kind("%Y-%m-%d %H", timezone="UTC")
    assert v.parse("2020-01-18 05", pacific) == v.parse("2020-01-18 13", utc)
    # In summer the Pacific is an hour nearer.
    assert v.parse("2020-07-18 05", pacific) == v.parse("2020-07-18 12", utc)


def test_days_are_labels_whatever_the_zone() -> None:
    assert v.parse("2020-01-18", datetime_kind(timezone="PST")) == v.parse("2020-01-18", datetime_kind())


def test_a_zoned_time_is_read_in_the_zone_of_the_dimension() -> None:
    evening = datetime(2020, 1, 17, 20, tzinfo=timezone(timedelta(hours=-8)))
    assert v.cast(evening, datetime_kind(timezone="UTC")) == v.cast("2020-01-18", datetime_kind())
    assert v.cast(evening, datetime_kind(timezone="PST")) == v.cast("2020-01-17", datetime_kind())


def test_an_hour_that_the_clock_skips_has_no_partition() -> None:
    pacific = datetime_kind("%Y-%m-%d %H", timezone="PST")
    with pytest.raises(BadValue, match=r"is not how that HOUR is written here \('2020-03-08 03'\)"):
        v.parse("2020-03-08 02", pacific)
    before = v.parse("2020-03-08 01", pacific)
    assert isinstance(before, int)
    assert v.render(v.shift(before, 1, pacific), pacific) == "2020-03-08 03"


def test_an_hour_that_the_clock_shows_twice_is_the_first() -> None:
    pacific = datetime_kind("%Y-%m-%d %H", timezone="PST")
    first = v.parse("2020-11-01 01", pacific)
    assert isinstance(first, int)
    # Both have one name, so one folder, and one value.
    second = datetime(2020, 11, 1, 9, tzinfo=UTC)
    assert v.from_datetime(second, pacific) == first
    assert v.render(v.shift(first, 1, pacific), pacific) == "2020-11-01 02"
    assert v.shift(v.shift(first, 1, pacific), -1, pacific) == first


def test_a_minute_of_the_second_hour_lies_in_the_one_hour_of_that_name() -> None:
    minutes = datetime_kind("%Y-%m-%d %H:%M", timezone="PST")
    instant = datetime(2020, 11, 1, 9, 30, tzinfo=UTC)  # 01:30, the second time
    hour = v.trunc(v.from_datetime(instant, minutes), minutes, v.HOUR)
    assert hour == v.from_datetime(datetime(2020, 11, 1, 8, tzinfo=UTC), datetime_kind("%Y-%m-%d %H"))


def test_hours_of_a_zone_of_half_an_hour() -> None:
    kolkata = datetime_kind("%Y-%m-%d %H", timezone="Asia/Kolkata")
    value = v.parse("1970-01-02 05", kolkata)
    assert value == 24 * 60 - 30
    assert v.render(v.shift(value, -1, kolkata), kolkata) == "1970-01-02 04"


@pytest.mark.parametrize(
    ("format", "text", "units", "moved"),
    [
        ("%Y-%m-%d", "2020-02-28", 2, "2020-03-01"),
        ("%Y-%m-%d", "2020-01-01", -1, "2019-12-31"),
        ("%Y-%m", "2020-03", -3, "2019-12"),
        ("%Y-%m", "2019-12", 1, "2020-01"),
        ("%Y", "2020", -20, "2000"),
        ("%Y-%m-%d %H", "2020-02-28 23", 1, "2020-02-29 00"),
        ("%Y-%m-%d %H:%M", "2019-12-31 23:59", 1, "2020-01-01 00:00"),
    ],
)
def test_shifts(format: str, text: str, units: int, moved: str) -> None:
    kind = datetime_kind(format)
    value = v.parse(text, kind)
    assert isinstance(value, int)
    assert v.render(v.shift(value, units, kind), kind) == moved
