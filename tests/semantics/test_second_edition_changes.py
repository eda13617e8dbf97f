"""Section 19, and what is said of arrivals that are forgotten: new versions of a running application."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from benchmarks._dynamodb import DynamoDB
from codegen.routes import route_table
from rheo_platforms.lifecycle.changes import pending
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.events import signal_entry
from rheo_runtime.explain import explained
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheodsl import DATETIME, STRING, Application, output, row_count
from rheodsl.testing import Simulator

from .helpers import daily, s3_event

Declare = Callable[[Any], None]


class Everything:
    """A storage in which every partition of the signals that are named exists."""

    def __init__(self, *signals: str) -> None:
        self.signals = signals

    def exists(self, signal: Any, partition: Any) -> bool:
        return signal.id in self.signals


class Running:
    """An application that runs on one ledger, whatever version of it is deployed."""

    ledger: Callable[[Callable[[], float]], Ledger]

    def __init__(self, declare: Declare) -> None:
        self.engine: Any = None
        self.dropped: list[tuple[str, str]] = []  # by the last event or check: node and reason
        self.now, self.sent = 1_700_000_000.0, 0
        self.deploy(declare)

    def deploy(self, declare: Declare, storage: Any = None) -> None:
        app = Application("shop")
        declare(app)
        ledger = self.ledger(lambda: self.now) if self.engine is None else self.engine.ledger
        self.engine = Engine(route_table(app.graph()), ledger, lambda: self.now, storage)

    def put(self, key: str) -> list[str]:
        """A completion object is written; return the ids of the executions that fire."""
        self.sent += 1
        return self._ids(self.engine.on_event(s3_event("lake", f"{key}/_SUCCESS", etag=f"e{self.sent}")))

    def tick(self) -> list[str]:
        """A minute later, the periodic check."""
        self.now += 60
        return self._ids(self.engine.tick())

    def _ids(self, outcome: Any) -> list[str]:
        self.dropped = [(dropped.node, dropped.reason) for dropped in outcome.dropped]
        for document in outcome.fired:
            self.engine.complete(document, True)
        return [document["id"] for document in outcome.fired]


def on_dynamodb(now: Callable[[], float]) -> Ledger:
    client: Any = DynamoDB()
    create_table("t", client)
    return DynamoLedger("t", client, now)


@pytest.fixture(autouse=True, params=["memory", "dynamodb"])
def a_ledger(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make = on_dynamodb if request.param == "dynamodb" else lambda now: MemoryLedger()
    monkeypatch.setattr(Running, "ledger", staticmethod(make), raising=False)


# ── versions ──────────────────────────────────────────────────────────────────────────────────────────


def windows_over(template: str, stars: int = 0, **options: Any) -> Declare:
    """Three days of orders, checked, and an innocent node beside them."""

    def declare(app: Any) -> None:
        orders = app.s3("orders", f"s3://lake/orders/{template}")
        for _ in range(stars):
            orders = orders["*"]
        app.create_data("weekly", inputs=[orders[:-3].range_check(True)], **options)
        other = daily(app, "other")
        app.create_data("innocent", inputs=[other[:-2].range_check(True)])

    return declare


def two_inputs(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    app.create_data("weekly", inputs=[orders["*"][:-3].range_check(True), ships])
    other = daily(app, "other")
    app.create_data("innocent", inputs=[other[:-2].range_check(True)])


OLD = windows_over("{region}/{day:%Y-%m-%d}", 1)
NEWER: dict[str, tuple[Declare, Callable[[int], str]]] = {
    "a dimension is gone": (windows_over("{day:%Y-%m-%d}"), lambda n: f"orders/2024-01-0{n}"),
    "a dimension is added": (
        windows_over("{region}/{shop}/{day:%Y-%m-%d}", 2),
        lambda n: f"orders/7/a/2024-01-0{n}",
    ),
    "another type": (windows_over("{region:int}/{day:%Y-%m-%d}", 1), lambda n: f"orders/7/2024-01-0{n}"),
    "another format": (windows_over("{region}/{day:%d-%m-%Y}", 1), lambda n: f"orders/7/0{n}-01-2024"),
    "a finer granularity": (
        windows_over("{region}/{day:%Y-%m-%d-%H}", 1),
        lambda n: f"orders/7/2024-01-01-0{n}",
    ),
    "a coarser granularity": (windows_over("{region}/{day:%Y-%m}", 1), lambda n: f"orders/7/2024-0{n}"),
    "dimensions in another order": (
        lambda app: windows_over("{day:%Y-%m-%d}/{region}")(app),
        lambda n: f"orders/2024-01-0{n}/7",
    ),
    "another window": (
        lambda app: app.create_data(
            "weekly", inputs=[app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")["*"][:-3]]
        ),
        lambda n: f"orders/7/2024-01-0{n}",
    ),
    "a second input": (two_inputs, lambda n: f"orders/7/2024-01-0{n}"),
    "a wait that ends": (
        windows_over("{region}/{day:%Y-%m-%d}", 1, pending_ttl=timedelta(days=7)),
        lambda n: f"orders/7/2024-01-0{n}",
    ),
    "the node is gone": (
        lambda app: app.create_data("innocent", inputs=[daily(app, "other")[:-2].range_check(True)]),
        lambda n: f"orders/7/2024-01-0{n}",
    ),
}
newer = pytest.mark.parametrize(("declare", "key"), list(NEWER.values()), ids=list(NEWER))


def left_by_the_old_version() -> Running:
    """What an older version left: windows that wait, and a window that has run."""
    running = Running(OLD)
    for day in (1, 2, 3, 5):
        running.put(f"orders/7/2024-01-0{day}")
    running.put("orders/EU/2024-01-02")
    running.put("other/2024-01-02")
    return running


@newer
def test_no_stored_record_stops_the_periodic_check(declare: Declare, key: Callable[[int], str]) -> None:
    running = left_by_the_old_version()
    running.deploy(declare, Everything())
    for _ in range(3):
        running.tick()


@newer
def test_no_stored_record_stops_another_node(declare: Declare, key: Callable[[int], str]) -> None:
    running = left_by_the_old_version()
    running.deploy(declare, Everything("other"))
    found = running.tick() + running.put("other/2024-01-09") + running.tick()
    if "innocent" in set(running.engine.program.nodes):
        assert any(id.startswith("innocent/2024-01-09") for id in found), found


@newer
def test_no_stored_record_stops_an_event(declare: Declare, key: Callable[[int], str]) -> None:
    running = left_by_the_old_version()
    running.deploy(declare)
    for day in (4, 3, 2, 1):
        running.put(key(day))


RETYPED = ["a dimension is gone", "a dimension is added", "another type", "another format",
           "a finer granularity", "a coarser granularity", "dimensions in another order"]  # fmt: skip


@pytest.mark.parametrize("change", RETYPED)
def test_what_was_stored_under_other_dimensions_is_not_read_as_of_the_new_ones(change: str) -> None:
    declare, key = NEWER[change]
    running, fresh = left_by_the_old_version(), Running(declare)
    running.deploy(declare)
    for day in (6, 5, 4):
        after, alone = running.put(key(day)), fresh.put(key(day))
        assert [id.rsplit("#", 1)[0] for id in after] == [id.rsplit("#", 1)[0] for id in alone], (
            f"{change}: what the old version left changes what day {day} starts"
        )


def test_what_still_means_the_same_is_kept() -> None:
    running = left_by_the_old_version()

    def with_another_node(app: Any) -> None:
        OLD(app)
        app.create_data("more", inputs=[daily(app, "news")])

    running.deploy(with_another_node)
    assert running.put("orders/7/2024-01-04") == ["weekly/7/2024-01-04#1", "weekly/7/2024-01-05#1"], (
        "03 and 02 came under the old version; 05 waited for 04"
    )


def test_what_has_run_is_not_run_again_by_a_new_version() -> None:
    running = left_by_the_old_version()
    running.deploy(OLD)
    assert running.tick() == []


def test_a_node_that_comes_back_does_not_take_up_what_has_changed_meanwhile() -> None:
    running = left_by_the_old_version()
    running.deploy(NEWER["another type"][0])
    running.tick()
    running.deploy(OLD)
    running.tick()
    assert running.put("orders/7/2024-01-09") == [], "nothing of 08 and 07 has ever come"


# ── bindings that run again, and rollups ──────────────────────────────────────────────────────────────

T: dict[str, Any] = {"compute_targets": "output = spark.range(1)"}


def by_day(app: Any, *ids: str) -> list[Any]:
    return [app.s3(id, f"s3://lake/{id}/{{day:%Y-%m-%d}}") for id in ids]


def updated(change: str) -> Declare:
    def declare(app: Any) -> None:
        orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
        a, b = by_day(app, "a", "b")
        inputs, options = [orders], {}
        match change:
            case "values":
                inputs = [orders.rollup(region=["NA", "EU"])]
            case "month":
                inputs = [orders.rollup(day="month")]
            case "two":
                inputs = [orders, b]
            case "turned":
                inputs = [b, orders]
            case "linked":
                inputs = [a, b]
            case "linked otherwise":
                inputs, options = [a, b], {"input_dim_links": [b.day == a.day - 1]}
        app.create_data("n", inputs, retrigger="updated", **options, **T)
        app.create_data("innocent", [orders, b] if "linked" in change else [orders], retrigger="any", **T)

    return declare


@pytest.mark.parametrize(
    "before, after",
    [("plain", "values"), ("plain", "month"), ("values", "plain"), ("month", "plain")],
)
def test_what_was_to_run_again_under_other_inputs_stops_no_event(before: str, after: str) -> None:
    running = Running(updated(before))
    keys = [f"orders/{region}/2024-01-{day:02d}" for day in range(1, 32) for region in ("NA", "EU")]
    for key in ("b/2024-01-01", *keys):
        running.put(key)
    running.deploy(updated(after))
    assert any(id.startswith("innocent") for id in running.put("orders/NA/2024-01-01"))
    assert ("n", "its inputs or links have changed") in running.dropped
    running.put("orders/NA/2024-01-01")
    assert not running.dropped, "once"


def test_a_pair_that_is_no_binding_any_more_does_not_run_again() -> None:
    running = Running(updated("linked"))
    assert running.put("a/2024-01-02") + running.put("b/2024-01-02") == ["n/2024-01-02#1"]
    running.deploy(updated("linked otherwise"))
    assert running.put("b/2024-01-02") == [], "it would be of a 2024-01-03"
    assert running.put("a/2024-01-03") == ["n/2024-01-03#1"]
    assert running.put("b/2024-01-02") == ["n/2024-01-03#2"]


def test_what_was_to_run_again_does_so_while_it_means_the_same() -> None:
    running = Running(updated("two"))
    running.put("b/2024-01-01")
    running.put("orders/NA/2024-01-01")
    running.deploy(updated("two"))
    assert "n/NA/2024-01-01#2" in running.put("b/2024-01-01")
    assert not running.dropped


def by_week(app: Any) -> None:
    app.create_data("n", [by_day(app, "d")[0].rollup(day="week")], **T)


def plain(app: Any) -> None:
    app.create_data("n", by_day(app, "d"), **T)


def nothing(app: Any) -> None:
    app.create_data("other", by_day(app, "d"), **T)


def either(order: int) -> Declare:
    def declare(app: Any) -> None:
        a, b, c = by_day(app, "a", "b", "c")
        app.create_data("n", [[c | (a & b), (a & b) | c, c][order]], **T)

    return declare


def rolled(complete: bool) -> Declare:
    def declare(app: Any) -> None:
        app.create_data("n", [by_day(app, "d")[0].rollup(day="month", complete=complete)], **T)

    return declare


def test_what_was_stored_of_an_incomplete_rollup_is_not_read_as_members_of_a_complete_one() -> None:
    running = Running(rolled(False))
    for day in range(1, 11):
        running.put(f"d/2024-01-{day:02d}")
    running.deploy(rolled(True))
    assert not running.engine.pending("n")
    found = [id for day in range(1, 32) for id in running.put(f"d/2024-01-{day:02d}")]
    assert found == ["n/2024-01#11"]


def test_what_was_stored_of_a_complete_rollup_is_not_read_as_an_incomplete_one() -> None:
    def declare(*values: Any, **options: Any) -> Declare:
        def declared(app: Any) -> None:
            orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
            app.create_data("n", [orders.rollup(*values, **options)], **T)

        return declared

    running = Running(declare(region=["NA", "EU"]))
    found = [id for region in ("NA", "EU") for id in running.put(f"orders/{region}/2024-01-01")]
    assert found == ["n/2024-01-01#1"]
    running.deploy(declare("region", complete=False))
    assert not running.engine.pending("n")
    assert explained(running.engine, "n", ("2024-01-01",)).ran
    assert running.put("orders/EU/2024-01-01") == ["n/2024-01-01#2"]


def values(*regions: str) -> Declare:
    def declare(app: Any) -> None:
        orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
        app.create_data("n", [orders.rollup(region=list(regions))], **T)

    return declare


def test_what_lacks_nothing_any_more_runs_and_what_has_run_does_not() -> None:
    running = Running(values("NA", "EU", "FE"))
    for region in ("NA", "EU", "FE"):
        running.put(f"orders/{region}/2024-01-01")
    for region in ("NA", "EU"):
        running.put(f"orders/{region}/2024-01-02")
    running.put("orders/NA/2024-01-03")
    running.deploy(values("NA", "EU"))
    for found in (["n/2024-01-02#1"], []):
        assert [document["id"] for document in running.engine.catch_up(["n"]).fired] == found
    running.engine.complete(running.engine.ledger.output("n", "2024-01-02", None)[0].active.document, True)
    assert "2024-01-02" not in [waiting.output for waiting in running.engine.pending("n")]


def test_a_window_that_waited_waits_on_when_its_inputs_are_turned_round() -> None:
    def declare(turned: bool) -> Declare:
        def declared(app: Any) -> None:
            a, b = by_day(app, "a", "b")
            checked = a[:-2].range_check(True)
            app.create_data("n", [b, checked] if turned else [checked, b], **T)

        return declared

    running = Running(declare(False))
    assert running.put("b/2024-01-02") + running.put("a/2024-01-02") == []
    running.deploy(declare(True))
    assert not running.engine.catch_up(["n"]).fired
    (waiting,) = running.engine.pending("n")
    assert [missing.what for missing in waiting.missing] == ["2024-01-01"]
    assert running.put("a/2024-01-01") == ["n/2024-01-02#1"]


def test_what_the_filter_leaves_out_now_does_not_run() -> None:
    def declare(only: bool) -> Declare:
        def declared(app: Any) -> None:
            orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
            days = orders["EU"]["*"] if only else orders["*"][:-2].range_check(True)
            app.create_data("n", [days], **T)

        return declared

    running = Running(declare(False))
    assert running.put("orders/NA/2024-01-02") + running.put("orders/EU/2024-01-02") == []
    running.deploy(declare(True))
    assert [document["id"] for document in running.engine.catch_up(["n"]).fired] == ["n/EU/2024-01-02#1"]


# ── what has been used ────────────────────────────────────────────────────────────────────────────────


def pair(turned: bool = False, retrigger: str = "all", third: bool = False, link: bool = True) -> Declare:
    """Orders and ships of a day, in one order of declaration or the other."""

    def declare(app: Any) -> None:
        ids = ["ships", "orders", *(["news"] if third else [])]
        inputs = by_day(app, *(reversed(ids) if turned else ids))
        app.create_data("n", inputs, retrigger=retrigger, **T)

    return declare


@pytest.mark.parametrize("retrigger", ["all", "any", "updated", "never"])
@pytest.mark.parametrize("turned", [False, True])
def test_inputs_in_another_order_make_nothing_again(turned: bool, retrigger: str) -> None:
    """As if there had been one version from the beginning."""
    running, alone = Running(pair(turned, retrigger)), Running(pair(turned, retrigger))
    for version, keys in (
        (turned, ["orders/2024-01-01", "ships/2024-01-01", "orders/2024-01-01", "ships/2024-01-02"]),
        (not turned, ["orders/2024-01-01", "ships/2024-01-01", "orders/2024-01-02", "ships/2024-01-01"]),
    ):
        running.deploy(pair(version, retrigger))
        for key in keys:
            assert running.put(key) == alone.put(key), (key, version)
            assert running.tick() == alone.tick() == []
            assert not running.dropped
    assert [str(w) for w in running.engine.pending()] == [str(w) for w in alone.engine.pending()]


def test_a_day_in_two_dimensions_is_not_mistaken_for_the_other_when_inputs_turn_round() -> None:
    """Two inputs have partitions of the same values, of which one has come twice."""

    def declare(turned: bool) -> Declare:
        def declared(app: Any) -> None:
            a, b = by_day(app, "a", "b")
            app.create_data("n", [b, a] if turned else [a, b], **T)

        return declared

    running = Running(declare(False))
    keys = ["a/2024-01-01", "a/2024-01-01", "b/2024-01-01"]
    assert [id for key in keys for id in running.put(key)] == ["n/2024-01-01#1"]
    running.deploy(declare(True))
    assert running.put("a/2024-01-01") == [], "two of a are left, none of b"
    assert running.put("b/2024-01-01") == ["n/2024-01-01#2"]
    assert running.put("b/2024-01-01") == ["n/2024-01-01#3"]
    assert running.put("b/2024-01-01") == []


@pytest.mark.parametrize("retrigger", ["all", "any"])
def test_with_fewer_inputs_nothing_is_made_again_and_with_more_it_is(retrigger: str) -> None:
    running = Running(pair(False, retrigger, third=True))
    for signal in ("orders", "ships", "news"):
        running.put(f"{signal}/2024-01-01")
    running.deploy(pair(False, retrigger))
    assert running.engine.pending() == [], "it has run, with all that is asked for now"
    assert running.tick() == []
    again = running.put("orders/2024-01-01")
    assert again == ([] if retrigger == "all" else ["n/2024-01-01#2"])
    running.put("ships/2024-01-01")
    running.deploy(pair(False, retrigger, third=True))
    assert running.put("news/2024-01-01"), "no run has had it"


def regions(*which: str, retrigger: str = "all") -> Declare:
    def declare(app: Any) -> None:
        orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
        app.create_data("n", [orders.rollup(region=list(which))], retrigger=retrigger, **T)

    return declare


@pytest.mark.parametrize("retrigger", ["all", "any", "updated"])
def test_other_values_of_a_rollup_make_nothing_again_that_has_all_of_them(retrigger: str) -> None:
    running = Running(regions("NA", "EU", "FE", retrigger=retrigger))
    for region in ("NA", "EU", "FE"):
        running.put(f"orders/{region}/2024-01-01")
    for which in (("FE", "NA", "EU"), ("EU", "NA"), ("NA", "EU")):
        running.deploy(regions(*which, retrigger=retrigger))
        assert running.tick() == [] and running.engine.pending() == []
    assert running.put("orders/NA/2024-01-01") == ([] if retrigger == "all" else ["n/2024-01-01#2"])
    assert running.put("orders/EU/2024-01-01") == [f"n/2024-01-01#{2 if retrigger == 'all' else 3}"]
    assert running.put("orders/FE/2024-01-01") == []


@pytest.mark.parametrize("retrigger", ["all", "any", "updated"])
def test_a_value_that_a_rollup_gains_makes_again_what_ran_without_it(retrigger: str) -> None:
    running = Running(regions("NA", "EU", retrigger=retrigger))
    for region in ("NA", "EU"):
        running.put(f"orders/{region}/2024-01-01")
    running.deploy(regions("NA", "EU", "FE", retrigger=retrigger))
    assert running.tick() == []
    assert running.put("orders/FE/2024-01-01") == ["n/2024-01-01#2"], "no run has had it"


# ── alternatives ──────────────────────────────────────────────────────────────────────────────────────


def ways(order: int) -> Declare:
    """Two alternatives that start with the same input, and one that starts with another."""

    def declare(app: Any) -> None:
        a, b, c, d = by_day(app, "a", "b", "c", "d")
        parts = [b, a & c.ref, a & d.ref]
        inputs = [parts[0] | parts[1] | parts[2], parts[2] | parts[0] | parts[1]][order]
        app.create_data("n", [inputs], **T)

    return declare


@pytest.mark.parametrize("order", [0, 1])
def test_alternatives_in_another_order_use_what_they_have_used(order: int) -> None:
    running, alone = Running(ways(order)), Running(ways(order))
    for version in (order, 1 - order, order):
        running.deploy(ways(version))
        for key in ("a/2024-01-01", "b/2024-01-01", "b/2024-01-02"):
            assert len(running.put(key)) == len(alone.put(key)), (key, version)
            assert running.tick() == []
    assert running.engine.pending() == []


def test_a_window_of_an_alternative_waits_on_in_another_place() -> None:
    def declare(turned: bool) -> Declare:
        def declared(app: Any) -> None:
            a, b = by_day(app, "a", "b")
            checked = a[:-2].range_check(True)
            app.create_data("n", [b | checked if turned else checked | b], **T)

        return declared

    running = Running(declare(False))
    assert running.put("a/2024-01-02") == []
    running.deploy(declare(True))
    assert running.put("a/2024-01-01") == ["n/2024-01-02#1"]
    assert not running.dropped


# ── filters ───────────────────────────────────────────────────────────────────────────────────────────


def filtered(region: str, retrigger: str = "all") -> Declare:
    def declare(app: Any) -> None:
        orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
        (ships,) = by_day(app, "ships")
        app.create_data("n", [orders[region]["*"], ships], retrigger=retrigger, **T)

    return declare


def test_what_a_filter_leaves_out_now_joins_nothing() -> None:
    running = Running(filtered("*"))
    running.put("orders/NA/2024-01-01")
    running.put("orders/EU/2024-01-01")
    running.deploy(filtered("EU"))
    (waiting,) = running.engine.pending()
    assert waiting.arrived == {"orders": ("EU", "2024-01-01")}
    assert running.put("ships/2024-01-01") == ["n/EU/2024-01-01#1"], "NA is no input of it any more"
    running.deploy(filtered("*"))
    assert running.put("ships/2024-01-01") == ["n/NA/2024-01-01#1"], "it waited, and is taken again"


def test_what_a_wider_filter_takes_has_to_come() -> None:
    running = Running(filtered("EU"))
    for region in ("NA", "EU"):
        running.put(f"orders/{region}/2024-01-01")
    running.deploy(filtered("*"))
    assert running.put("ships/2024-01-01") == ["n/EU/2024-01-01#1"], "nobody took NA when it came"
    assert running.put("orders/NA/2024-01-01") == ["n/NA/2024-01-01#1"]


@pytest.mark.parametrize("retrigger", ["all", "updated"])
def test_a_window_or_a_reader_that_a_filter_leaves_out_is_dropped_with_the_reason(retrigger: str) -> None:
    def declare(region: str) -> Declare:
        def declared(app: Any) -> None:
            orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
            app.create_data("n", [orders[region][:-2].range_check(True)], retrigger=retrigger, **T)

        return declared

    running = Running(declare("*"))
    running.put("orders/NA/2024-01-02")
    running.put("orders/NA/2024-01-05")
    running.put("orders/NA/2024-01-04")
    running.deploy(declare("EU"))
    assert running.put("orders/NA/2024-01-01") == running.put("orders/NA/2024-01-04") == []
    assert ("n", "a filter leaves it out now") in running.dropped or retrigger == "all"
    assert running.tick() == []
    assert running.engine.pending() == []
    assert not list(running.engine.ledger.watches())


def first(min: str) -> Declare:
    def declare(app: Any) -> None:
        days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}", dimensions={"day": {"min": min}})
        (ships,) = by_day(app, "ships")
        app.create_data("n", [days, ships], **T)

    return declare


def test_what_lies_before_a_later_beginning_joins_nothing() -> None:
    running = Running(first("2024-01-01"))
    running.put("days/2024-01-05")
    running.deploy(first("2024-02-01"))
    assert running.put("ships/2024-01-05") == []
    running.deploy(first("2024-01-01"))
    assert running.put("ships/2024-01-05") == ["n/2024-01-05#1"]


@pytest.mark.parametrize(
    "before, after, said",
    [
        (rolled(True), rolled(True), "= n: what waits is kept (3 waiting)"),
        (values("NA", "EU", "FE"), values("NA", "EU"), "= n: what waits is kept (3 waiting)"),
        (rolled(True), by_week, "! n: what waits is lost (3 waiting): d is rolled up otherwise"),
        (rolled(True), nothing, "! n: what waits is lost (3 waiting): the node is removed"),
        (plain, rolled(True), "! n: what waits is lost (3 waiting): d is rolled up otherwise"),
        (either(0), either(1), "= n: what waits is kept (3 waiting)"),
        (
            filtered("*"),
            filtered("EU"),
            "= n: what waits is kept (3 waiting), but for what the filter of orders leaves out now",
        ),
        (filtered("EU"), filtered("*"), "= n: what waits is kept (3 waiting)"),
        (either(0), either(2), "! n: what waits is lost (3 waiting): a & b is no alternative any more"),
    ],
)
def test_a_plan_names_what_is_lost(before: Declare, after: Declare, said: str) -> None:
    def routes(declare: Declare) -> str:
        app = Application("shop")
        declare(app)
        return route_table(app.graph()).dumps()

    (found,) = pending(routes(before), routes(after), lambda *_: 3)
    assert str(found) == said


# ── events in flight ──────────────────────────────────────────────────────────────────────────────────

SPELLED: dict[str, Any] = {
    "UTC": {"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H", "timezone": "UTC"}},
    "Berlin": {"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H", "timezone": "Europe/Berlin"}},
    "text": {"hour": {"type": STRING}},
    "format": {"hour": {"type": DATETIME, "format": "%Y-%d-%m-%H", "timezone": "UTC"}},
}


def spelled(how: str) -> Declare:
    def declare(app: Any) -> None:
        hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}")
        links = [output.hour == hours.hour.fmt("%Y-%m-%d-%H")] if how == "text" else []
        spec = {"output_dimension_spec": SPELLED[how], "output_dim_links": links}
        app.create_data("n", [hours], **spec, **T, checks=[row_count(min=1)])
        app.create_data("m", [app["n"]], **T)
        app.create_data("told", [app["n"].checks["*"]], **T)

    return declare


@pytest.mark.parametrize("after", list(SPELLED))
@pytest.mark.parametrize("checked", ["", "PASS"])
@pytest.mark.parametrize("old", [False, True])
def test_an_event_in_flight_is_not_read_as_of_another_spelling(after: str, checked: str, old: bool) -> None:
    running = Running(spelled("UTC"))
    (document,) = running.engine.on_event(s3_event("lake", "hours/2024-05-06-05/_SUCCESS")).fired
    detail = json.loads(signal_entry(document, checked=checked)["Detail"])
    if old:  # an older version did not say what it means
        del detail["means"]
    running.deploy(spelled(after))
    outcome = running.engine.on_event({"source": "rheo", "detail-type": "rheo.signal", "detail": detail})
    assert bool(outcome.matches) == (after == "UTC" or old)
    if not outcome.matches:
        (rejected,) = outcome.rejected
        assert "dimensions of other types, formats or zones" in rejected.reason


# ── arrivals that are forgotten ───────────────────────────────────────────────────────────────────────


def test_case_26_what_was_forgotten_is_said_to_be_forgotten(app: Any) -> None:
    ledger = app.s3("ledger", "s3://lake/ledger/{year:%Y}")
    audit = app.s3("audit", "s3://lake/audit/{year:%Y}")
    app.create_data("report", inputs=[ledger, audit])
    sim = Simulator(app)
    sim.send(ledger["2024"])
    sim.advance(timedelta(days=91))
    runs = sim.send(audit["2024"])
    text = str(sim.explain("report", ["2024"]))
    assert runs or "forgotten" in text or sim.expired, f"it is said that ledger never came:\n{text}"
