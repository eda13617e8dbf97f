"""Section 6 of the contract, on hand-written routes: when a complete binding may fire. Both ledgers."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.values import LONG, STRING, Kind, Partition, datetime_kind, parse
from rheo_runtime.windows import Layout, Window, expand

from .tables import DAY, HOUR, MONTH, NUMBER, TEXT, Bench, Make, Ref, route, signal, table, view


def day(n: int) -> str:
    return f"2020-03-{n:02d}"


class Folder:
    """A storage that counts what it is asked."""

    def __init__(self, *partitions: tuple[str, Partition]) -> None:
        self.partitions = set(partitions)
        self.asked = 0

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        self.asked += 1
        return (signal.id, partition) in self.partitions


A = signal("A", region=TEXT, day=DAY)
DAYS = signal("days", day=DAY)
RATES = signal("rates", day=DAY)
TIP = (Ref("days", "day"),)


def checked(**options: Any) -> wire.RouteTable:
    return table(
        [A], route("node", [view(A, region="NA", day=(0, -3), mode="range_check")], signals=[A], **options)
    )


def test_a_plain_window_fires_at_once(bench: Make) -> None:
    """[:-3], events 18 then 17 -> two executions; the second has 17, 16, 15."""
    b = bench(table([DAYS], route("node", [view(DAYS, day=(0, -3))], signals=[DAYS])))
    assert b.send("days", day(18)) == [f"node/{day(18)}#1"]
    outcome = b.outcome("days", day(17))
    assert b.paths(outcome, "days") == [f"s3://lake/days/{day(n)}" for n in (17, 16, 15)]


@pytest.mark.parametrize(
    ("kind", "tip", "window", "paths"),
    [
        (DAY, "2022-06-01", (-1, -3), ["2022-05-31", "2022-05-30", "2022-05-29"]),
        (MONTH, "2020-03", (0, -3), ["2020-03", "2020-02", "2020-01"]),
        (DAY, "2020-03-18", (0, 2), ["2020-03-18", "2020-03-19"]),
        (DAY, "2020-03-18", (-1, 1), ["2020-03-17"]),
        (NUMBER, "1", (0, -3), ["1", "0", "-1"]),
        (Kind(LONG, min=0), "1", (0, -3), ["1", "0"]),
        (HOUR, "2020-03-18 00", (0, -2), ["2020-03-18 00", "2020-03-17 23"]),
        (datetime_kind(min=737502), "2020-03-18", (0, -3), ["2020-03-18"]),
        (DAY, "0001-01-01", (0, -3), ["0001-01-01"]),
    ],
)
def test_windows(kind: Kind, tip: str, window: tuple[int, int], paths: list[str]) -> None:
    of = signal("A", value=kind)
    b = Bench(table([of], route("node", [view(of, value=window)], signals=[of])))
    assert b.paths(b.outcome("A", tip), "A") == [f"s3://lake/A/{path}" for path in paths]


def test_windows_of_two_dimensions() -> None:
    rules = (wire.Rule(NUMBER, window=wire.Window(0, 2)), wire.Rule(NUMBER, window=wire.Window(0, -2)))
    assert expand((rules,), (5, 7)) == [(5, 7), (5, 6), (6, 7), (6, 6)]


@pytest.mark.parametrize("order", list(permutations((18, 17, 16))), ids=str)
def test_range_check(bench: Make, order: tuple[int, ...]) -> None:
    """["NA"][:-3].range_check(True): one execution, 18, when the last of the three has come."""
    b = bench(checked())
    fired = [b.send("A", "NA", day(n)) for n in order]
    assert fired == [[], [], [f"node/NA/{day(18)}#1"]]
    assert [w.arrived["A"] for w in b.engine.pending()] == [("NA", day(16)), ("NA", day(17))]
    assert b.send("A", "NA", day(15)) == [f"node/NA/{day(17)}#1"]
    assert b.send("A", "NA", day(14)) == [f"node/NA/{day(16)}#1"]


def test_what_waits_says_what_it_lacks(bench: Make) -> None:
    b = bench(checked())
    b.send("A", "NA", day(18))
    b.send("A", "NA", day(17))
    waiting = next(w for w in b.engine.pending() if w.arrived == {"A": ("NA", day(18))})
    assert waiting.missing == (("A", "A", f"NA/{day(16)}", "not there, and its window needs it"),)
    assert waiting.output == f"NA/{day(18)}"


def test_other_rows_do_not_count(bench: Make) -> None:
    b = bench(checked())
    for n in (16, 17):
        b.send("A", "EU", day(n))
    assert b.send("A", "NA", day(18)) == []


def test_an_event_that_no_input_takes_exists_all_the_same(bench: Make) -> None:
    """The windows of a reference need not pass any trigger's filter."""
    b = bench(
        table(
            [DAYS, RATES],
            route(
                "node",
                [view(DAYS), view(RATES, tip=TIP, day=(0, -2), mode="range_check")],
                signals=[DAYS, RATES],
            ),
        )
    )
    assert b.send("rates", day(17)) == []
    assert b.send("days", day(18)) == []
    assert b.send("rates", day(18)) == [f"node/{day(18)}#1"]
    assert b.send("rates", day(18)) == [], "a reference starts nothing"
    assert b.send("days", day(18)) == [f"node/{day(18)}#2"]


