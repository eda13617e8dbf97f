"""Values that a link, a rollup or a window leads to where there is no partition: nothing is read or awaited there."""

from __future__ import annotations

from typing import Any

import pytest

from rheodsl import DATETIME, STRING, S3Dataset
from rheodsl.testing import Simulator

from .helpers import Keys, last_parts, outputs

HOUR = "%Y-%m-%d-%H"


def data(app: Any, id: str, format: str = "%Y-%m-%d", name: str = "day", **more: Any) -> Any:
    spec = {name: {"type": DATETIME, "format": format, **more}}
    return app.marshal_external_data(S3Dataset(None, "lake", id, "{}"), id, spec)


def branched(app: Any, attributes: dict[str, dict[str, Any]], name: str, format: str) -> Any:
    spec = {"region": {"type": STRING, name: {"type": DATETIME, "format": format}}}
    filter = {region: {"*": more} for region, more in attributes.items()}
    return app.marshal_external_data(S3Dataset(None, "lake", "views", "{}", "{}"), "views", spec, filter)


def put(sim: Simulator, id: str, *partitions: str) -> list[Any]:
    keys = Keys(sim, id)
    return [run for partition in partitions for run in keys.put(f"{partition}/_SUCCESS")]


def awaited(sim: Simulator, node: str) -> list[str]:
    return [missing.what for waiting in sim.pending(node) for missing in waiting.missing]


@pytest.mark.parametrize(
    ("slice_", "read"),
    [
        (slice(None, -3), ["2024-03-01", "2024-02-29", "2024-02-28"]),
        (slice(-1, -2), ["2024-03-01", "2024-02-29"]),
        (slice(-1, None), ["2024-03-01"]),
        (slice(1, None), ["2024-03-04"]),
        (slice(None, 2), ["2024-03-04", "2024-03-05"]),
        (slice(1, -3), ["2024-03-04", "2024-03-01", "2024-02-29"]),
    ],
)
def test_a_window_around_a_day_that_its_calendar_lacks(app: Any, slice_: slice, read: list[str]) -> None:
    workdays = data(app, "workdays", calendar="MON-FRI")
    every = data(app, "every")
    app.create_data("open", inputs=[every, workdays[slice_].ref])
    app.create_data("checked", inputs=[every, workdays[slice_].ref.range_check(True)])
    sim = Simulator(app)
    put(sim, "workdays", *read[1:])
    [run] = put(sim, "every", "2024-03-02")
    assert last_parts(run, "workdays") == read
    assert awaited(sim, "checked") == read[:1]
    [run] = put(sim, "workdays", f"{read[0]}")
    assert run.node == "checked" and last_parts(run, "workdays") == read


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize(
    ("more", "format", "tip"),
    [
        ({"calendar": "MON-FRI"}, "%Y-%m-%d", "2024-03-02"),
        ({"min": "2024-04-01"}, "%Y-%m-%d", "2024-03-31"),
        ({"step": 6}, HOUR, "2024-03-02-05"),
    ],
)
def test_a_reference_where_there_is_no_partition_has_nothing(
    app: Any, more: dict[str, Any], format: str, tip: str, checked: bool
) -> None:
    some = data(app, "some", format, **more)
    app.create_data("node", inputs=[data(app, "every", format), some.ref.range_check(checked)])
    sim = Simulator(app)
    [run] = put(sim, "every", f"{tip}")
    assert run.inputs["some"].paths == []
    assert next(e for e in run.document["inputs"] if e["alias"] == "some")["absent"]


def test_windows_between_steps(app: Any) -> None:
    numbers = app.s3("numbers", "s3://lake/numbers/{n:int}")
    tens = app.s3("tens", "s3://lake/tens/{n:int}", dimensions={"n": {"step": 10}})
    quarters = data(app, "quarters", HOUR, "hour", step=6)
    hours = data(app, "hours", HOUR, "hour")
    app.create_data("of_tens", inputs=[numbers, tens[:-3].ref.range_check(True)])
    app.create_data("of_quarters", inputs=[hours, quarters[:-2].ref.range_check(True)])
    sim = Simulator(app)
    put(sim, "numbers", "15")
    put(sim, "hours", "2024-03-02-05")
    assert awaited(sim, "of_tens") == ["10", "0", "-10"]
    assert awaited(sim, "of_quarters") == ["2024-03-02-00", "2024-03-01-18"]
    assert put(sim, "tens", "0", "-10") == []
    assert [run.node for run in put(sim, "tens", "10")] == ["of_tens"]


