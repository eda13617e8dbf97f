"""Events a second through matching and joining, in memory, on one core; and the memory of many arrivals.

The clock is the process's own CPU time, so that other work on the machine counts as little as it can.
Each figure is the best of several rounds on fresh engines, garbage collection included.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count, islice
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.engine import Engine
from rheo_runtime.events import S3Event
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.values import STRING, Kind, datetime_kind

EVENTS = 200_000
ROUNDS = 5
SIZES = (10, 1_000, 10_000)
GOAL = 200_000  # events a second at 1,000 routes
FLAT = 1.5  # how much slower 10,000 routes may be than 10
DAGSTER = 8_431  # events a second in a tick of Dagster, on a two-input 30-day join, in memory

BUCKET = "lake"
TEXT, DAY, COMPACT = Kind(STRING), datetime_kind(), datetime_kind("%Y%m%d")
DAYS = [(date(2020, 1, 1) + timedelta(n)).isoformat() for n in range(1461)]
NOW = 1.7e9

Result = dict[str, Any]


def dataset(id: str, **dims: Kind) -> wire.Signal:
    """A dataset at ``s3://lake/<id>/{}/...``."""
    template = "/".join([id, *["{}"] * len(dims)])
    return wire.Signal(
        id,
        tuple(dims),
        (tuple(wire.Rule(kind) for kind in dims.values()),),
        (wire.S3Events(BUCKET, template),),
        f"s3://{BUCKET}/{template}",
    )


def view(of: wire.Signal, window: int = 0, mode: str = "", value: str | None = None) -> wire.Input:
    """An input: ``window`` days back along the last dimension, ``value`` of the first."""
    kinds = [rule.kind for rule in of.branches[0]]
    rules = [wire.Rule(kind) for kind in kinds]
    if value is not None:
        rules[0] = wire.Rule(kinds[0], value=value)
    if window:
        rules[-1] = wire.Rule(kinds[-1], window=wire.Window(0, -window))
    return wire.Input(of.id, of.id, (tuple(rules),), mode)


def route(
    node: str, inputs: list[wire.Input], links: list[tuple[x.Expr, x.Expr]], dims: int = 2
) -> wire.Route:
    """A route whose output is the first input's partition, or its first ``dims`` dimensions."""
    names = ("region", "day")[:dims]
    output = wire.Output(
        names,
        tuple(rule.kind for rule in inputs[0].branches[0])[:dims],
        tuple(x.Ref(inputs[0].alias, name) for name in names),
        "/".join([f"s3://{BUCKET}/out/{node}", *["{}"] * dims]),
    )
    return wire.Route(node, tuple(inputs), tuple(links), output)


def equal(a: wire.Signal, b: wire.Signal, *names: str) -> list[tuple[x.Expr, x.Expr]]:
    return [(x.Ref(a.id, name), x.Ref(b.id, name)) for name in names]


def window_join(size: int, mode: str = "") -> wire.RouteTable:
    """Each route joins the last 30 days of one dataset with the same day of another."""
    signals, routes = [], []
    for n in range(size):
        a, b = dataset(f"a{n}", region=TEXT, day=DAY), dataset(f"b{n}", region=TEXT, day=DAY)
        signals += [a, b]
        routes.append(route(f"node{n}", [view(a, 30, mode), view(b)], equal(a, b, "region", "day")))
    return wire.RouteTable("bench", tuple(signals), tuple(routes))


def window_join_events(size: int) -> Iterator[str]:
    """Day after day, both datasets of every route."""
    for region in count():
        for day in DAYS:
            for n in range(size):
                yield f"a{n}/R{region}/{day}/_SUCCESS"
                yield f"b{n}/R{region}/{day}/_SUCCESS"


def mixed(size: int) -> wire.RouteTable:
    """Four kinds of route in equal shares: a window join, a value of a shared dataset, a link between
    two date formats, and a partly linked pair."""
    shared = dataset("shared", region=TEXT, day=DAY)
    signals, routes = [shared], []
    for n in range(size):
        kind = n % 4
        a = dataset(f"a{n}", region=TEXT, day=DAY)
        if kind == 1:
            routes.append(route(f"node{n}", [view(shared, 7, value=f"R{n}")], []))
            continue
        if kind == 0:
            b, links = dataset(f"b{n}", region=TEXT, day=DAY), ["region", "day"]
        elif kind == 2:
            b, links = dataset(f"b{n}", region=TEXT, day=COMPACT), ["region", "day"]
        else:
            b, links = dataset(f"b{n}", day=DAY), ["day"]
        signals += [a, b]
        routes.append(route(f"node{n}", [view(a, 30 if kind == 0 else 0), view(b)], equal(a, b, *links)))
    return wire.RouteTable("bench", tuple(signals), tuple(routes))