def test_a_ready_window_fires_once_for_each_arrival_of_its_tip(bench: Make) -> None:
    b = bench(checked())
    for n in (16, 17, 17, 18, 18):
        b.send("A", "NA", day(n))
    assert b.send("A", "NA", day(15)) == [f"node/NA/{day(17)}#1", f"node/NA/{day(17)}#2"]
    assert b.send("A", "NA", day(16)) == []


def test_storage_is_asked_for_what_no_event_told_of(bench: Make) -> None:
    folder = Folder(*(("A", ("NA", parse(day(n), DAY))) for n in (16, 17)))
    b = bench(checked(), folder)
    assert b.send("A", "NA", day(18)) == [f"node/NA/{day(18)}#1"]
    asked = folder.asked
    assert b.send("A", "NA", day(18)) == [f"node/NA/{day(18)}#2"]
    assert folder.asked == asked, "what exists is remembered"


def test_the_periodic_check_finds_storage(bench: Make) -> None:
    folder = Folder()
    b = bench(checked(), folder)
    b.send("A", "NA", day(16))
    assert b.send("A", "NA", day(18)) == []
    assert b.engine.tick().fired == []
    folder.partitions.add(("A", ("NA", parse(day(17), DAY))))
    assert [d["id"] for d in b.engine.tick().fired] == [f"node/NA/{day(18)}#1"]
    assert b.engine.tick().fired == []


def test_found_without_an_event_counts_from_then_on(bench: Make) -> None:
    b = bench(checked())
    b.send("A", "NA", day(18))
    for n in (16, 17):
        b.engine.exists("A", ("NA", parse(day(n), DAY)))
    assert [d["id"] for d in b.engine.tick().fired] == [f"node/NA/{day(18)}#1"]
    assert list(b.engine.ledger.watches()) == []


def nearest(window: tuple[int, int], mode: str = "nearest") -> wire.RouteTable:
    inputs = [view(DAYS), view(RATES, tip=TIP, day=window, mode=mode)]
    return table([DAYS, RATES], route("node", inputs, signals=[DAYS, RATES]))


@pytest.mark.parametrize(
    ("window", "there", "chosen"),
    [((0, -5), (14, 15, 19), 15), ((0, -5), (18,), 18), ((-2, 5), (17, 19), 17), ((-2, 5), (16, 19), 19)],
)
def test_nearest(bench: Make, window: tuple[int, int], there: tuple[int, ...], chosen: int) -> None:
    b = bench(nearest(window))
    for n in there:
        b.send("rates", day(n))
    assert b.paths(b.outcome("days", day(18)), "rates") == [f"s3://lake/rates/{day(chosen)}"]


def test_nearest_waits_for_one_and_keeps_its_choice(bench: Make) -> None:
    b = bench(nearest((0, -3)))
    b.engine.instant = False
    assert b.send("rates", day(15)) == []
    assert b.send("days", day(18)) == []
    (waiting,) = b.engine.pending()
    assert waiting.missing[0].reason == "none of the 3 partitions of the window exists"
    outcome = b.outcome("rates", day(16))
    assert b.paths(outcome, "rates") == [f"s3://lake/rates/{day(16)}"]
    b.send("rates", day(18))
    output, _ = b.engine.ledger.output("node", day(18), None)
    assert output is not None and output.active is not None
    assert output.active.document["inputs"][1]["paths"] == [f"s3://lake/rates/{day(16)}"]
    b.engine.tick()
    assert list(b.engine.ledger.watches()) == []


def test_nearest_prefers_a_closer_one_in_storage(bench: Make) -> None:
    folder = Folder(("rates", (parse(day(17), DAY),)))
    b = bench(nearest((0, -3)), folder)
    b.send("rates", day(16))
    assert b.paths(b.outcome("days", day(18)), "rates") == [f"s3://lake/rates/{day(17)}"]


def test_a_plain_reference_is_not_awaited(bench: Make) -> None:
    b = bench(nearest((0, -2), mode=""))
    outcome = b.outcome("days", day(18))
    assert b.paths(outcome, "rates") == [f"s3://lake/rates/{day(18)}", f"s3://lake/rates/{day(17)}"]
    assert outcome.fired[0]["inputs"][1]["dimensions"] == {"day": day(18)}


def test_a_reference_that_cannot_be_determined_stops_its_binding_only(bench: Make) -> None:
    n, names = signal("n", n=NUMBER), signal("names", name=TEXT)
    tip = (x.MapValues(Ref("n", "n"), ((1, "one"),)),)
    b = bench(table([n, names], route("node", [view(n), view(names, tip=tip)], signals=[n, names])))
    (rejected,) = b.outcome("n", 2).rejected
    assert rejected.reason == "'2' is not in the map"
    assert b.send("n", 1) == ["node/1#1"]


