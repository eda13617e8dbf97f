"""Section 14: one input or another, what may be absent, and how many are enough."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.values import BadValue
from rheodsl import LONG, STRING, AlarmState, CWAlarm, RheoError, date_of
from rheodsl.testing import Simulator

from .helpers import below, daily, days, faulty, outputs, reasons, rejected, s3_event, send_all
from .ways import Ways

DAY = "2024-01-01"


def read(run: Any) -> dict[str, list[str]]:
    """What a run reads, by input: the last parts of the paths, none where nothing exists."""
    return {
        alias: [path.rstrip("/").rsplit("/", 1)[1] for path in input.paths]
        for alias, input in run.inputs.items()
    }


def three(app: Any) -> tuple[Any, Any, Any]:
    a, b, c = (daily(app, name) for name in "abc")
    return a, b, c


# ── alternatives ──────────────────────────────────────────────────────────────────────────────────────


def test_either_of_two_starts_a_run_and_the_other_runs_it_again(app: Any) -> None:
    """► web | shop: web 01-01 runs with web alone; shop 01-01 then runs again with both."""
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("news", inputs=[web | shop])
    sim = Simulator(app)
    [first] = sim.send(web[DAY])
    [second] = sim.send(shop[DAY])
    assert read(first) == {"web": [DAY], "shop": []}
    assert read(second) == {"web": [DAY], "shop": [DAY]}
    assert [first.id, second.id] == [f"news/{DAY}#1", f"news/{DAY}#2"]


def test_case_16_the_second_of_two_runs_alone_too(app: Any) -> None:
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("news", inputs=[web | shop])
    [run] = Simulator(app).send(shop[DAY])
    assert run.output == {"day": DAY}
    assert read(run) == {"web": [], "shop": [DAY]}


def test_alternatives_of_other_days_do_not_meet(app: Any) -> None:
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("news", inputs=[web | shop])
    sim = Simulator(app)
    [first] = sim.send(web["2024-01-01"])
    [second] = sim.send(shop["2024-01-02"])
    assert read(first) == {"web": ["2024-01-01"], "shop": []}
    assert read(second) == {"web": [], "shop": ["2024-01-02"]}


@pytest.mark.parametrize("order", list(permutations("abc")), ids="-".join)
def test_each_of_three_alternatives_runs_once_in_every_order(app: Any, order: tuple[str, ...]) -> None:
    views = dict(zip("abc", three(app), strict=True))
    app.create_data("any_of", inputs=[views["a"] | views["b"] | views["c"]])
    sim = Simulator(app)
    runs = [sim.send(views[name][DAY]) for name in order]
    assert [len(started) for started in runs] == [1, 1, 1]
    assert read(runs[-1][0]) == {"a": [DAY], "b": [DAY], "c": [DAY]}, "the last has all that came before"


@pytest.mark.parametrize("order", list(permutations("abc")), ids="-".join)
def test_a_pair_or_a_third_in_every_order(app: Any, order: tuple[str, ...]) -> None:
    a, b, c = three(app)
    app.create_data("node", inputs=[(a & b) | c])
    sim = Simulator(app)
    ran = {name: len(sim.send({"a": a, "b": b, "c": c}[name][DAY])) for name in order}
    second = max("ab", key=order.index)
    assert ran["c"] == 1, "c alone is enough"
    assert ran[second] == 1, "a and b together are enough"
    assert sum(ran.values()) == 2, "one of the pair alone is not"


def test_what_two_alternatives_read_makes_their_output_again_once(app: Any) -> None:
    """Found by trying: under "updated" each alternative that had run made it again, from the same data."""
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("node", inputs=[web | shop], retrigger="updated")
    sim = Simulator(app)
    assert [len(sim.send(signal[DAY])) for signal in (web, shop, web, shop)] == [1, 1, 1, 1]
    assert read(sim.runs[1]) == {"web": [DAY], "shop": [DAY]}
    assert [len(sim.send(shop[DAY], event_id="again")) for _ in range(2)] == [1, 0], "delivered twice"


def test_a_correction_after_a_week_was_late_is_of_the_whole_week(app: Any) -> None:
    """The first alternative that is ready makes it again, and the late one not once more."""
    signal = daily(app)
    week = signal[:-3].range_check(True)
    some = week.late(after=timedelta(hours=6)) & signal[:-3].ref.range_check(at_least=1)
    app.create_data("node", inputs=[week | some], retrigger="updated")
    sim = Simulator(app)
    sim.send(signal[DAY])
    assert [run.id for run in sim.advance(timedelta(hours=31))] == ["node/2024-01-01#1"]
    again = send_all(sim, signal["2023-12-31"], signal["2023-12-30"], signal["2023-12-31"])
    assert [(run.id, "days_late" in run.inputs, len(run.inputs["days"].paths)) for run in again] == [
        ("node/2024-01-01#2", True, 2), ("node/2024-01-01#3", False, 3), ("node/2024-01-01#4", False, 3),
    ]  # fmt: skip
    assert "node" not in {waiting.node for waiting in sim.pending() if waiting.output == DAY}


def test_a_timer_beside_data_runs_once_more_when_it_fires(app: Any) -> None:
    timer, signal = app.add_timer("timer", "cron(0 3 * * ? *)", "day"), daily(app)
    app.create_data("node", inputs=[timer | signal], retrigger="updated")
    sim = Simulator(app)
    assert [run.id for run in sim.send(signal[DAY])] == ["node/2024-01-01#1"]
    assert [run.id for run in sim.advance(timedelta(hours=4))] == ["node/2024-01-01#2"]
    assert [run.id for run in sim.send(signal[DAY])] == ["node/2024-01-01#3"]


def test_each_alternative_fires_by_its_own_arrivals(app: Any) -> None:
    a, b, c = three(app)
    app.create_data("node", inputs=[(a & b) | c])
    sim = Simulator(app)
    sent = [len(sim.send(view[DAY])) for view in (a, b, a, c, b, c)]
    assert sent == [0, 1, 0, 1, 1, 1], "the second pair is complete by its second b, c counts for itself"


@pytest.mark.parametrize("order", list(permutations("abc")), ids="-".join)
def test_either_of_two_together_with_a_third_in_every_order(app: Any, order: tuple[str, ...]) -> None:
    a, b, c = three(app)
    app.create_data("node", inputs=[a | b, c])
    sim = Simulator(app)
    runs = [run for name in order for run in sim.send({"a": a, "b": b, "c": c}[name][DAY])]
    assert len(runs) == 2, "a with c, and b with c"
    assert all(run.inputs["c"].paths for run in runs), "never without c"


def test_an_alternative_that_is_delivered_again_changes_nothing(app: Any) -> None:
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("news", inputs=[web | shop])
    sim = Simulator(app)
    assert len(sim.send(web[DAY], event_id="1")) == 1
    assert sim.send(web[DAY], event_id="1") == []
    assert len(sim.send(shop[DAY], event_id="2")) == 1
    assert sim.send(web[DAY], event_id="1") == []
    assert len(sim.send(web[DAY], event_id="3")) == 1


def test_a_checked_window_is_an_alternative(app: Any) -> None:
    a, b, _ = three(app)
    app.create_data("node", inputs=[a[:-2].range_check(True) | b])
    sim = Simulator(app)
    assert sim.send(a["2024-01-02"]) == []
    [run] = sim.send(b["2024-01-02"])
    assert read(run) == {"a": ["2024-01-02"], "b": ["2024-01-02"]}, "what exists of the window is read"
    [again] = sim.send(a["2024-01-01"])
    assert read(again)["a"] == ["2024-01-02", "2024-01-01"]


def test_a_name_that_stands_in_both_is_the_one_that_fired(app: Any) -> None:
    new, old = daily(app, "new"), daily(app, "old")
    app.create_data("orders", inputs=[new.alias("source") | old.alias("source")])
    sim = Simulator(app)
    [first] = sim.send(old[DAY])
    [second] = sim.send(new[DAY])
    assert first.inputs["source"].paths == [f"s3://lake/old/{DAY}"]
    assert second.inputs["source"].paths == [f"s3://lake/new/{DAY}"]


def test_a_reference_beside_alternatives(app: Any) -> None:
    a, b, c = three(app)
    app.create_data("node", inputs=[a | b, c.ref])
    [run] = Simulator(app).send(b[DAY])
    assert read(run) == {"a": [], "b": [DAY], "c": [DAY]}, "a plain reference is named, there or not"


def test_rollups_are_alternatives(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    whole = daily(app, "whole")
    app.create_data("world", inputs=[orders.rollup(region=["NA", "EU"]) | whole])
    sim = Simulator(app)
    assert sim.send(orders["NA"][DAY]) == []
    assert outputs(sim.send(whole[DAY])) == [(DAY,)]
    assert outputs(sim.send(orders["EU"][DAY])) == [(DAY,)]


def test_nodes_are_alternatives(app: Any) -> None:
    a, b, _ = three(app)
    left, right = app.create_data("left", inputs=[a]), app.create_data("right", inputs=[b])
    app.create_data("last", inputs=[left | right])
    sim = Simulator(app)
    assert outputs(sim.send(a[DAY]), "last") == [(DAY,)]
    assert outputs(sim.send(b[DAY]), "last") == [(DAY,)]


def test_alternatives_that_determine_other_outputs_are_a_fault(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    whole = daily(app, "whole")
    with faulty("region"):
        app.create_data("node", inputs=[orders | whole])
        app.graph()


def test_alternatives_without_a_trigger_are_a_fault(app: Any) -> None:
    a, b, _ = three(app)
    with faulty("b"):
        app.create_data("node", inputs=[a | b.ref])
        app.graph()


@pytest.mark.parametrize(
    "use",
    [
        lambda a, b, c: (a | b)[:-3],
        lambda a, b, c: (a | b).ref,
        lambda a, b, c: (a | b).day == c.day,
        lambda a, b, c: (a | b).range_check(True),
        lambda a, b, c: a | 3,
        lambda a, b, c: a | "b",
        lambda a, b, c: a & None,
        lambda a, b, c: (a | b) and c,
    ],
    ids=["window", "reference", "dimension", "check", "number", "text", "nothing", "and"],
)
def test_an_alternative_outside_of_inputs_is_an_error_with_a_hint(app: Any, use: Any) -> None:
    with pytest.raises(RheoError) as told:
        use(*three(app))
    assert told.value.hint, str(told.value)


def test_an_alternative_is_no_event(app: Any) -> None:
    a, b, _ = three(app)
    app.create_data("node", inputs=[a | b])
    with pytest.raises(RheoError):
        Simulator(app).send(a[DAY] | b[DAY])


# ── optional ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_optional_reference_has_no_paths_where_it_is_absent(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates.optional()])
    sim = Simulator(app)
    [without] = sim.send(orders["2024-01-01"])
    assert sim.send(rates["2024-01-02"]) == [], "it starts nothing"
    [with_it] = sim.send(orders["2024-01-02"])
    assert read(without) == {"orders": ["2024-01-01"], "rates": []}
    assert read(with_it) == {"orders": ["2024-01-02"], "rates": ["2024-01-02"]}


def test_an_optional_window_reads_what_exists(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates[:-3].optional()])
    sim = Simulator(app)
    send_all(sim, rates["2024-01-01"], rates["2024-01-03"])
    [run] = sim.send(orders["2024-01-03"])
    assert read(run)["rates"] == ["2024-01-03", "2024-01-01"]


def test_an_optional_rollup(app: Any) -> None:
    close, signal = app.s3("close", "s3://lake/close/{day:%Y-%m}"), daily(app)
    app.create_data("closing", inputs=[close, signal.rollup(day="month").optional()])
    sim = Simulator(app)
    send_all(sim, signal["2024-02-01"], signal["2024-02-10"])
    assert below(sim.send(close["2024-01"])[0], "days", "days") == []
    assert below(sim.send(close["2024-02"])[0], "days", "days") == ["2024-02-01", "2024-02-10"]


def test_an_optional_alone_starts_nothing(app: Any) -> None:
    with faulty("nothing ever starts it"):
        app.create_data("priced", inputs=[daily(app, "rates").optional()])
        app.graph()


@pytest.mark.parametrize("written", [lambda v: v.nearest().optional(), lambda v: v.optional().nearest()])
def test_the_nearest_may_be_absent(app: Any, written: Callable[[Any], Any]) -> None:
    """Found by trying: by hand it was asked for, it was told as what a node waits for, and one order was an error."""
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("node", inputs=[orders, written(rates[:-3])])
    app.create_data("two", inputs=[orders[:-2].range_check(True), written(rates[:-3])])
    ways = Ways(app)
    [run] = ways.take(orders["2024-01-05"])
    assert read(run) == {"orders": ["2024-01-05"], "rates": []}
    [waiting] = ways.sim.pending("two")
    assert [each.alias for each in waiting.missing] == ["orders"]
    ways.take(rates["2024-01-04"])
    assert read(ways.take(orders["2024-01-06"])[0])["rates"] == ["2024-01-04"]


def test_an_alternative_of_the_nearest_is_no_condition_of_another(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("node", inputs=[orders | rates[:-3].nearest()])
    [run] = Ways(app).take(orders[DAY])
    assert read(run) == {"orders": [DAY], "rates": []}


# ── at least ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", list(permutations([16, 17, 18])), ids=str)
def test_enough_partitions_of_a_window_run_it_in_every_order(app: Any, order: tuple[int, ...]) -> None:
    signal = daily(app)
    app.create_data("node", inputs=[signal[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    runs = send_all(sim, *(signal[f"2024-01-{day}"] for day in order))
    assert sorted(outputs(runs)) == [("2024-01-17",), ("2024-01-18",)], "16 has nothing before it"


def test_enough_partitions_read_those_that_exist(app: Any) -> None:
    signal = daily(app)
    app.create_data("node", inputs=[signal[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    assert sim.send(signal["2024-01-16"]) == []
    [run] = sim.send(signal["2024-01-18"])
    assert read(run) == {"days": ["2024-01-18", "2024-01-16"]}
    assert outputs(sim.send(signal["2024-01-17"])) == [("2024-01-17",)], "18 has run and does not run again"


def test_the_tip_of_a_trigger_is_one_of_them(app: Any) -> None:
    signal = daily(app)
    app.create_data("node", inputs=[signal[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    assert send_all(sim, signal["2024-01-16"], signal["2024-01-17"]) != []
    assert outputs(sim.runs) == [("2024-01-17",)], "18 has two before it, but has not come"


def test_enough_partitions_of_a_reference(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("node", inputs=[orders, rates[:-3].ref.range_check(at_least=2)])
    sim = Simulator(app)
    sim.send(rates["2024-01-16"])
    assert sim.send(orders["2024-01-18"]) == []
    [run] = sim.send(rates["2024-01-17"])
    assert read(run)["rates"] == ["2024-01-17", "2024-01-16"], "the tip of a reference need not be there"


def test_what_enough_waits_for_is_told(app: Any) -> None:
    signal = daily(app)
    app.create_data("node", inputs=[signal[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    sim.send(signal["2024-01-18"])
    [waiting] = sim.pending("node")
    assert waiting.output == "2024-01-18"
    assert waiting.missing, "it says what it waits for"


@pytest.mark.parametrize("n", [0, -1, 4, "2", 1.5, True])
def test_a_number_that_a_window_cannot_have_is_an_error(app: Any, n: Any) -> None:
    with rejected("at_least"):
        daily(app)[:-3].range_check(at_least=n)


def test_enough_of_a_window_of_months_are_whole_months(app: Any) -> None:
    """Found by trying: members were counted, so two days were two months, and a month was read in part."""
    signal = daily(app)
    app.create_data("node", inputs=[signal.rollup(day="month")[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    assert send_all(sim, *(signal[day] for day in days("2023-12-30", 2 + 31))) == []
    [waiting] = [each for each in sim.pending("node") if each.output == "2024-01"]
    assert len(waiting.missing) == 30 + 29
    assert waiting.missing[0].reason == "not there, and its window needs 2 that are whole"
    [run] = send_all(sim, *(signal[day] for day in days("2024-02-01", 29)))
    assert read(run) == {"days": days("2024-01-01", 31 + 29)}, "of December two days do not make a month"


def test_enough_of_a_window_of_what_need_not_be_whole(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    some = orders.rollup(region=["EU", "NA"], complete=False)
    app.create_data("node", inputs=[some[:-3].range_check(at_least=2)])
    sim = Simulator(app)
    assert send_all(sim, orders["EU"]["2024-01-01"], orders["NA"]["2024-01-01"]) == [], "one day"
    [run] = sim.send(orders["NA"]["2024-01-03"])
    assert below(run, "orders", "orders") == ["EU/2024-01-01", "NA/2024-01-01", "NA/2024-01-03"]


def test_all_there_is_at_the_beginning_is_enough(app: Any) -> None:
    """Found by trying: a window that `min` cuts short never had enough, and what lacked was not told."""
    signal = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-01"}})
    app.create_data("node", inputs=[signal[:-7].range_check(at_least=3)])
    sim = Simulator(app)
    runs = send_all(sim, *(signal[f"2024-01-0{n}"] for n in (1, 2, 5, 4)))
    assert outputs(runs) == [("2024-01-01",), ("2024-01-02",), ("2024-01-05",), ("2024-01-04",)]
    sim = Simulator(app)
    assert sim.send(signal["2024-01-02"]) == []
    [waiting] = sim.pending("node")
    assert [(each.what, each.reason) for each in waiting.missing] == [
        ("2024-01-01", "not there, and its window needs 2 that are")
    ]


def test_at_least_needs_a_window(app: Any) -> None:
    with rejected("at_least"):
        daily(app).range_check(at_least=2)


# ── weeks that may be incomplete ──────────────────────────────────────────────────────────────────────


def test_a_week_at_once_or_six_hours_late_with_those_that_are(app: Any) -> None:
    """► Seven days at once, or six hours later with the five or six that are; when the others come, once more."""
    orders = daily(app, "orders")
    week = orders[:-7].range_check(True)
    late = week.late(after=timedelta(hours=6)) & orders[:-7].ref.range_check(at_least=5)
    app.create_data("weekly", inputs=[week | late])
    sim = Simulator(app)
    ran: dict[str, list[int]] = {}

    def note(runs: list[Any]) -> None:
        for run in runs:
            ran.setdefault(run.output["day"], []).append(len(run.inputs["orders"].paths))

    for day in days("2024-01-01", 16):  # each day arrives at its end, but for one that is lost
        note(sim.advance(timedelta(days=1)))
        if day != "2024-01-10":
            note(sim.send(orders[day]))
    assert ran["2024-01-09"] == [7], "all seven were there at once"
    assert ran["2024-01-14"] == [6], "six hours late, with six"
    assert "2024-01-04" not in ran, "four are not enough"
    note(sim.send(orders["2024-01-10"]))
    assert ran["2024-01-14"] == [6, 7], "the lost day comes: once more, with all"
    assert ran["2024-01-09"] == [7], "nothing of it was missing"


# ── partners that cannot exist ────────────────────────────────────────────────────────────────────────


def test_an_hour_that_no_day_can_be_linked_with_does_not_wait(app: Any) -> None:
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}")
    close = daily(app, "close")
    app.create_data("node", inputs=[hours, close], input_dim_links=[hours.hour == close.day.at("hour") + 23])
    sim = Simulator(app)
    assert sim.send(hours["2024-01-01-07"]) == []
    assert sim.pending() == [], "nothing can ever come for hour 7"
    assert reasons(sim), "it is told as without effect"
    sim.send(close["2024-01-01"])
    assert len(sim.send(hours["2024-01-01-23"])) == 1


def test_a_value_that_a_map_lacks_does_not_wait(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region_id:int}")
    ships = app.s3("ships", "s3://lake/ships/{region}")
    link = orders.region_id.map({1: "NA", 2: "EU"}) == ships.region
    app.create_data("node", inputs=[orders, ships], input_dim_links=[link])
    sim = Simulator(app)
    assert send_all(sim, orders[3], ships["FE"]) == []
    assert sim.pending() == [], "3 has no name, and no number is FE"
    sim.send(ships["NA"])
    assert len(sim.send(orders[1])) == 1


def test_a_value_beyond_the_filter_of_the_other_side_does_not_wait(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    app.create_data("node", inputs=[orders, ships["NA"]])
    sim = Simulator(app)
    assert sim.send(orders["EU"][DAY]) == []
    assert sim.pending() == [], "no EU of ships can come"
    sim.send(orders["NA"][DAY])
    assert len(sim.pending()) == 1
    assert len(sim.send(ships["NA"][DAY])) == 1


LINKED: dict[str, tuple[str, str, Callable[[Any, Any], Any], list[str], list[str]]] = {
    # what a is, what b is, their link, values of a that no b can have, and those of a that some b has, with it
    "a date of numbers": (
        "{x:%Y-%m-%d}", "{y:int}/{m:int}", lambda a, b: a.x == date_of(b.y, b.m, 1), ["2024-02-02"],
        ["2024-02-01"],
    ),
    "a text of a date": (
        "{x}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.fmt("%Y%m%d"), ["hello", "20240230", "2024-01-01"],
        ["20240229"],
    ),
    "upper case": ("{x}", "{x}", lambda a, b: a.x == b.x.upper(), ["eu", "Eu"], ["EU", "7"]),
    "lower case": ("{x}", "{x}", lambda a, b: a.x == b.x.lower(), ["EU"], ["eu"]),
    "zeros before a text": ("{x}", "{x}", lambda a, b: a.x == b.x.zfill(4), ["7"], ["0007", "00007", "abcd"]),
    "zeros before a number": ("{x}", "{x:int}", lambda a, b: a.x == b.x.zfill(4), ["7", "abcd", "00007"], ["0007"]),
    "a number as text": ("{x}", "{x:int}", lambda a, b: a.x == b.x.cast(STRING), ["x", "007"], ["7", "-7"]),
    "a text as number": ("{x:int}", "{x}", lambda a, b: a.x == b.x.cast(LONG), [], ["7", "-7"]),
    "a date of a text": (
        "{x:%Y-%m-%d}", "{x}", lambda a, b: a.x == b.x.parse("%d.%m.%Y"), [], ["2024-02-29"],
    ),
    "a month": ("{x:int}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.month, ["13", "0"], ["12", "1"]),
    "a year": ("{x:int}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.year, ["0", "10000"], ["2024"]),
    "a day of a month": ("{x:int}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.day_of_month, ["32"], ["31"]),
    "a month back": (
        "{x:%Y-%m-%d}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.shift(months=-1), ["2024-01-31", "2024-01-30"],
        ["2024-01-29", "2024-02-29", "2024-04-30"],
    ),
    "a month and a day on": (
        "{x:%Y-%m-%d}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.shift(months=1, days=1), ["2024-04-01"],
        ["2024-03-01", "2024-05-01"],
    ),
    "a year back": (
        "{x:%Y-%m-%d}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.shift(years=-1), ["2024-02-29"], ["2023-02-28"],
    ),
    "a month of days": (
        "{x:%Y-%m}", "{x:%Y-%m-%d}", lambda a, b: a.x == b.x.trunc("month"), ["2019-12"], ["2020-01", "2024-02"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", list(LINKED))
def test_a_value_that_no_operator_gives_does_not_wait(app: Any, name: str, turned: bool) -> None:
    of_a, of_b, link, never, some = LINKED[name]
    days = {"x": {"min": "2020-01-15"}} if name == "a month of days" else {}
    a = app.s3("a", f"s3://lake/a/{of_a}")
    b = app.s3("b", f"s3://lake/b/{of_b}", dimensions=days)
    app.create_data("node", [b, a] if turned else [a, b], input_dim_links=[link(a, b)], latest_wins=True)
    sim = Simulator(app)
    for value in never:
        assert sim.send(s3_event("lake", f"a/{value}/_SUCCESS")) == []
    assert sim.pending() == [] and reasons(sim).count("no partition of b can be linked") == len(never)
    for value in some:
        sim.send(s3_event("lake", f"a/{value}/_SUCCESS"))
    assert len(sim.pending()) == len(some), "each of them may come yet"


SOME: dict[str, list[str]] = {
    "{x}": ["EU", "eu", "7", "0007", "-7", "29.02.2024", "straße"],
    "{x:int}": ["0", "7", "-7", "12345"],
    "{y:int}/{m:int}": ["2024/2", "1999/12"],
    "{x:%Y-%m-%d}": [str(date(2023, 12, 25) + timedelta(days=n)) for n in range(100)],
}


@pytest.mark.parametrize("name", list(LINKED))
def test_what_an_operator_gives_waits(app: Any, name: str) -> None:
    of_a, of_b, link, _, _ = LINKED[name]
    a, b = app.s3("a", f"s3://lake/a/{of_a}"), app.s3("b", f"s3://lake/b/{of_b}")
    app.create_data("node", [a, b], input_dim_links=[link(a, b)], latest_wins=True)
    engine = Engine(route_table(app.graph()))
    join = engine.program.nodes["node"].join
    assert join.partners[0] is not None or name in ("a text as number", "a month of days")
    for text in SOME[of_b]:
        outcome = engine.on_event(s3_event("lake", f"b/{text}/_SUCCESS"))
        try:
            values = join.values[1](outcome.matches[0].partition)
        except BadValue:
            continue  # there is none
        assert join.partners[0] is None or join.partners[0](values) is None, text


def test_what_the_link_of_a_reference_leaves_out_is_told(app: Any) -> None:
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}")
    close = daily(app, "close")
    link = hours.hour == close.day.at("hour") + 23
    app.create_data("node", inputs=[hours, close.ref], input_dim_links=[link])
    sim = Simulator(app)
    assert sim.send(hours["2024-01-01-07"]) == []
    assert sim.pending() == []
    assert "node: its links leave out hours 2024-01-01-07: nothing can be linked with it" in reasons(sim)
    assert "its links leave out hours 2024-01-01-07" in str(sim.explain("node", ["2024-01-01-07"]))
    assert len(sim.send(hours["2024-01-01-23"])) == 1


def test_what_a_fixed_reference_leaves_out_is_told(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    rates = app.s3("rates", "s3://lake/rates/{region}/{day:%Y-%m-%d}")
    app.create_data("us", inputs=[orders, rates["US"].ref])
    sim = Simulator(app)
    assert sim.send(orders["EU"][DAY]) == []
    assert f"us: its links leave out orders EU/{DAY}" in reasons(sim)
    assert f"its links leave out orders EU/{DAY}" in str(sim.explain("us", ["EU", DAY]))


def test_what_another_node_takes_is_not_told_as_without_effect(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    rates = app.s3("rates", "s3://lake/rates/{region}/{day:%Y-%m-%d}")
    app.create_data("us", inputs=[orders, rates["US"].ref])
    app.create_data("eu", inputs=[orders, rates["EU"].ref])
    sim = Simulator(app)
    assert [run.node for run in sim.send(orders["EU"][DAY])] == ["eu"]
    assert reasons(sim) == ""
    assert f"its links leave out orders EU/{DAY}" in str(sim.explain("us", ["EU", DAY]))


# ── alarms ────────────────────────────────────────────────────────────────────────────────────────────


def two_alarms(app: Any) -> tuple[Any, Any]:
    a, b = (app.marshal_external_alarm(CWAlarm(name=f"alarm {name}"), name) for name in "ab")
    return a, b


@pytest.mark.parametrize("minutes", [5, 0, 600])
def test_alarms_have_no_default_link_on_state_and_time(app: Any, minutes: int) -> None:
    """► a["ALARM"] at 00:00 and b["OK"] at 00:05, two inputs: one run."""
    a, b = two_alarms(app)
    app.create_data("node", inputs=[a["ALARM"], b["OK"]])
    sim = Simulator(app)
    at = datetime(2024, 5, 1)
    assert sim.send(a[AlarmState.ALARM][at]) == []
    assert len(sim.send(b[AlarmState.OK][at + timedelta(minutes=minutes)])) == 1


def test_alarms_are_alternatives(app: Any) -> None:
    a, b = two_alarms(app)
    app.create_data("node", inputs=[a["ALARM"] | b["ALARM"]], output_dimension_spec={}, latest_wins=True)
    sim = Simulator(app)
    at = datetime(2024, 5, 1)
    assert len(sim.send(a["ALARM"][at])) == 1
    assert len(sim.send(b["ALARM"][at + timedelta(minutes=1)])) == 1
    assert sim.send(b["OK"][at + timedelta(minutes=2)]) == []


def test_data_or_an_alarm(app: Any) -> None:
    a, _ = two_alarms(app)
    table = app.s3("table", "s3://lake/table")
    app.create_data("node", inputs=[table | a["ALARM"]], output_dimension_spec={}, latest_wins=True)
    sim = Simulator(app)
    assert len(sim.send(table)) == 1
    assert len(sim.send(a["ALARM"][datetime(2024, 5, 1)])) == 1
