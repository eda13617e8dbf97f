"""Section 5: when does a node run."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from rheodsl import Application, DimensionType
from rheodsl.testing import Simulator

from .helpers import daily, faulty, numbered, outputs, regional


def test_two_linked_numbers(app: Application) -> None:
    """► I1, I2, I1 (again, same id), S3, I3 -> runs output 3; S1 -> 1; S2 -> 2. Pending after: none."""
    i, s = numbered(app, "i"), numbered(app, "s")
    app.create_data("node", inputs=[i, s])
    sim = Simulator(app)
    assert sim.send(i[1], event_id="i1") == []
    assert sim.send(i[2], event_id="i2") == []
    assert sim.send(i[1], event_id="i1") == []
    assert sim.send(s[3], event_id="s3") == []
    assert len(sim.pending("node")) == 3
    assert outputs(sim.send(i[3], event_id="i3")) == [("3",)]
    assert outputs(sim.send(s[1], event_id="s1")) == [("1",)]
    assert outputs(sim.send(s[2], event_id="s2")) == [("2",)]
    assert len(sim.pending("node")) == 0


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("first", [0, 1], ids=["regional first", "daily first"])
def test_partly_linked(app: Application, order: tuple[int, ...], first: int) -> None:
    """► A(region, day), C(day). C(d1), A(1,d1), A(2,d1), in any order -> exactly (1,d1) and (2,d1)."""
    a, c = regional(app, "a"), daily(app, "c")
    inputs = [a, c] if first == 0 else [c, a]
    app.create_data("node", inputs=inputs, output_dimension_spec=SPEC)
    sim = Simulator(app)
    events = [c["2020-03-18"], a[1]["2020-03-18"], a[2]["2020-03-18"]]
    runs = [run for index in order for run in sim.send(events[index])]
    assert sorted(outputs(runs)) == [("1", "2020-03-18"), ("2", "2020-03-18")]


SPEC: dict[str, Any] = {
    "region_id": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}
}


def test_a_dimensionless_input(app: Application) -> None:
    """► Dimensionless B with A(day): B, A(d1), A(d2) -> 2; B again (new id) -> none until A arrives anew."""
    a, b = daily(app, "a"), app.s3("b", "s3://lake/b")
    app.create_data("node", inputs=[a, b])
    sim = Simulator(app)
    assert sim.send(b) == []
    assert outputs(sim.send(a["2020-03-01"])) == [("2020-03-01",)]
    assert outputs(sim.send(a["2020-03-02"])) == [("2020-03-02",)]
    assert sim.send(b) == []
    assert outputs(sim.send(a["2020-03-02"])) == [("2020-03-02",)]


def test_a_dimensionless_input_with_retrigger_any(app: Application) -> None:
    """► with retrigger="any", B again -> 2."""
    a, b = daily(app, "a"), app.s3("b", "s3://lake/b")
    app.create_data("node", inputs=[a, b], retrigger="any")
    sim = Simulator(app)
    assert sim.send(b) == []
    assert outputs(sim.send(a["2020-03-01"])) == [("2020-03-01",)]
    assert outputs(sim.send(a["2020-03-02"])) == [("2020-03-02",)]
    assert sorted(outputs(sim.send(b))) == [("2020-03-01",), ("2020-03-02",)]


def test_unlinked_inputs_bind_in_every_combination(app: Application) -> None:
    """► Unlinked C1, C2, then S3 -> two executions (C1,S3), (C2,S3)."""
    c, s = numbered(app, "c", "c"), numbered(app, "s", "s")
    app.create_data(
        "node",
        inputs=[c, s],
        output_dimension_spec={"c": {"type": DimensionType.LONG, "s": {"type": DimensionType.LONG}}},
    )
    sim = Simulator(app)
    assert sim.send(c[1]) == []
    assert sim.send(c[2]) == []
    assert sorted(outputs(sim.send(s[3]))) == [("1", "3"), ("2", "3")]


def region_map(app: Application) -> tuple[Any, Any]:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    link = orders.region_id.map({1: "NA", 2: "EU", 3: "FE"}) == ships.region
    app.create_data(
        "node",
        inputs=[orders, ships],
        input_dim_links=[link],
        output_dimension_spec={
            "region": {
                "type": DimensionType.STRING,
                "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"},
            }
        },
    )
    return orders, ships


def test_a_region_map(app: Application) -> None:
    """► ships NA 2023-11-04, then orders 3/2023-11-04 -> nothing; orders 1/2023-11-04 -> one, NA."""
    orders, ships = region_map(app)
    sim = Simulator(app)
    assert sim.send(ships["NA"]["2023-11-04"]) == []
    assert sim.send(orders[3]["2023-11-04"]) == []
    assert outputs(sim.send(orders[1]["2023-11-04"])) == [("NA", "2023-11-04")]


def test_a_key_that_the_map_lacks_joins_nothing_and_disturbs_nothing(app: Application) -> None:
    orders, ships = region_map(app)
    app.create_data("other", inputs=[orders])
    sim = Simulator(app)
    sim.send(ships["NA"]["2023-11-04"])
    assert [run.node for run in sim.send(orders[9]["2023-11-04"])] == ["other"]
    assert outputs(sim.send(orders[1]["2023-11-04"]), "node") == [("NA", "2023-11-04")]


def test_a_reference_that_the_map_lacks_stops_its_binding_only(app: Application) -> None:
    """Section 4: no event raises, and one bad event never affects another."""
    orders, names = regional(app), app.s3("names", "s3://lake/names/{region}")
    app.create_data(
        "node",
        inputs=[orders, names.ref],
        input_dim_links=[orders.region_id.map({1: "NA", 2: "EU"}) == names.region],
    )
    app.create_data("other", inputs=[orders])
    sim = Simulator(app)
    assert [run.node for run in sim.send(orders[9]["2023-11-04"])] == ["other"]
    assert len(sim.rejected) == 1
    assert outputs(sim.send(orders[2]["2023-11-04"]), "node") == [("2", "2023-11-04")]


def test_formats(app: Application) -> None:
    """► %Y%m%d and %Y-%m-%d days linked: 2020-03-18 on both fires."""
    a, b = daily(app, "a", format="%Y%m%d"), daily(app, "b", format="%Y-%m-%d")
    app.create_data("node", inputs=[a, b])
    sim = Simulator(app)
    assert sim.send(a["20200318"]) == []
    assert sim.send(b["2020-03-19"]) == []
    assert outputs(sim.send(b["2020-03-18"])) == [("20200318",)]


# ── arrivals are used by one binding only, once ───────────────────────────────────────────────────────


def test_all_needs_something_new_from_each_input(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b])
    sim = Simulator(app)
    day = "2020-03-18"
    assert [len(sim.send(tip)) for tip in (a[day], b[day], a[day], a[day], b[day], b[day], b[day])] == [
        0, 1, 0, 0, 1, 1, 0,
    ]  # fmt: skip


def test_any_needs_one_new_arrival(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], retrigger="any")
    sim = Simulator(app)
    day = "2020-03-18"
    assert [len(sim.send(tip)) for tip in (a[day], b[day], a[day], a[day], b[day])] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(("retrigger", "count"), [("all", 1), ("any", 3)])
def test_the_order_of_several_arrivals_of_one_partition_does_not_matter(retrigger: str, count: int) -> None:
    """Law (a): A, A, A, B runs as often as A, B, A, A."""
    for order in set(permutations("aaab")):
        app = Application("shop")
        signals = {"a": daily(app, "a"), "b": daily(app, "b")}
        app.create_data("node", inputs=list(signals.values()), retrigger=retrigger)
        sim = Simulator(app)
        runs = [run for name in order for run in sim.send(signals[name]["2020-03-18"])]
        assert outputs(runs) == [("2020-03-18",)] * count, order


def test_other_bindings_still_use_an_arrival(app: Application) -> None:
    a, c = regional(app, "a"), daily(app, "c")
    app.create_data("node", inputs=[a, c])
    sim = Simulator(app)
    sim.send(c["2020-03-18"])
    assert outputs(sim.send(a[1]["2020-03-18"])) == [("1", "2020-03-18")]
    assert outputs(sim.send(a[2]["2020-03-18"])) == [("2", "2020-03-18")]
    assert sim.send(a[2]["2020-03-18"]) == []
    assert sorted(outputs(sim.send(c["2020-03-18"]))) == [("2", "2020-03-18")]
    assert outputs(sim.send(a[1]["2020-03-18"])) == [("1", "2020-03-18")]


def test_a_redelivered_event_changes_nothing(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], retrigger="any")
    sim = Simulator(app)
    sim.send(a["2020-03-18"], event_id="a")
    assert len(sim.send(b["2020-03-18"], event_id="b")) == 1
    for _ in range(3):
        assert sim.send(a["2020-03-18"], event_id="a") == []
        assert sim.send(b["2020-03-18"], event_id="b") == []


def test_one_node_never_blocks_another(app: Application) -> None:
    a, b, c = daily(app, "a"), daily(app, "b"), daily(app, "c")
    app.create_data("waits", inputs=[a, b])
    app.create_data("goes", inputs=[a, c])
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    assert [run.node for run in sim.send(c["2020-03-18"])] == ["goes"]


def test_a_node_of_one_input_runs_for_each_arrival(app: Application) -> None:
    a = daily(app, "a")
    app.create_data("node", inputs=[a])
    sim = Simulator(app)
    assert [len(sim.send(a["2020-03-18"])) for _ in range(3)] == [1, 1, 1]


def test_many_to_one(app: Application) -> None:
    months, days = daily(app, "months", "month", "%Y-%m"), daily(app)
    app.create_data(
        "node",
        inputs=[days, months],
        input_dim_links=[months.month == days.day.trunc("month")],
    )
    sim = Simulator(app)
    sim.send(days["2020-03-01"])
    sim.send(days["2020-03-02"])
    sim.send(days["2020-04-01"])
    assert sorted(outputs(sim.send(months["2020-03"]))) == [("2020-03-01",), ("2020-03-02",)]
    assert outputs(sim.send(days["2020-03-31"])) == [("2020-03-31",)]


def test_three_inputs_in_a_chain(app: Application) -> None:
    a, b, c = (numbered(app, name, name) for name in "abc")
    app.create_data("node", inputs=[a, b, c], input_dim_links=[a.a + 1 == b.b, b.b + 1 == c.c])
    sim = Simulator(app)
    for tip in (a[1], b[2], c[4], a[2]):
        assert sim.send(tip) == []
    assert outputs(sim.send(b[3])) == [("2",)]
    assert outputs(sim.send(c[3])) == [("1",)]


def test_links_of_the_ends_constrain_each_other(app: Application) -> None:
    a = app.s3("a", "s3://lake/a/{x:int}/{y:int}")
    b, c = numbered(app, "b", "bx"), numbered(app, "c", "cy")
    app.create_data("node", inputs=[b, c, a], input_dim_links=[a.x == b.bx, a.y == c.cy])
    sim = Simulator(app)
    for tip in (b[1], b[2], c[1], c[2], a[3][1], a[1][3]):
        assert sim.send(tip) == []
    assert outputs(sim.send(a[1][2])) == [("1",)]


def test_arrivals_are_forgotten_after_their_ttl(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], arrival_ttl=timedelta(hours=1))
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    sim.advance(timedelta(hours=2))
    sim.tick()
    assert sim.send(b["2020-03-18"]) == []
    assert outputs(sim.send(a["2020-03-18"])) == [("2020-03-18",)]


def test_arrivals_are_kept_for_90_days_by_default(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b])
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    sim.send(a["2020-03-19"])
    sim.advance(timedelta(days=89))
    sim.tick()
    assert outputs(sim.send(b["2020-03-18"])) == [("2020-03-18",)]
    sim.advance(timedelta(days=2))
    sim.tick()
    assert sim.send(b["2020-03-19"]) == []


def test_an_unknown_retrigger_policy_is_an_error(app: Application) -> None:
    a = daily(app, "a")
    with faulty("retrigger", "some"):
        app.create_data("node", inputs=[a], retrigger="some")
        app.graph()
