"""What recorded events cost, and how long they take."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.events import s3_event

from benchmarks.ledger import billed, kinds
from codegen.routes import route_table
from rheo_platforms.operations.capacity import (
    BATCHED_WRITES,
    INDEXED,
    JOURNAL,
    PACE,
    WRITES,
    Load,
    Started,
    apart,
    capacity_of,
    cost_of,
    load_of,
    load_of_runs,
)
from rheo_platforms.operations.prices import FILE, Prices
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheodsl import Application, Batch
from rheodsl.errors import SpecError

from .test_cli import FLIGHTS, rheo, s3_line

PRICES = Prices.read()


def shop(**options: object) -> Application:
    """``daily`` joins two data sets; ``copied`` reads it."""
    app = Application("shop")
    orders = app.s3("orders", "s3://bucket/orders/{region:int}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://bucket/ships/{region:int}/{day:%Y-%m-%d}")
    daily = app.create_data("daily", [orders, ships], compute_targets="output = orders", **options)  # type: ignore[arg-type]
    app.create_data("copied", [daily], compute_targets="output = daily")
    return app


def line(key: str, second: int) -> str:
    time = f"2024-01-01T00:{second // 60:02}:{second % 60:02}Z"
    return json.dumps(s3_event("bucket", key, etag=key, time=time))


def pairs(number: int) -> list[str]:
    days = [(date(2024, 1, 1) + timedelta(n)).isoformat() for n in range(number)]
    return [line(f"{s}/1/{day}/_SUCCESS", n) for n, day in enumerate(days) for s in ("orders", "ships")]


def test_a_load_counts_what_the_application_makes_of_events() -> None:
    load = load_of(shop(), [*pairs(10), "no JSON", "[]", "", line("elsewhere/x", 30)])
    assert (load.events, len(load.executions), load.seconds) == (21, 20, 30)
    assert load.arrivals == 30, "each execution of daily is an event for copied"
    by_node = {s.node: s for s in load.executions}
    assert by_node["copied"].after == (by_node["daily"].id,)


@pytest.mark.parametrize(
    "kind", [k for k in kinds(50) if "ten times" not in k.name], ids=lambda kind: kind.name
)
def test_units_of_the_ledger_are_those_that_are_billed(kind: object) -> None:
    """What is computed here of arrivals and executions, and what the stand-in bills for the code that runs."""
    name, table, keys = kind  # type: ignore[misc]
    units = billed(table, keys)
    node = Engine(table, MemoryLedger()).program.nodes[table.routes[0].node]
    indexes = {t.signal: i for t, i in zip(node.join.triggers, node.join.arrival_indexes, strict=True)}
    windows = bool(node.checks)
    share = 1 if "long after" in name else apart(node)
    writes = sum(len(indexes[key.split("/")[0]].indexes) * share + windows + JOURNAL for key in keys)
    writes += ((BATCHED_WRITES if table.routes[0].batch else WRITES) + INDEXED) * units.executions
    assert writes == pytest.approx(units.write + units.index, rel=0.1)


def test_the_cost_of_a_rate() -> None:
    app = shop()
    cost = cost_of(app, load_of(app, pairs(10)), PRICES, events_a_day=2_000_000)
    assert (cost.events, cost.executions, cost.runs) == (2_000_000, 2_000_000, 2_000_000)
    # Two workers of one unit each, for the minute that is the least.
    assert cost.glue_hours == pytest.approx(2_000_000 * 2 / 60)
    assert cost.dollars["Glue"] == pytest.approx(cost.glue_hours * 0.44)
    assert cost.dollars["ledger"] == pytest.approx(PRICES.ledger(cost.writes, cost.reads))
    assert cost.narrowest.name.startswith("runs of ")
    assert "narrowest: runs of " in str(cost)
    assert f"prices of {PRICES.as_of}" in str(cost)
    assert json.loads(json.dumps(cost.to_json()))["runs"] == 2_000_000


def test_a_batch_makes_fewer_runs_and_less_to_pay() -> None:
    one, many = shop(), shop(batch=Batch(max=500))
    costs = [cost_of(app, load_of(app, pairs(10)), PRICES, events_a_day=2_000_000) for app in (one, many)]
    assert costs[1].runs == 1_000_000 + 2_000
    assert costs[1].dollars["Glue"] < 0.51 * costs[0].dollars["Glue"]


def test_the_narrowest_place_of_short_jobs_is_the_door() -> None:
    app = shop(max_active_runs=1000)
    app.patch_data("copied", max_active_runs=1000)
    cost = cost_of(app, load_of(app, pairs(10)), PRICES, PACE._replace(minutes=0.01), 1_000_000)
    assert cost.narrowest.name == "calls of Airflow's API"
    assert cost.narrowest.use == pytest.approx(1_000_000 / 86400 / 10)


def test_nothing_costs_nothing() -> None:
    cost = cost_of(shop(), load_of(shop(), []), PRICES)
    assert sum(cost.dollars.values()) == cost.runs == 0
    assert capacity_of(shop(), load_of(shop(), [])).makespan == 0


def test_how_long_a_recording_takes() -> None:
    """One pair: two jobs of a minute, one after the other."""
    found = capacity_of(shop(), load_of(shop(), pairs(1)))
    assert (found.executions, found.runs) == (2, 2)
    assert found.makespan == pytest.approx(120, abs=1)
    assert found.late(1) == pytest.approx(120, abs=1)
    assert found.late(0.0) == pytest.approx(60, abs=1)


def test_what_waits_for_a_place_is_late() -> None:
    app = shop(max_active_runs=1)
    found = capacity_of(app, load_of(app, pairs(10)))
    assert found.makespan == pytest.approx(11 * 60, abs=15), "ten of daily in a row, and the last one's copy"
    assert "narrowest: runs of daily at once" in str(found)


def test_the_door_lets_ten_through_in_a_second() -> None:
    app = Application("door")
    source = app.s3("source", "s3://bucket/source/{n:int}")
    app.create_data("copied", [source], max_active_runs=10_000, compute_targets="output = source")
    load = Load("door", executions=[Started("copied", f"copied/{n}#1", 0.0, ()) for n in range(1000)])
    found = capacity_of(app, load, PACE._replace(minutes=0))
    assert found.makespan == pytest.approx(100, abs=1)
    assert "calls of Airflow's API" in str(found)


def test_batches_go_when_they_are_full_or_their_time_is_over() -> None:
    app = Application("door")
    source = app.s3("source", "s3://bucket/source/{n:int}")
    app.create_data("copied", [source], batch=Batch(max=400, wait=60), compute_targets="output = source")
    load = Load("door", executions=[Started("copied", f"copied/{n}#1", 0.0, ()) for n in range(1000)])
    found = capacity_of(app, load)
    assert (found.runs, found.executions) == (3, 1000)
    assert found.makespan == pytest.approx(120, abs=1), "the last 200 wait for a minute, and take one"
    assert found.to_json()["late"]["median"] == pytest.approx(60, abs=1)


def test_a_load_of_what_has_run() -> None:
    app, clock = shop(), [1.7e9]
    engine = Engine(route_table(app.graph()), MemoryLedger(), lambda: clock[0])
    for text in pairs(10):
        clock[0] += 1
        engine.on_event(json.loads(text))
    load = load_of_runs(app, engine.ledger)
    assert (load.events, len(load.executions), load.seconds) == (20, 10, 18)
    assert cost_of(app, load, PRICES).executions == pytest.approx(10 * 86400 / 18)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"as_of": "2025-01-01"}'])
def test_a_file_that_holds_no_prices(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(SpecError, match="prices") as fault:
        Prices.read(file)
    assert "prices.json" in str(fault.value.hint)


def test_prices_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(FILE.read_text("utf-8").replace('"glue_dpu_hour": 0.44', '"glue_dpu_hour": 1'))
    assert Prices.read(file).glue_dpu_hour == 1


def test_the_commands(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    day = "weather/EWR/01-01-2013/_SUCCESS"
    events.write_text("\n".join([s3_line("flights/EWR/2013-01-01/_SUCCESS"), s3_line(day)]))
    told = rheo("replay", str(events), "--app", FLIGHTS, "--capacity", "--minutes", "2")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("1 executions in 1 DAG runs: all done after 120 s\n"), told.stdout
    as_data = rheo("replay", str(events), "--app", FLIGHTS, "--capacity", "--json")
    assert json.loads(as_data.stdout)["runs"] == 1


def test_plan_tells_what_a_trace_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events.jsonl"
    day = "weather/EWR/01-01-2013/_SUCCESS"
    events.write_text("\n".join([s3_line("flights/EWR/2013-01-01/_SUCCESS"), s3_line(day)]))
    monkeypatch.setenv("RHEO_HOME", str(tmp_path / "home"))
    words = ("plan", "--app", FLIGHTS, "--trace", str(events), "--events-a-day", "2000")
    told = rheo(*words)
    assert told.returncode == 0, told.stderr
    assert "a day: 2,000 events, 1,000 executions" in told.stdout
    assert json.loads(rheo(*words, "--json").stdout)["cost"]["executions"] == 1000
