"""Recorded events and an application -> what it takes to carry them: runs, calls, minutes, units, time.

What is counted is what the application's own matcher and joiner make of the events. How long Airflow and the
jobs take is said by `Pace`: measured figures, and for jobs what the caller knows of them.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

from codegen import plan as p
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_platforms.operations.prices import Prices
from rheo_runtime.consumers import Node
from rheo_runtime.executions import every
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import execution_id
from rheodsl import ir
from rheodsl.application import Application
from rheodsl.errors import RheoError
from rheodsl.testing.simulator import Run, Simulator

# Data processing units of Glue's workers, by type.
DPUS = {"G.025X": 0.25, "G.1X": 1.0, "G.2X": 2.0, "G.4X": 4.0, "G.8X": 8.0, "G.12X": 12.0, "G.16X": 16.0}
QUEUE_BATCH = 10  # messages of one invocation of the listener
# What an execution costs the ledger from its firing to its signal, a sweep's look at it included: see
# tests/airflow/test_ledger_cost.py. In full batches the sweep finds it by a journal, which is written once for ten
# messages, and twice more when it is full; else, and where no event tells alone what it fires, by an index.
# In a batch its claim is no write, and the job does not ask for it.
WRITES, INDEXED, READS = 3, 1, 3
BATCHED_WRITES, BATCHED_READS = 2, 2.5
JOURNAL, TODO = 1.4 / QUEUE_BATCH, 2


class Pace(NamedTuple):
    """How fast things go: calls of MWAA's API a second, seconds in which Airflow creates a run, minutes of a job."""

    calls: float = 10.0
    run_seconds: float = 0.016
    minutes: float = 1.0


PACE = Pace()


class Started(NamedTuple):
    """An execution of a trace: what fired, when its last external event came, and what it reads of other nodes."""

    node: str
    id: str
    at: float
    after: tuple[str, ...]


@dataclass
class Load:
    """What recorded events came to: how many, in how many seconds, what they fired, and what the ledger did."""

    app: str
    events: int = 0
    seconds: float = 0.0
    executions: list[Started] = field(default_factory=list)
    arrivals: int = 0
    writes: float = 0.0
    reads: float = 0.0


def load_of(app: Application, lines: Iterable[str]) -> Load:
    """Return what recorded events come to, one JSON object a line; what is no event is left out.

    Parameters
    ----------
    app
        The application.
    lines
        The lines of the recording, in order; an event's ``time`` is when it came.
    """
    simulator = Simulator(app)
    program = Program(simulator.table)
    found = Load(app.name)
    latest: dict[tuple[str, str], str] = {}
    takers: dict[str, list[tuple[str, str]]] = defaultdict(list)  # of outputs: each is an event, too
    for node in program.nodes.values():
        for trigger in node.join.triggers:
            takers[trigger.signal].append((node.id, trigger.alias))
    first = now = 0.0
    for line in filter(str.strip, lines):
        try:
            event = json.loads(line)
            runs = simulator.send(event) if isinstance(event, dict) else None
        except (ValueError, RheoError):
            continue
        if runs is None:
            continue
        now = max(now, _time(event, now))
        first = first or now
        found.events += 1
        for match in simulator.matches:
            _arrived(found, program, match.signal, match.inputs)
        for run in runs:
            found.executions.append(_started(run, simulator.graph, latest, now))
            latest[run.node, run.partition] = run.id
            _made(found, program, run.node)
            if inputs := takers.get(run.node):
                _arrived(found, program, run.node, inputs)
    found.seconds = now - first
    return found


def load_of_runs(app: Application, ledger: Ledger) -> Load:
    """Return what has run, as far as an application's ledger remembers: of each output its latest executions.

    Parameters
    ----------
    app
        The application, as it is now; what ran for a node that it has not is left out.
    ledger
        Its ledger.
    """
    program, found = Program(route_table(app.graph())), Load(app.name)
    events: set[str] = set()
    times: list[float] = []
    for output in ledger.outputs():
        if output.node not in program.nodes:
            continue
        for execution in every(output):
            if not execution.events:
                continue
            id = execution_id(output.node, output.partition, execution.generation)
            found.executions.append(Started(output.node, id, execution.fired, ()))
            events.update(execution.events)
            times.append(execution.fired)
            for trigger in program.nodes[output.node].join.triggers:
                _arrived(found, program, trigger.signal, [(output.node, trigger.alias)])
            _made(found, program, output.node)
    found.executions.sort(key=lambda started: (started.at, started.id))
    found.events = len(events)
    found.seconds = max(times, default=0.0) - min(times, default=0.0)
    return found


def _time(event: Mapping[str, Any], otherwise: float) -> float:
    try:
        at = datetime.fromisoformat(str(event.get("time")))
    except ValueError:
        return otherwise
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _arrived(found: Load, program: Program, signal: str, inputs: Iterable[tuple[str, str]]) -> None:
    source = program.signal_sources[signal]
    if source.layout is not None:
        found.writes, found.reads = found.writes + 1, found.reads + 1
    for node, alias in inputs:
        for way in program.ways(node):
            join = way.join
            for trigger, index in zip(join.triggers, join.arrival_indexes, strict=True):
                if trigger.alias == alias:
                    found.arrivals += 1
                    found.writes += len(index.indexes) * apart(way) + JOURNAL * any(join.told_by)
                    if not (join.by_key and join.all):  # else they come together, and none reads the others
                        found.reads += join.size - 1


