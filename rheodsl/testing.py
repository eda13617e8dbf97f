"""An application and events -> the runs they start: the simulator, without a cloud and without Airflow.

It runs the same matcher and joiner as the listener, with a ledger in memory and a virtual clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from codegen.routes import route_table
from rheo_runtime import values as v
from rheo_runtime import wire
from rheo_runtime.engine import Engine
from rheo_runtime.explain import Account
from rheo_runtime.ledger import MemoryLedger
from rheo_runtime.match import Rejected
from rheo_runtime.outcome import Match, Outcome
from rheo_runtime.pending import Waiting
from rheodsl import ir, schedule
from rheodsl.application import Application
from rheodsl.errors import FilterError, StateError, UnknownNameError
from rheodsl.testing_alarms import AlarmInputs
from rheodsl.testing_dags import load_dags, run_dag
from rheodsl.testing_hooks import HookCall, HookCalls
from rheodsl.views import View

__all__ = ["HookCall", "Run", "RunInput", "Simulator", "Unmatched", "load_dags", "run_dag"]

START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RunInput:
    """What a run reads of one input: ``paths`` of its partitions, the tip first, and the ``tip`` itself."""

    signal: str
    tip: dict[str, str | int]
    paths: list[str]


@dataclass(eq=False)
class Run:
    """One execution of a node.

    ``output`` and each input's ``tip`` show dates as text, as in the path, and LONG values as numbers.
    ``state`` is RUNNING, SUCCEEDED or FAILED; ``hooks`` are those of the node that it has called.
    """

    node: str
    output: dict[str, str | int]
    generation: int
    inputs: dict[str, RunInput]
    path: str | None
    document: Mapping[str, Any] = field(repr=False)
    state: str = "RUNNING"
    hooks: list[HookCall] = field(default_factory=list, repr=False)

    @property
    def id(self) -> str:
        """The execution's id: ``node/partition#generation``."""
        return str(self.document["id"])

    @property
    def partition(self) -> str:
        """The output partition as text: ``1/2020-03-18``."""
        return str(self.document["partition"])