def test_a_check_without_numbers(bench: Make) -> None:
    n, names = signal("n", name=TEXT), signal("names", name=TEXT)
    inputs = [view(n), view(names, tip=(Ref("n", "name"),), mode="range_check")]
    b = bench(table([n, names], route("node", inputs, signals=[n, names])))
    assert b.send("n", "EU") == []
    assert b.send("names", "NA") == []
    assert b.send("names", "EU") == ["node/EU#1"]


def test_case_does_not_count_in_a_checked_reference(bench: Make) -> None:
    n, names = signal("n", name=TEXT), signal("names", name=Kind(STRING, insensitive=True))
    inputs = [view(n), view(names, tip=(Ref("n", "name"),), mode="range_check")]
    b = bench(table([n, names], route("node", inputs, signals=[n, names])))
    b.send("names", "EWR")
    assert b.send("n", "Ewr") == ["node/Ewr#1"]


def test_hours_in_a_zone_half_an_hour_off(bench: Make) -> None:
    kolkata = datetime_kind("%Y-%m-%d %H", timezone="Asia/Kolkata")
    a = signal("A", hour=kolkata)
    b = bench(table([a], route("node", [view(a, hour=(0, -3), mode="range_check")], signals=[a])))
    for hour in ("00", "02", "01"):
        fired = b.send("A", f"2020-03-18 {hour}")
    assert fired == ["node/2020-03-18 02#1"]


def test_a_waiting_window_expires(bench: Make) -> None:
    b = bench(checked(pending_ttl=100))
    b.send("A", "NA", day(18))
    b.time += 101
    (expired,) = b.engine.tick().expired
    assert expired.arrived == {"A": ("NA", day(18))}
    b.send("A", "NA", day(17))
    assert b.send("A", "NA", day(16)) == [], "18 came too long ago"
    assert b.send("A", "NA", day(18)) == [f"node/NA/{day(18)}#1"]


class Racing(MemoryLedger):
    """Another listener records the missing partition just before the watch is written, and finds no watch."""

    def watch(self, watch: Any) -> None:
        self.see(watch.signal, ("NA", 0), watch.partition[1])
        super().watch(watch)


def test_what_comes_while_the_watch_is_written_is_seen() -> None:
    b = Bench(checked(), Racing())
    assert b.send("A", "NA", day(18)) == [f"node/NA/{day(18)}#1"]


# --- without rescanning ------------------------------------------------------------------------


class Counting(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def seen(self, *args: Any) -> int:
        self.asked += 1
        return super().seen(*args)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_backfill_looks_at_each_window_a_few_times_only(backwards: bool) -> None:
    """200 days with windows of 30, forwards and backwards: no day costs a look at every waiting window."""
    a = signal("A", day=NUMBER)
    ledger = Counting()
    b = Bench(table([a], route("node", [view(a, day=(0, -30), mode="range_check")], signals=[a])), ledger)
    numbers = list(range(200))
    fired = [id for n in (reversed(numbers) if backwards else numbers) for id in b.send("A", n)]
    assert len(fired) == 171
    assert ledger.asked <= 200 * 6


# --- existence as bits -------------------------------------------------------------------------


@given(
    seen=st.sets(st.integers(-80, 80)),
    tip=st.integers(-80, 80),
    shift=st.integers(-5, 5),
    count=st.integers(-90, 90).filter(bool),
    low=st.none() | st.integers(-80, 80),
    step=st.sampled_from([1, 60]),
)
def test_bits_agree_with_sets(
    seen: set[int], tip: int, shift: int, count: int, low: int | None, step: int
) -> None:
    """What is missing by bits is what is missing by looking at each partition of the window."""
    kind = Kind(LONG, min=low) if step == 1 else datetime_kind("%Y-%m-%d %H", min=low and low * 60)
    rules = (wire.Rule(TEXT), wire.Rule(kind, window=wire.Window(shift, count)))
    window = Window(wire.Input("a", "s", (rules,), "range_check"), Layout("s", 1, step))
    ledger = MemoryLedger()
    for position in seen:
        ledger.see("s", ("EU", 0), position)
    wanted = expand((rules,), ("EU", tip * step))
    assert len(wanted) <= abs(count)
    gaps = [p for p in wanted if p[1] // step not in seen]  # type: ignore[operator]
    assert window.all_missing(ledger, ("EU", tip * step)) == gaps
    assert window.missing(ledger, ("EU", tip * step)) == (gaps[-1] if gaps else None), "the furthest"
    for partition in wanted[:5]:
        assert window.exists(ledger, partition) == (partition not in gaps)


@given(
    st.tuples(st.text(), st.integers(), st.integers()),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([1, 60]),
)
def test_a_place_leads_back_to_its_partition(partition: Partition, linear: int | None, step: int) -> None:
    layout = Layout("s", linear, step)
    assert layout.partition(*layout.place(partition)) == partition