def apart(way: Node) -> float:
    """Return how many of the arrivals at an input are written apart from the firing, of what comes one after the other.

    Those are it of which some partner is in the queue's next batch.
    """
    return min(1.0, (way.join.size - 1) / QUEUE_BATCH) if way.at_once else 1.0


def _made(found: Load, program: Program, node_id: str) -> None:
    node, batched = program.nodes[node_id], node_id in program.batches
    writes, reads = (BATCHED_WRITES, BATCHED_READS) if batched else (WRITES, READS)
    found.writes += writes + INDEXED + TODO * (not any(node.join.told_by))
    found.reads += reads + (not node.guesses) + len(node.checks)


def _started(run: Run, graph: ir.Graph, latest: Mapping[tuple[str, str], str], now: float) -> Started:
    read = [
        latest.get((i.signal, "/".join(map(str, i.tip.values()))))
        for i in run.inputs.values()
        if graph.has_node(i.signal)
    ]
    return Started(run.node, run.id, now, tuple(id for id in read if id is not None))


class Place(NamedTuple):
    """A place that all goes through, and how much of what it can carry is asked of it: 1 is all."""

    name: str
    use: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What an application costs at a rate of events: of each thing how much a day, and dollars a day.

    ``narrowest`` is the place of which most is asked; ``str()`` tells all of it.
    """

    events: float
    executions: float
    runs: float
    glue_hours: float
    writes: float
    reads: float
    dollars: Mapping[str, float]
    places: tuple[Place, ...]
    as_of: str

    @property
    def narrowest(self) -> Place:
        """The place of which most is asked."""
        return max(self.places, key=lambda place: place.use)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; figures are of a day."""
        return {
            "events": self.events, "executions": self.executions, "runs": self.runs,
            "glue_dpu_hours": self.glue_hours, "ledger_writes": self.writes, "ledger_reads": self.reads,
            "dollars": dict(self.dollars), "prices": self.as_of,
            "places": [{"name": place.name, "use": place.use} for place in self.places],
        }  # fmt: skip

    def __str__(self) -> str:
        total = sum(self.dollars.values())
        split = ", ".join(f"{name} ${dollars:,.2f}" for name, dollars in self.dollars.items())
        narrow = self.narrowest
        return "\n".join(
            [
                f"a day: {self.events:,.0f} events, {self.executions:,.0f} executions",
                f"  {self.runs:,.0f} DAG runs, as many calls of Airflow's API",
                f"  {self.glue_hours:,.1f} DPU hours of Glue at least",
                f"  {self.writes:,.0f} write units and {self.reads:,.0f} read units of the ledger",
                f"  ${total:,.2f}: {split} (prices of {self.as_of})",
                f"  narrowest: {narrow.name}, {narrow.use:.0%} of what it carries",
            ]
        )


def cost_of(
    app: Application, load: Load, prices: Prices, pace: Pace = PACE, events_a_day: float | None = None
) -> Cost:
    """Return what a load costs a day.

    Parameters
    ----------
    app, load
        The application, and what recorded events came to in it.
    prices, pace
        What things cost, and how long they take.
    events_a_day
        How many events a day there are; as many as in the recording, when left out.
    """
    per_day = _per_day(load, events_a_day)
    by_node = Counter(started.node for started in load.executions)
    plan = build_plan(app.graph())
    runs: dict[str, float] = {}
    glue = 0.0
    places = []
    for dag in plan.dags:
        fired = by_node[dag.node] * per_day
        runs[dag.node] = fired / dag.batch.max if dag.batch is not None else fired
        minutes = max(prices.glue_minimum_minutes, pace.minutes)
        glue += runs[dag.node] * minutes / 60 * sum(map(_dpus, dag.tasks))
        places.append(
            Place(f"runs of {dag.node} at once", runs[dag.node] * pace.minutes / 1440 / dag.max_active_runs)
        )
    calls, events = sum(runs.values()), load.events * per_day
    places.append(Place("calls of Airflow's API", calls / 86400 / pace.calls))
    places.append(Place("runs that Airflow's scheduler creates", calls * pace.run_seconds / 86400))
    executions = sum(by_node.values()) * per_day
    writes, reads = load.writes * per_day, load.reads * per_day
    messages = events + executions
    dollars = {
        "Glue": glue * prices.glue_dpu_hour,
        "ledger": prices.ledger(writes, reads),
        "queue and bus": (
            messages * (1 + 2 / QUEUE_BATCH) * prices.queue_request_million + executions * prices.event_million
        ) / 1e6,
        "listener": messages / QUEUE_BATCH * prices.function_request_million / 1e6,
    }  # fmt: skip
    return Cost(events, executions, calls, glue, writes, reads, dollars, tuple(places), prices.as_of)