def test_nothing_is_awaited_below_the_first_value(app: Any) -> None:
    later = app.s3("later", "s3://lake/later/{n:int}", dimensions={"n": {"min": 1}})
    numbers = app.s3("numbers", "s3://lake/numbers/{n:int}")
    app.create_data(
        "node", inputs=[numbers, later.ref.range_check(True)], input_dim_links=[later.n == numbers.n - 1]
    )
    sim = Simulator(app)
    assert outputs(put(sim, "numbers", "1")) == [("1",)]
    assert put(sim, "numbers", "2") == [] and awaited(sim, "node") == ["1"]


def test_an_hour_that_happens_twice_has_one_partner(app: Any) -> None:
    ours = data(app, "ours", HOUR, "hour", timezone="America/New_York")
    theirs = data(app, "theirs", HOUR, "hour", timezone="Europe/Berlin")
    app.create_data("both", inputs=[ours, theirs])
    sim = Simulator(app)
    put(sim, "ours", "2024-11-03-01")
    runs = put(sim, "theirs", "2024-11-03-06", "2024-11-03-07")
    assert outputs(runs, "both") == [("2024-11-03-01",)]
    assert sim.pending() == []
    assert any("can be linked with theirs 2024-11-03-07" in event.reason for event in sim.unmatched)
    # As a reference it is the hour in which the other begins.
    app.create_data("read", inputs=[theirs, ours.ref.range_check(True)])
    sim = Simulator(app)
    put(sim, "ours", "2024-11-03-01")
    runs = put(sim, "theirs", "2024-11-03-06", "2024-11-03-07")
    assert [last_parts(run, "ours") for run in runs if run.node == "read"] == [["2024-11-03-01"]] * 2


def test_a_rollup_has_the_members_that_are_partitions(app: Any) -> None:
    views = branched(app, {"NA": {"calendar": "MON-FRI"}, "AE": {"calendar": "SUN-THU"}}, "day", "%Y-%m-%d")
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d"}}
    app.create_data("world", inputs=[views.rollup("region")], output_dimension_spec=spec)
    sim = Simulator(app)
    keys = Keys(sim, "views")
    [run] = keys.put("AE/2024-03-03/_SUCCESS")  # a Sunday
    assert last_parts(run, "views") == ["2024-03-03"]
    assert keys.put("AE/2024-03-04/_SUCCESS") == [] and awaited(sim, "world") == ["NA/2024-03-04"]


def test_a_rollup_of_zones_over_a_change_of_the_clock(app: Any) -> None:
    zones = {"NA": {"timezone": "America/Los_Angeles"}, "EU": {"timezone": "Europe/Berlin"}}
    app.create_data("world", inputs=[branched(app, zones, "hour", HOUR).rollup("region")])
    sim = Simulator(app)
    keys = Keys(sim, "views")
    keys.put("NA/2024-11-03-01/_SUCCESS")
    [alone] = keys.put("EU/2024-11-03-10/_SUCCESS")  # Los Angeles is at 01 for the second time
    [both] = keys.put("EU/2024-11-03-09/_SUCCESS")
    assert [last_parts(run, "views") for run in (alone, both)] == [
        ["2024-11-03-10"],
        ["2024-11-03-09", "2024-11-03-01"],
    ]
    assert sim.pending() == []


def test_a_window_that_holds_no_partition_says_so(app: Any) -> None:
    later = data(app, "later", min="2024-05-01")
    every = data(app, "every")
    app.create_data("nearest", inputs=[every, later[:-3].ref.nearest()])
    app.create_data("enough", inputs=[every, later[:-3].ref.range_check(at_least=2)])
    sim = Simulator(app)
    assert put(sim, "every", "2024-03-02") == []
    assert [(m.what, m.reason) for waiting in sim.pending() for m in waiting.missing] == [
        ("2024-03-02", "no partition lies in the window around it")
    ] * 2


def test_a_day_that_its_partner_lacks_is_without_effect(app: Any) -> None:
    workdays = data(app, "workdays", calendar="MON-FRI")
    app.create_data("node", inputs=[data(app, "every"), workdays])
    sim = Simulator(app)
    assert put(sim, "every", "2024-03-02") == [] and sim.pending() == []
    assert [event.reason for event in sim.unmatched] == [
        "node: no partition of workdays can be linked with every 2024-03-02"
    ]
