"""What can never be done stands in nobody's way: sweeps, batches and look-ups bound by what is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from support.airflow import Airflow, refusal
from support.events import SWEEP, s3_event

from codegen.routes import route_table
from rheo_runtime import executions
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import Partial
from rheo_runtime.wire import RouteTable
from rheodsl.application import Application

from .tables import Clock

START = 1_764_000_000.0


def table(app: Application) -> RouteTable:
    return RouteTable.loads(route_table(app.graph()).dumps())


def object_created(key: str, time: str = "2026-11-28T00:00:00Z") -> dict[str, Any]:
    return s3_event("lake", key, time=time)


def one_node(name: str, **options: Any) -> Application:
    app = Application("shop")
    source = app.s3(f"{name}_in", f"s3://lake/{name}/{{n:int}}")
    app.create_data(name, inputs=[source], compute_targets=f"output = {name}_in", **options)
    return app


def asked(airflow: Airflow) -> Counter[str]:
    """How often Airflow was told of each execution."""
    return Counter(call["Body"]["extra"]["id"] for call in airflow.calls if call["Method"] == "POST")


def taken(airflow: Airflow) -> list[str]:
    """The executions that it took."""
    return [told["id"] for run in airflow.runs for told in run.told]


def listener(app: Application, clock: Clock, airflow: Airflow, ledger: Ledger) -> Listener:
    def quiet(what: str, /, **fields: Any) -> None: ...

    announce = Announcer(airflow, "airflow").announce
    return Listener(Engine(table(app), ledger, clock), announce, lambda document: None, log=quiet)


def two_nodes() -> Application:
    app = one_node("stale")
    live = app.s3("live_in", "s3://lake/live/{n:int}")
    app.create_data("live", inputs=[live], compute_targets="output = live_in")
    return app


def test_executions_that_airflow_refuses_do_not_starve_the_others() -> None:
    """Hundreds that a DAG never takes, each call a second, and a sweep of a minute: one that can run, runs soon."""
    clock, ledger = Clock(START), MemoryLedger()

    def refuses(call: Mapping[str, Any]) -> Exception | None:
        clock.time += 1
        return refusal(422) if "Body" in call and call["Body"]["extra"]["node"] == "stale" else None

    airflow = Airflow("shop", "stale", "live")
    airflow.refuses = refuses
    listening = listener(two_nodes(), clock, airflow, ledger)
    for n in range(300):
        listening.engine.on_event(object_created(f"stale/{n}/_SUCCESS"))
    listening.engine.on_event(object_created("live/7/_SUCCESS"))
    for _ in range(40):
        clock.time += 60
        start = clock.time
        listening.handle(SWEEP, lambda: 60_000 - (clock.time - start) * 1000)  # noqa: B023
    assert "live/7#1" in taken(airflow)
    # Those that are refused are asked about less and less: forty sweeps of 45 calls are 1,800.
    assert sum(asked(airflow).values()) < 1_300


def test_one_execution_that_airflow_answers_500_for_does_not_end_each_sweep() -> None:
    clock, ledger = Clock(START), MemoryLedger()
    airflow = Airflow("shop", "stale", "live")
    airflow.refuses = lambda call: (
        refusal(500) if "Body" in call and call["Body"]["extra"]["id"] == "stale/0#1" else None
    )
    listening = listener(two_nodes(), clock, airflow, ledger)
    for n in range(5):
        listening.engine.on_event(object_created(f"stale/{n}/_SUCCESS"))
    clock.time += 60
    listening.handle(SWEEP, lambda: 60_000)
    assert sorted(taken(airflow)) == [f"stale/{n}#1" for n in range(1, 5)]


def test_an_airflow_that_is_down_is_left_alone_after_a_few_calls() -> None:
    clock, ledger = Clock(START), MemoryLedger()
    airflow = Airflow("shop", "stale", "live")
    airflow.down = refusal(500)
    listening = listener(two_nodes(), clock, airflow, ledger)
    for n in range(50):
        listening.engine.on_event(object_created(f"stale/{n}/_SUCCESS"))
    clock.time += 60
    listening.handle(SWEEP, lambda: 60_000)
    assert len(airflow.calls) == 3


def test_executions_of_a_node_that_is_gone_end(make_ledger: Callable[[Callable[[], float]], Ledger]) -> None:
    clock = Clock(START)
    any_ledger = make_ledger(clock)
    airflow = Airflow("shop", "stale", "live")
    before = listener(two_nodes(), clock, airflow, any_ledger)
    for n in range(3):
        before.engine.on_event(object_created(f"stale/{n}/_SUCCESS"))
    after = listener(one_node("live"), clock, airflow, any_ledger)
    clock.time += 600
    after.handle(SWEEP, lambda: 60_000)
    assert airflow.calls == []
    assert list(any_ledger.unsettled()) == []
    ended = [output.ended[0] for output in any_ledger.outputs("stale")]
    assert {e.note for e in ended} == {"its node is no more"}


def test_executions_of_a_node_whose_inputs_have_changed_end() -> None:
    clock, ledger = Clock(START), MemoryLedger()
    airflow = Airflow("shop", "stale", "live")
    before = listener(two_nodes(), clock, airflow, ledger)
    for event in (1, 2):
        before.engine.on_event(object_created("live/7/_SUCCESS", f"2024-01-01T00:00:0{event}Z"))
    before.engine.on_event(object_created("stale/7/_SUCCESS"))
    executions.claim(ledger, "live", "7", "live/7#1", "run", clock())
    changed = one_node("stale")
    changed.create_data(
        "live", inputs=[changed.s3("live_in", "s3://lake/live/{n}")], compute_targets="output = live_in"
    )
    after = listener(changed, clock, airflow, ledger)
    lines: list[dict[str, Any]] = []
    after.log = lambda what, /, **fields: lines.append({"rheo": what, **fields})
    clock.time += 60
    after.handle(SWEEP, lambda: 60_000)
    output, _ = ledger.output("live", "7", None)
    assert output is not None and output.active is not None
    assert (output.active.state, output.held) == ("CLAIMED", None), "what a run has begun ends as any other"
    assert [e.note for e in output.ended] == ["the inputs or the output of its node have changed"]
    assert "live/7#2" in [line.get("execution") for line in lines if line["rheo"] == "ended"]
    assert taken(airflow) == ["stale/7#1"], "what means the same is announced"


def test_what_waits_for_other_inputs_is_dropped_with_a_log_line() -> None:
    def windowed(path: str) -> Application:
        app = Application("fair")
        days = app.s3("days", path)
        app.create_data("n", inputs=[days[:-2].range_check(True)], compute_targets="output = days")
        return app

    clock, ledger = Clock(START), MemoryLedger()
    airflow = Airflow("fair", "n")
    before = listener(windowed("s3://lake/live/{day:%Y-%m-%d}"), clock, airflow, ledger)
    before.engine.on_event(object_created("live/2024-01-02/_SUCCESS"))
    assert len(list(ledger.watches())) == 1
    after = listener(windowed("s3://lake/live/{day:%Y%m%d}"), clock, airflow, ledger)
    lines: list[dict[str, Any]] = []
    after.log = lambda what, /, **fields: lines.append({"rheo": what, **fields})
    after.handle(SWEEP, lambda: 60_000)
    assert [line for line in lines if line["rheo"] == "dropped"] == [
        {
            "rheo": "dropped",
            "node": "n",
            "what": "a binding that waited for days",
            "reason": "its inputs or links have changed",
        }
    ]
    assert list(ledger.watches()) == []


def test_a_date_at_the_end_of_time_stops_no_sweep() -> None:
    app = Application("shop")
    far = app.s3("far", "s3://lake/far/{day:%Y-%m-%d}")
    near = app.s3("near", "s3://lake/near/{day:%Y-%m-%d}")
    for source, window in ((far, far[:3]), (near, near[:-2])):
        app.create_data(
            f"n_{source.id}", inputs=[window.range_check(True)], compute_targets=f"output = {source.id}",
            pending_ttl=timedelta(hours=6),
        )  # fmt: skip
    clock = Clock(START)
    engine = Engine(table(app), MemoryLedger(), clock)
    last = engine.on_event(object_created("far/9999-12-31/_SUCCESS"))
    assert [d["id"] for d in last.fired] == ["n_far/9999-12-31#1"], (
        "no window reaches out of the range of dates"
    )
    engine.on_event(object_created("near/2026-11-28/_SUCCESS"))
    clock.time += 7 * 3600
    outcome = engine.tick()
    assert outcome.faults == [] and [w.output for w in outcome.expired] == ["2026-11-28"]


def test_one_broken_record_stops_no_other(monkeypatch: Any) -> None:
    app = two_nodes()
    clock, ledger = Clock(START), MemoryLedger()
    engine = Engine(table(app), ledger, clock)
    real = Engine._expire

    def broken(self: Engine, outcome: Any, node: Any) -> None:
        if node.id == "live":
            raise KeyError("a record of another version")
        real(self, outcome, node)

    monkeypatch.setattr(Engine, "_expire", broken)
    assert engine.tick().faults == ["what waits for live: KeyError: 'a record of another version'"]


def test_a_bad_entry_leaves_its_neighbours_alone() -> None:
    app = Application("shop")
    sales = app.s3("sales", "s3://lake/sales/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[sales], compute_targets="output = sales")
    dead: list[tuple[str, str]] = []
    airflow = Airflow("shop", "daily")
    listening = listener(app, Clock(START), airflow, MemoryLedger())
    listening.dead_letters = lambda body, reason: dead.append((body, reason))

    def entry(day: str, time: str) -> dict[str, Any]:
        key = f"sales/{day}/_SUCCESS"
        s3 = {"bucket": {"name": "lake"}, "object": {"key": key, "eTag": "x"}}
        return {"eventName": "ObjectCreated:Put", "eventTime": time, "s3": s3}

    good, bad = "2026-11-28T00:00:00Z", "no time"
    body = {"Records": [entry("2026-11-28", good), entry("2026-11-29", bad), entry("2026-11-30", good)]}
    answer = listening.handle({"Records": [{"messageId": "m", "body": json.dumps(body)}]}, lambda: 60_000)
    assert answer == {"batchItemFailures": []}
    assert taken(airflow) == ["daily/2026-11-28#1", "daily/2026-11-30#1"]
    ((letter, reason),) = dead
    assert json.loads(letter) == {"Records": [entry("2026-11-29", bad)]} and "no time" in reason


def test_what_expired_costs_one_read_for_each_input() -> None:
    """Not one for each subset of them: eighteen inputs were 262,143 look-ups."""
    reads: list[Partial] = []

    class Counting(MemoryLedger):
        def expiries(self, node: str, partial: Partial) -> Any:
            reads.append(partial)
            return super().expiries(node, partial)

    app = Application("shop")
    inputs = [app.s3(f"i{k}", f"s3://lake/i{k}/{{day:%Y-%m-%d}}") for k in range(18)]
    app.create_data("n", inputs=inputs, pending_ttl=timedelta(days=3), compute_targets="output = i0")
    engine = Engine(table(app), Counting(), Clock(START))
    fired = [d for k in range(18) for d in engine.on_event(object_created(f"i{k}/2026-11-28/_SUCCESS")).fired]
    assert len(fired) == 1 and len(reads) == 1