def _per_day(load: Load, events_a_day: float | None) -> float:
    """How many times a day the recording happens."""
    if events_a_day is not None:
        return events_a_day / load.events if load.events else 0.0
    return 86400 / max(load.seconds, 1.0) if load.seconds else 1.0


def _dpus(task: p.Task) -> float:
    """The data processing units of a run of a task's job; none where it is no job of Glue."""
    if not isinstance(task, p.SparkTask):
        return 0.0
    given = dict(task.parameters)
    if "MaxCapacity" in given:
        return float(given["MaxCapacity"])
    return DPUS.get(str(given.get("WorkerType", "G.1X")), 1.0) * float(given.get("NumberOfWorkers", 2))


@dataclass(frozen=True, slots=True)
class Capacity:
    """How long a recording takes, and how late its executions end: seconds after the event that let each fire.

    ``waits`` are the seconds that executions have waited at each place, together.
    """

    executions: int
    runs: int
    makespan: float
    lateness: tuple[float, ...]
    waits: Mapping[str, float]

    def late(self, part: float) -> float:
        """Return the lateness that this part of all executions does not exceed."""
        return (
            self.lateness[min(len(self.lateness) - 1, int(part * len(self.lateness)))]
            if self.lateness
            else 0.0
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are in seconds."""
        return {
            "executions": self.executions, "runs": self.runs, "makespan": self.makespan,
            "late": {"median": self.late(0.5), "p95": self.late(0.95), "most": self.late(1)},
            "waits": dict(self.waits),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.executions:,} executions in {self.runs:,} DAG runs: all done after {self.makespan:,.0f} s",
            f"late by {self.late(0.5):,.0f} s at the median, {self.late(0.95):,.0f} s at 95%, {self.late(1):,.0f} s at most",
        ]
        if self.waits and max(self.waits.values()) > 0:
            place = max(self.waits, key=lambda name: self.waits[name])
            lines.append(f"narrowest: {place}, where {self.waits[place]:,.0f} s were waited")
        return "\n".join(lines)


def capacity_of(app: Application, load: Load, pace: Pace = PACE) -> Capacity:
    """Return how long an application takes for a recording.

    Each run goes through MWAA's door, is created by Airflow's scheduler, one after the other, and takes one of its
    node's places for as long as `Pace` says. An execution that reads another's output begins after that one.

    Parameters
    ----------
    app, load
        The application, and what recorded events came to in it.
    pace
        How long things take.
    """
    plan = {dag.node: dag for dag in build_plan(app.graph()).dags}
    free = {node: [0.0] * dag.max_active_runs for node, dag in plan.items()}
    known = {started.id: started for started in load.executions}
    open_: dict[str, int] = {}
    followers: dict[str, list[str]] = defaultdict(list)
    for id, started in known.items():
        before = {other for other in started.after if other in known and other != id}
        open_[id] = len(before)
        for other in before:
            followers[other].append(id)
    number = count()
    ready: list[tuple[float, int, str, str]] = [
        (s.at, next(number), s.id, "") for s in load.executions if not open_[s.id]
    ]
    heapq.heapify(ready)
    gathered: dict[str, list[str]] = defaultdict(list)
    waits: dict[str, float] = defaultdict(float)
    ended: dict[str, float] = {}
    door = scheduler = 0.0
    runs = 0

    def run(ids: tuple[str, ...], at: float) -> None:
        nonlocal door, scheduler, runs
        node, runs = known[ids[0]].node, runs + 1
        called = max(at, door)
        door = called + 1 / pace.calls
        created = max(called, scheduler) + pace.run_seconds
        scheduler = created
        begun = max(created, heapq.heappop(free[node]))
        end = begun + pace.minutes * 60
        heapq.heappush(free[node], end)
        waits["calls of Airflow's API"] += (called - at) * len(ids)
        waits["runs that Airflow's scheduler creates"] += (created - pace.run_seconds - called) * len(ids)
        waits[f"runs of {node} at once"] += (begun - created) * len(ids)
        for id in ids:
            ended[id] = end
            for other in followers[id]:
                open_[other] -= 1
                if not open_[other]:
                    heapq.heappush(ready, (max(end, known[other].at), next(number), other, ""))

    while ready:
        at, _, id, first_of = heapq.heappop(ready)
        if first_of:  # the time of the batch that began with this one is over
            if gathered[id][:1] == [first_of]:
                run(tuple(gathered.pop(id)), at)
            continue
        node = known[id].node
        batch = plan[node].batch
        if batch is None:
            run((id,), at)
            continue
        gathered[node].append(id)
        if len(gathered[node]) >= batch.max:
            run(tuple(gathered.pop(node)), at)
        elif len(gathered[node]) == 1:
            heapq.heappush(ready, (at + batch.seconds, next(number), node, id))
    first = min((s.at for s in load.executions), default=0.0)
    late = sorted(end - known[id].at for id, end in ended.items())
    makespan = max(ended.values(), default=first) - first
    return Capacity(len(ended), runs, makespan, tuple(late), dict(waits))