class Simulator(AlarmInputs, HookCalls):
    """Runs an application in memory.

    An execution succeeds at once, and its output is sent on, unless ``auto_complete`` is False or
    `fail` says otherwise. ``rejected`` and ``unmatched`` keep events without effect, with reasons;
    ``skipped`` the executions that were merged into a later one, ``expired`` what waited too long, ``hooks``
    the calls of hooks.

    Parameters
    ----------
    app
        The application; it is compiled, so GraphError is raised for a faulty one.
    now
        The virtual time at the start, aware; 2024-01-01 UTC by default.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{region_id:int}/{day:%Y-%m-%d}")
    >>> daily = app.create_data("daily", inputs=[orders[1][:-2]])
    >>> sim = Simulator(app)
    >>> [run] = sim.send(orders[1]["2020-03-18"])
    >>> run.node, run.output
    ('daily', {'region_id': 1, 'day': '2020-03-18'})
    >>> run.inputs["orders"].paths
    ['s3://my-bucket/orders/1/2020-03-18', 's3://my-bucket/orders/1/2020-03-17']
    >>> sim.send(orders[2]["2020-03-18"])
    []
    """

    def __init__(self, app: Application, *, now: datetime = START) -> None:
        self.app = app
        self.graph = app.graph()
        self.table = route_table(self.graph)
        self.now = now
        self.auto_complete = True
        self.runs: list[Run] = []
        self.rejected: list[Rejected] = []
        self.unmatched: list[Any] = []
        self.matches: list[Match] = []  # of the last event
        self.skipped: list[dict[str, Any]] = []
        self.expired: list[Waiting] = []
        self._failing: Counter[str] = Counter()
        self._sent = 0
        self._signals = {signal.id: signal for signal in self.table.signals}
        self._routes = {route.node: route for route in self.table.routes}
        self._storage = _Storage()
        self._owed: deque[Run] = deque()  # succeeded runs whose output signals are to be sent
        self._engine = Engine(self.table, MemoryLedger(), self._time, self._storage)
        self._begin_alarms()
        self._begin_hooks()

    def __repr__(self) -> str:
        return f"Simulator({self.app.name!r}, {len(self.runs)} runs, {len(self.pending())} waiting)"

    # --- events ----------------------------------------------------------------------------------

    def send(self, event: View | Mapping[str, Any], *, event_id: str | None = None) -> list[Run]:
        """Send an event: a view that names one partition, or a raw AWS event. Return the runs it starts.

        Without ``event_id`` a view is a new event each time; a raw event carries its own identity. An alarm's
        view that names a state is an event of this minute; a proxy's announces the data linked to it too.
        """
        if isinstance(event, View):
            event = self._dated(event)
            tip, event_id = event.tip(), event_id or self._next_id()
            linked = [
                s.id for s in self.graph.signals if s.proxy is not None and s.proxy == event.signal.source
            ]
            runs: list[Run] = []
            for id in [*linked, self._id_of(event)]:
                unmatched = len(self.unmatched)
                runs += self._take(self._ready().on_signal(id, tip, event_id, self._time()), event)
                if linked and id == event.id:
                    del self.unmatched[unmatched:]  # nobody needs to take the proxy itself
            return runs
        return self._take(self._ready().on_event(dict(event)), event)

    def exists(self, view: View) -> None:
        """Put a partition into storage, without an event: the periodic check (`tick`) will find it."""
        self._storage.add((self._id_of(view), view.tip()))

    def fire(self, timer: View, at: datetime | None = None) -> list[Run]:
        """Let a timer fire, at ``at`` (UTC when naive) or now; shift and truncation apply."""
        source = timer.signal.source
        if not isinstance(source, ir.TimerSource):
            raise FilterError(f"{timer.id} is no timer", hint="send(view) sends any other signal")
        moment = at or self.now
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        kind = timer.branches[0][0].kind
        value = v.shift(v.from_datetime(moment, kind), source.shift, kind)
        event_id = f"{timer.id}@{moment.astimezone(UTC).isoformat()}"
        return self._take(self._ready().on_signal(timer.id, (value,), event_id, self._time()), timer)

    def tick(self) -> list[Run]:
        """Run the periodic check: storage, expiry, checkpoints."""
        self._hooks_tick(self._time())
        return self._take(self._ready().tick(), None)

    def advance(self, by: timedelta) -> list[Run]:
        """Let virtual time pass: timers fire and alarms are evaluated, then the periodic check runs."""
        if by < timedelta(0):
            raise FilterError(f"time cannot go back by {-by}", hint="advance by a positive timedelta")
        end = self.now + by
        started: list[Run] = []
        timers = [s for s in self.graph.signals if isinstance(s.source, ir.TimerSource)]
        fires = deque(
            sorted(
                (time, timer.id)
                for timer in timers
                for time in schedule.parse(timer.source.schedule).fire_times(self.now, end)  # type: ignore[union-attr]
            )
        )
        while (due := self._next_evaluation(end)) is not None or fires:
            if fires and (due is None or fires[0][0] <= due):
                self.now, id = fires.popleft()
                started += self.fire(View(self.graph.signal(id)), self.now)
            elif due is not None:
                self.now = due
                started += self._evaluate()
        self.now = end
        return started + self.tick()

    # --- runs ------------------------------------------------------------------------------------

    def fail(self, node: View | str, times: int = 1) -> None:
        """Let the node's next run, or the next several, fail."""
        self._failing[self._node_of(node)] += times

    def complete(self, run: Run, ok: bool = True) -> list[Run]:
        """End a run by hand (``auto_complete`` is False). Return the runs that start because of it."""
        if run.state != "RUNNING":
            raise StateError(
                f"run {run.id} has ended already: it {run.state.lower()}",
                hint="set sim.auto_complete = False before the event, to end its runs by hand",
            )
        first = len(self.runs)
        self._end(run, ok)
        self._settle()
        return self.runs[first:]

    def _take(self, outcome: Outcome, event: object) -> list[Run]:
        """Keep what an event came to; start its runs, and those that follow from their outputs."""
        first = len(self.runs)
        self.matches = outcome.matches
        self._note(outcome)
        if outcome.unmatched:
            self.unmatched.append(Unmatched(event, outcome.unmatched))
        self._settle()
        return self.runs[first:]

    def _note(self, outcome: Outcome) -> None:
        self.rejected += outcome.rejected
        self.skipped += outcome.skipped
        self.expired += outcome.expired
        self._hooks_skipped(outcome.skipped)
        self._hooks_told(outcome.told)
        for document in outcome.fired:
            self._start(document)

    def _start(self, document: Mapping[str, Any]) -> None:
        run = self._run(document)
        self.runs.append(run)
        self._hooks_begin(run, self._time())
        if self._engine.instant:
            run.state = "SUCCEEDED"  # the engine has ended it already
            self._owed.append(run)
            self._ended(run)
            self._hooks_end(run)
        elif self.auto_complete:
            failing = self._failing[run.node] > 0
            self._failing[run.node] -= failing
            self._end(run, not failing)

    def _end(self, run: Run, ok: bool) -> None:
        run.state = "SUCCEEDED" if ok else "FAILED"
        self._ended(run)
        self._hooks_end(run)
        if ok:
            self._owed.append(run)
        for document in self._engine.complete(dict(run.document), ok):
            self._start(document)

    def _settle(self) -> None:
        """Send the outputs of succeeded runs, in their order, and of those that follow."""
        while self._owed:
            run = self._owed.popleft()
            texts = tuple(run.document["output"]["dimensions"].values())
            self._note(self._ready().on_named(self.app.name, run.node, texts, run.id))

    def _ready(self) -> Engine:
        """The engine; each execution succeeds the moment it fires, unless one is to fail or to wait."""
        self._engine.instant = self.auto_complete and not self._failing.total()
        return self._engine

    def _run(self, document: Mapping[str, Any]) -> Run:
        route = self._routes[document["node"]]
        return Run(
            node=document["node"],
            output=_shown(document["output"]["dimensions"], route.output.kinds),
            generation=document["generation"],
            inputs={i["alias"]: self._input(i) for i in document["inputs"]},
            path=document["output"]["path"],
            document=document,
        )

    def _input(self, data: Mapping[str, Any]) -> RunInput:
        kinds = tuple(rule.kind for rule in self._signals[data["signal"]].branches[0])
        return RunInput(data["signal"], _shown(data["dimensions"], kinds), list(data["paths"]))

    # --- looking in ------------------------------------------------------------------------------

    def pending(self, node: View | str | None = None) -> list[Waiting]:
        """Return the waiting bindings of a node, or of all: each with ``arrived`` and ``missing``."""
        return list(self._engine.pending(None if node is None else self._node_of(node)))

    def explain(
        self, node: View | str, partition: Iterable[object] | Mapping[str, object] | View | None = None
    ) -> Account:
        """Tell in words why an output partition ran, or what it waits for.

        ``partition`` are the values of its dimensions, in a row or as `Run.output` has them; or give the
        view of the output alone: ``daily[1]["2020-03-18"]``.
        """
        if isinstance(node, View) and partition is None:
            partition = node.texts()
        elif isinstance(partition, View):
            partition = partition.texts()
        elif isinstance(partition, Mapping):
            partition = partition.values()
        return self._engine.explain(self._node_of(node), tuple(map(str, partition or ())))

    def _node_of(self, node: View | str) -> str:
        id = node if isinstance(node, str) else node.id
        if id not in self._routes:
            known = ", ".join(self._routes) or "none"
            raise UnknownNameError(f"{self.app.name} has no node {id!r}", hint=f"its nodes: {known}")
        return id

    def _id_of(self, view: View) -> str:
        if view.id not in self._signals:
            raise UnknownNameError(
                f"{self.app.name} has no signal {view.id!r}", hint="simulate the application that declares it"
            )
        return view.id

    def _next_id(self) -> str:
        self._sent += 1
        return f"event-{self._sent}"

    def _time(self) -> float:
        return self.now.timestamp()


class _Storage(set[tuple[str, v.Partition]]):
    """The partitions that `Simulator.exists` put there."""

    def exists(self, signal: wire.Signal, partition: v.Partition) -> bool:
        return (signal.id, partition) in self


@dataclass(frozen=True)
class Unmatched:
    """An event that came to no input, and why."""

    event: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.event!r}: {self.reason}"


def _shown(texts: Mapping[str, str], kinds: tuple[v.Kind, ...]) -> dict[str, str | int]:
    return {
        name: int(text) if kind.type == v.LONG else text
        for (name, text), kind in zip(texts.items(), kinds, strict=True)
    }


def compiled(app: Application) -> wire.RouteTable:
    """Return the application's route table, as the listener gets it."""
    return route_table(app.graph())