def mixed_events(size: int) -> Iterator[str]:
    """What such routes see: both sides of each join, part files, and now and then something unreadable."""
    for region in count():
        for day in DAYS:
            for n in range(size):
                kind = n % 4
                if kind == 1:
                    yield f"shared/R{n}/{day}/_SUCCESS"
                    continue
                yield f"a{n}/R{region}/{day}/_SUCCESS"
                yield f"a{n}/R{region}/{day}/part-0000.parquet"
                if kind == 2:
                    yield f"b{n}/R{region}/{day.replace('-', '')}/_SUCCESS"
                elif kind == 3:
                    yield f"b{n}/{day}/_SUCCESS"
                else:
                    yield f"b{n}/R{region}/{day}/_SUCCESS"
                if n % 100 == 0:
                    yield f"a{n}/R{region}/someday/_SUCCESS"


def events(keys: Iterator[str], number: int) -> list[S3Event]:
    """Object-created events, each with an identity of its own."""
    name = "_SUCCESS|d41d8cd98f00b204e9800998ecf8427e|"
    return [S3Event(BUCKET, key, f"{name}{n}", NOW + n) for n, key in enumerate(islice(keys, number))]


def throughput(table: wire.RouteTable, stream: list[S3Event]) -> tuple[float, int]:
    """Return events a second in the best of several rounds, and how many executions there were."""
    best, fired = 0.0, 0
    for _ in range(ROUNDS):
        engine = Engine(table, MemoryLedger(), lambda: NOW)
        on_event, fired = engine.on_event, 0
        gc.collect()
        gc.freeze()  # the events are the benchmark's, not the engine's, to look after
        start = time.process_time()
        for event in stream:
            on_event(event)
        best = max(best, len(stream) / (time.process_time() - start))
        gc.unfreeze()
        fired = sum(1 for _ in engine.ledger.outputs())
    return best, fired


def rates(
    what: str, table: Callable[[int], wire.RouteTable], keys: Callable[[int], Iterator[str]]
) -> list[Result]:
    """Measure one workload at every size; the baseline is 10 routes."""
    results: list[Result] = []
    baseline = 0.0
    for size in SIZES:
        rate, fired = throughput(table(size), events(keys(size), EVENTS))
        baseline = baseline or rate
        results.append(
            {
                "name": f"{what}, {size:,} routes",
                "value": round(rate),
                "unit": "events/s",
                "baseline": round(baseline),
                "ratio": round(baseline / rate, 2),
                "note": f"{fired:,} outputs; ratio: how much slower than 10 routes",
            }
        )
    return results


def memory(arrivals: int = 1_000_000) -> list[Result]:
    """Measure the state of many arrivals: pending ones, then the executions that they lead to."""
    engine = Engine(window_join(1_000), MemoryLedger(), lambda: NOW)
    gc.collect()
    tracemalloc.start()
    sizes = []
    for side in "ab":
        for n, key in enumerate(k for k in window_join_events(1_000) if k.startswith(side)):
            if n == arrivals:
                break
            engine.on_event(S3Event(BUCKET, key, f"_SUCCESS|d41d8cd98f00b204e9800998ecf8427e|{side}{n}", NOW))
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    pending, done = sizes
    return [
        {
            "name": f"memory of {arrivals:,} pending arrivals",
            "value": round(pending / 2**20),
            "unit": "MiB",
            "baseline": None,
            "ratio": None,
            "note": f"{pending / arrivals:.0f} bytes an arrival, its event id included",
        },
        {
            "name": f"memory of {2 * arrivals:,} arrivals and their {arrivals:,} executions",
            "value": round(done / 2**20),
            "unit": "MiB",
            "baseline": None,
            "ratio": None,
            "note": f"{(done - 2 * pending) / arrivals:.0f} bytes an execution",
        },
    ]


def run() -> list[Result]:
    """Measure everything."""
    results = rates("two-input 30-day window join", window_join, window_join_events)
    results += rates(
        "the same, every window checked", lambda size: window_join(size, "range_check"), window_join_events
    )
    results += rates("mixed workload", mixed, mixed_events)
    at_1000 = next(r for r in results if "1,000 routes" in r["name"])
    results.append(
        {
            "name": "window join at 1,000 routes against Dagster",
            "value": at_1000["value"],
            "unit": "events/s",
            "baseline": DAGSTER,
            "ratio": round(at_1000["value"] / DAGSTER, 1),
            "note": f"goal {GOAL:,}; Dagster's figure is its own, of one tick in memory",
        }
    )
    return results + memory()
