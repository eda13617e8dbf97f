"""By hand and in words: what a run that is asked for needs and reads, and what is told of it, has the values of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codegen.sensors import waits_of
from rheo_airflow.tasks.python_compute import inputs
from rheo_airflow.tasks.run_request import by_params, by_time, read_program
from rheo_runtime.program import Program
from rheodsl import DATETIME, STRING, S3Dataset, output
from rheodsl.testing import Simulator
from rheodsl.testing.simulator import compiled

from .helpers import Keys, below, daily, days, faulty, outputs, s3_event, send_all
from .ways import Ways

HOUR = timedelta(hours=1)


def regions(app: Any, id: str = "orders") -> Any:
    return app.s3(id, f"s3://lake/{id}/{{region}}/{{day:%Y-%m-%d}}")


def zoned(app: Any) -> Any:
    """Hours of two regions, each by its own clock."""
    spec = {"region": {"type": STRING, "hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"}}}
    zones = {"NA": "America/Los_Angeles", "EU": "Europe/Berlin"}
    filter = {name: {"*": {"timezone": zone}} for name, zone in zones.items()}
    return app.marshal_external_data(S3Dataset(None, "lake", "visits"), "visits", spec, filter)


def asked(app: Any, *steps: Any) -> Ways:
    """An application of which something has come."""
    ways = Ways(app)
    for step in steps:
        ways.take(step)
    return ways


def plan(app: Any, view: Any, **how: Any) -> tuple[list[str], list[str]]:
    """What `execute` would make, and what it lacks."""
    found = app.execute(view, dry_run=True, **how)
    return [str(step) for step in found.steps], [f"{gap.signal} {gap.partition}" for gap in found.gaps]


# ── what is needed ────────────────────────────────────────────────────────────────────────────────────


def test_a_rollup_needs_all_its_members(app: Any) -> None:
    orders = regions(app)
    app.create_data("world", inputs=[orders.rollup(region=["EU", "NA"])])
    asked(app, orders["NA"]["2024-01-01"])
    assert plan(app, app["world"]["2024-01-01"]) == ([], ["orders EU/2024-01-01"])


def test_all_members_of_a_rollup_are_made_first(app: Any) -> None:
    orders = regions(app)
    daily = app.create_data("daily", inputs=[orders])
    app.create_data("world", inputs=[daily.rollup(region=["EU", "NA"])])
    ways = Ways(app)
    for region in ("EU", "NA"):
        ways.sim._written["orders", orders[region]["2024-01-01"].tip()] = (1, "")
    steps = app.execute(app["world"]["2024-01-01"], dry_run=True, recursive=True).steps
    assert [str(step) for step in steps] == ["daily EU/2024-01-01", "daily NA/2024-01-01", "world 2024-01-01"]
    assert steps[-1].tips == steps[-1].after == (("daily", "EU/2024-01-01"), ("daily", "NA/2024-01-01"))


def test_of_a_windowed_rollup_the_tip_s_members_are_needed(app: Any) -> None:
    days_ = daily(app)
    app.create_data("two", inputs=[days_.rollup(day="week")[:-2]])
    asked(app, *(days_[day] for day in days("2024-01-08", 7)))
    assert plan(app, app["two"]["2024-W02"]) == (["two 2024-W02"], [])
    assert len(plan(app, app["two"]["2024-W01"])[1]) == 7


def test_enough_of_a_window_and_its_tip_are_needed(app: Any) -> None:
    days_ = daily(app)
    app.create_data("node", inputs=[days_[:-4].range_check(at_least=2)])
    ways = asked(app, days_["2024-01-01"])
    assert plan(app, app["node"]["2024-01-01"]) == (
        [],
        ["days 2023-12-31", "days 2023-12-30", "days 2023-12-29"],
    )
    ways.take(days_["2024-01-02"])
    assert plan(app, app["node"]["2024-01-02"]) == (["node 2024-01-02"], [])
    assert plan(app, app["node"]["2024-01-03"]) == ([], ["days 2024-01-03"])


def test_of_a_rollup_that_runs_without_all_something_is_needed(app: Any) -> None:
    orders = regions(app)
    app.create_data("world", inputs=[orders.rollup(region=["EU", "NA"], complete=False)])
    asked(app)
    assert plan(app, app["world"]["2024-01-01"])[1] == ["orders EU/2024-01-01", "orders NA/2024-01-01"]


def test_where_arrivals_alone_tell_the_members_those_are_read(app: Any) -> None:
    orders = regions(app)
    app.create_data("world", inputs=[orders.rollup("region", complete=False)])
    asked(app, orders["NA"]["2024-01-01"], orders["EU"]["2024-01-01"])
    [step] = app.execute(app["world"]["2024-01-01"], dry_run=True).steps
    assert [path[-13:] for path in step.draft.document(1)["inputs"][0]["paths"]] == [
        "EU/2024-01-01",
        "NA/2024-01-01",
    ]
    [gap] = app.execute(app["world"]["2024-01-02"], dry_run=True).gaps
    assert "nothing is there that has come of orders" in gap.why


def test_the_alternative_whose_rollup_is_whole_is_used(app: Any) -> None:
    orders = regions(app)
    world = orders.rollup(region=["EU", "NA"])
    app.create_data("world", inputs=[world | world.late(after=6 * HOUR)])
    ways = asked(app, orders["NA"]["2024-01-01"])
    [step] = app.execute(app["world"]["2024-01-01"], dry_run=True).steps
    assert step.draft.document(1)["alternative"] == 1
    draft = by_params(ways.program, "world", {"day": "2024-01-01"}, None, ways.there)
    assert draft.document(1)["alternative"] == 1


def test_a_path_in_other_case_is_read_as_its_event_spelled_it(app: Any) -> None:
    spec = {"region": {"type": STRING, "insensitive": True}}
    data = app.marshal_external_data(S3Dataset(None, "lake", "data"), "data", spec)
    app.create_data("node", inputs=[data])
    ways = asked(app, s3_event("lake", "data/Na/_SUCCESS"))
    draft = by_params(ways.program, "node", {"region": "NA"}, None, ways.there, ways.sim._engine.ledger)
    assert draft.document(1)["inputs"][0]["paths"] == ["s3://lake/data/Na"]


def test_what_is_made_again_by_a_reference_keeps_the_escapes_of_its_key(app: Any) -> None:
    data = app.s3("data", "s3://lake/data/at={at:%Y-%m-%d %H:%M}")
    rates = app.s3("rates", "s3://lake/rates")
    app.create_data("node", inputs=[data, rates.ref], retrigger="updated")
    runs = Keys(Simulator(app), "data").put("at=2024-01-01 05%3A00/_SUCCESS")
    assert [below(run, "data", "data") for run in runs] == [["at=2024-01-01 05%3A00"]]


@pytest.mark.parametrize(
    ("template", "key", "params"),
    [
        ("at={at:%Y-%m-%d %H:%M}", "at=2024-01-01 05%3A00", {"at": "2024-01-01 05:00"}),
        ("r={r}", "r=a%3Ab", {"r": "a:b"}),
    ],
)
def test_what_is_asked_for_by_hand_keeps_the_escapes_of_its_key(
    app: Any, template: str, key: str, params: Any
) -> None:
    app.create_data("node", inputs=[app.s3("data", f"s3://lake/data/{template}")])
    ways = asked(app, s3_event("lake", f"data/{key}/_SUCCESS"))
    draft = by_params(ways.program, "node", params, None, ways.there, ways.sim._engine.ledger)
    assert draft.document(1)["inputs"][0]["paths"] == [f"s3://lake/data/{key}"]


def test_a_rollup_that_is_asked_for_by_hand_keeps_the_escapes_of_its_keys(app: Any) -> None:
    spec = {"h": {"granularity": "HOUR"}}
    data = app.s3("data", "s3://lake/data/h={h:%Y-%m-%d %H:%M:%S}", dimensions=spec)
    app.create_data("daily", inputs=[data.rollup(h="day")])
    keys = [f"h=2024-01-01 {hour:02}%3A00%3A00" for hour in range(24)]
    ways = asked(app, *[s3_event("lake", f"data/{key}/_SUCCESS") for key in keys])
    draft = by_params(ways.program, "daily", {"h": "2024-01-01"}, None, ways.there, ways.sim._engine.ledger)
    assert draft.document(1)["inputs"][0]["paths"] == [f"s3://lake/data/{key}" for key in keys]


# ── the branch of a partition ─────────────────────────────────────────────────────────────────────────


def test_what_waits_is_told_in_the_zone_of_its_region(app: Any) -> None:
    visits, days_ = zoned(app), regions(app, "days")
    app.create_data(
        "node",
        inputs=[visits, days_],
        input_dim_links=[days_.day == visits.hour.trunc("day"), days_.region == visits.region],
    )
    ways = asked(app, visits["EU"]["2024-07-01-03"], visits["NA"]["2024-07-01-03"])
    assert {m.what for waiting in ways.sim.pending() for m in waiting.missing} == {
        "EU/2024-07-01",  # in Los Angeles it is still the day before
        "NA/2024-07-01",
    }
    [run] = ways.take(days_["EU"]["2024-07-01"])
    assert run.output == {"region": "EU", "hour": "2024-07-01-01"}


def test_a_backfill_finds_texts_in_the_zone_of_each_region(app: Any) -> None:
    visits = zoned(app)
    spec = {"region": {"type": STRING, "stamp": {"type": STRING}}}
    stamp = visits.hour.fmt("%Y%m%d-%H")
    app.create_data("node", [visits], output_dimension_spec=spec, output_dim_links=[output.stamp == stamp])
    asked(app, visits["EU"]["2024-07-01-03"])
    found = app.backfill(app["node"], dims={"region": "EU"}, again=True, dry_run=True)
    assert [step.partition for step in found.steps] == ["EU/20240701-03"]


def test_a_reference_of_several_zones_is_not_read_in_the_first(app: Any) -> None:
    visits, texts = zoned(app), app.s3("texts", "s3://lake/texts/{region}/{stamp}")
    links = [texts.stamp == visits.hour.fmt("%Y%m%d-%H"), texts.region == visits.region]
    with faulty("another time zone or spelling in each branch", hint="link it to a trigger"):
        app.create_data("node", inputs=[texts, visits.ref], input_dim_links=links)
        app.graph()


@pytest.mark.parametrize(
    "link",
    [
        lambda data, clicks: clicks.hour == data.day.at("hour") + 3,
        lambda data, clicks: clicks.hour == data("day").at("hour").trunc("hour"),
        lambda data, clicks: (clicks("hour"), lambda day, n: day + timedelta(hours=n), data("day", "n")),
    ],
    ids=["shift", "operators", "function"],
)
def test_hours_that_are_made_of_a_day_say_whose_day_it_is(app: Any, link: Any) -> None:
    data = app.s3("data", "s3://lake/data/{day:%Y-%m-%d}/{n:int}")
    zone = {"hour": {"timezone": "America/New_York"}}
    clicks = app.s3("clicks", "s3://lake/clicks/{hour:%Y-%m-%d-%H}", dimensions=zone)
    with faulty("is in no zone, and is compared with hours in America/New_York", hint="say whose day it is"):
        app.create_data("node", [data, clicks.ref], [link(data, clicks)])
        app.graph()


# ── outputs that are no partitions ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("domain", "day", "why"),
    [
        (
            {"calendar": "MON-FRI"},
            "2024-03-30",
            "not in the calendar; the nearest are 2024-03-29 and 2024-04-01",
        ),
        ({"min": "2024-04-01"}, "2024-03-29", "below the minimum"),
        ({"step": 7, "min": "2024-03-29"}, "2024-04-01", "the nearest are 2024-03-29 and 2024-04-05"),
    ],
    ids=["calendar", "min", "step"],
)
def test_what_the_output_s_own_days_leave_out_is_not_made(app: Any, domain: Any, day: str, why: str) -> None:
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", **domain}}
    days_ = daily(app)
    app.create_data("node", inputs=[days_], output_dimension_spec=spec)
    app.create_data("reader", inputs=[app["node"]])
    sim = Simulator(app)
    assert sim.send(days_[day]) == []
    [refused] = sim.rejected
    assert (refused.signal, refused.node) == ("days", "node")
    assert why in refused.reason
    assert sim.pending() == []


def test_a_timer_that_fires_on_a_day_off_makes_nothing(app: Any, tmp_path: Any) -> None:
    timer = app.add_timer("nightly", "cron(0 3 * * ? *)", "day")
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", "calendar": "MON-FRI"}}
    app.create_data("node", inputs=[timer], output_dimension_spec=spec)
    (tmp_path / "routes.json").write_text(compiled(app).dumps())
    program = read_program(tmp_path)
    assert by_time(program, "node", datetime(2024, 3, 30, 3, tzinfo=UTC)) is None
    friday = by_time(program, "node", datetime(2024, 3, 29, 3, tzinfo=UTC))
    assert friday is not None and friday.document(1)["partition"] == "2024-03-29"
    sim = Simulator(app, now=datetime(2024, 3, 29, tzinfo=UTC))
    assert outputs(sim.advance(timedelta(days=4))) == [("2024-03-29",), ("2024-04-01",)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            lambda orders: orders.n.map({1: "a", 2: "b/c"}),
            "'b/c': 'b/c' is no STRING value: it holds a slash",
        ),
        (lambda orders: orders.n.map({1: ".."}), "'..' is no STRING value"),
        (lambda orders: orders.day.fmt("%Y/%m"), "'%Y/%m', which holds a slash"),
    ],
    ids=["slash", "dots", "date"],
)
def test_a_text_that_is_no_folder_is_no_output(app: Any, value: Any, said: str) -> None:
    orders = app.s3("orders", "s3://lake/orders/{n:int}/{day:%Y-%m-%d}")
    spec = {"name": {"type": STRING, "day": {"type": DATETIME, "format": "%Y-%m-%d"}}}
    with faulty("output.name would be", said, hint="the name of one folder"):
        app.create_data(
            "node", [orders], output_dimension_spec=spec, output_dim_links=[output.name == value(orders)]
        )
        app.graph()


# ── in words ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_month_to_date_is_explained_by_the_days_that_came(app: Any) -> None:
    days_ = daily(app)
    app.create_data("mtd", inputs=[days_.rollup(day="month", complete=False)])
    sim = Simulator(app)
    send_all(sim, days_["2024-02-01"], days_["2024-02-03"])
    found = sim.explain("mtd", ["2024-02"])
    assert [(need.partition, len(need.events)) for need in found.needs] == [
        ("2024-02-01", 1),
        ("2024-02-03", 1),
    ]
    assert len(sim.explain("mtd", ["2024-03"]).needs) == 31, "any of them would do"


def test_regions_that_go_are_explained_by_those_that_came(app: Any) -> None:
    orders = regions(app)
    app.create_data("world", inputs=[orders.rollup(region=["EU", "NA"], complete=False)])
    sim = Simulator(app)
    sim.send(orders["NA"]["2024-01-01"])
    assert [need.partition for need in sim.explain("world", ["2024-01-01"]).needs] == ["NA/2024-01-01"]


# ── the first of a chain, and sensors ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("past", [output[-1:].ref, output[-1:].ref.range_check(True)], ids=str)
def test_a_past_that_is_absent_has_no_paths(app: Any, past: Any) -> None:
    days_, timer = daily(app), app.add_timer("timer", "rate(1 day)", "day")
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", "min": "2024-01-01"}}
    app.create_data("node", inputs=[days_, past, timer.ref], output_dimension_spec=spec)
    sim = Simulator(app)
    read = {}
    for day in ("2024-01-01", "2024-01-02"):
        [run] = sim.send(days_[day])
        given = inputs(run.document)
        read[day] = [given[alias].get_materialized_resource_paths() for alias in ("node", "timer")]  # type: ignore[union-attr]
        assert bool(next(e for e in run.document["inputs"] if e["alias"] == "node").get("absent")) is (
            day == "2024-01-01"
        ), "jobs read None"
    assert read == {
        "2024-01-01": [[], ["timer/2024-01-01"]],
        "2024-01-02": [["s3://rheo-shop/internal_data/node/2024-01-01"], ["timer/2024-01-02"]],
    }


def test_a_sensor_waits_for_all_members_of_a_rollup(app: Any) -> None:
    timer, days_ = app.add_timer("timer", "cron(0 3 1 * ? *)", "day"), daily(app)
    month = days_.rollup(day="month")
    links = [month.day == timer.day.trunc("month") - 1]
    app.create_data("node", inputs=[timer, month], input_dim_links=links, trigger="sensor")
    graph = app.graph()
    [wait] = waits_of(graph, graph.nodes[0], native=True)
    assert (wait.alias, wait.whole) == ("days", True)
    assert Program(compiled(app)).nodes["node"].checks, "and so does the simulator"
