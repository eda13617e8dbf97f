"""An application and events -> the runs they start: the simulator, without a cloud and without Airflow.

It runs the same matcher and joiner as the listener, with a ledger in memory and a virtual clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from codegen.routes import route_table
from rheo_runtime import values as v
from rheo_runtime import wire
from rheo_runtime.comparison import Listed
from rheo_runtime.engine import Engine, Match, Outcome
from rheo_runtime.events import BadEvent, S3Deletion, S3Event, SignalEvent, parse, unwrapped
from rheo_runtime.explain import late_input
from rheo_runtime.match import Rejected
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.stale import Stale, stale
from rheo_runtime.waiting import Waiting
from rheo_runtime.wire import CHECK_RESULTS, FAIL, PASS, checks_signal
from rheodsl import ir, schedule
from rheodsl.application import Application
from rheodsl.cloudwatch.alarm_rule import AlarmState
from rheodsl.cloudwatch.metrics import MetricNode
from rheodsl.errors import FilterError, StateError, UnknownNameError
from rheodsl.explaining import explanation, late_partition
from rheodsl.reports import Explanation, LatePartition, as_html
from rheodsl.signals import View
from rheodsl.testing.alarms import ActionTaken, SimulatedAlarms, dated
from rheodsl.testing.dags import load_dags, run_dag
from rheodsl.testing.hooks import HookCall, HookCalls
from rheodsl.words import knows_its_words

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
    ``state`` is RUNNING, SUCCEEDED or FAILED; ``hooks`` are those of the node that it has called. ``checked`` is how
    its checks ended: PASS, WARN or FAIL, "" where none were made.
    """

    node: str
    output: dict[str, str | int]
    generation: int
    inputs: dict[str, RunInput]
    path: str | None
    document: Mapping[str, Any] = field(repr=False)
    state: str = "RUNNING"
    hooks: list[HookCall] = field(default_factory=list, repr=False)
    checked: str = ""

    @property
    def id(self) -> str:
        """The execution's id: ``node/partition#generation``."""
        return str(self.document["id"])

    @property
    def partition(self) -> str:
        """The output partition as text: ``1/2020-03-18``."""
        return str(self.document["partition"])


@knows_its_words
class Simulator:
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
        # How the checks of the next runs of a node end; that of a node without any is always "".
        self._checks = {node.id: deque[str]() for node in self.graph.nodes if node.checks}
        self._sent = 0
        self._signals = {signal.id: signal for signal in self.table.signals}
        self._routes = {route.node: route for route in self.table.routes}
        self._storage = _Storage(self.app.name)
        self._changes = (
            0  # written partitions and fired executions are numbered: what is newer has a higher one
        )
        self._written: dict[tuple[str, v.Partition], tuple[int, str]] = {}
        self._fired: dict[str, int] = {}
        self._owed: deque[Run] = deque()  # runs that ended, whose signals are to be sent
        self._engine = Engine(self.table, MemoryLedger(), self._time, self._storage)
        self._engine.begin()
        self._alarms = SimulatedAlarms(self.graph)
        self._hooks = HookCalls(self.graph)

    def __repr__(self) -> str:
        return f"Simulator({self.app.name!r}, {len(self.runs)} runs, {len(self.pending())} waiting)"

    def _repr_html_(self) -> str:
        """What ran, and what waits for what."""
        ran = [(run.id, run.state, ", ".join(run.inputs)) for run in self.runs]
        waiting = [
            (f"{w.node} {w.output or ''}".rstrip(), m.alias, m.reason)
            for w in self.pending()
            for m in w.missing
        ]
        caption = f"simulator of {self.app.name} at {self.now:%Y-%m-%d %H:%M:%S}"
        return as_html(caption, ("run", "state", "inputs"), ran) + as_html(
            "what waits", ("output", "missing", "why"), waiting
        )

    # --- events ----------------------------------------------------------------------------------

    def send(self, event: View | Mapping[str, Any], *, event_id: str | None = None) -> list[Run]:
        """Send an event: a view that names one partition, or a raw AWS event. Return the runs it starts.

        Without ``event_id`` a view is a new event each time; a raw event carries its own identity. An alarm's
        view that names a state is an event of this minute; a proxy's announces the data linked to it too.
        """
        if isinstance(event, View):
            event = dated(event, self.now)
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
        raw = dict(unwrapped(event, self.table.topics()))
        self._keep(raw)
        return self._take(self._ready().on_event(raw), event)

    def _keep(self, raw: Mapping[str, Any]) -> None:
        """Let storage have the objects that a raw event tells of, until their deletion."""
        try:
            events = parse(raw)
        except BadEvent:
            return  # the engine says so
        for one in events:
            if isinstance(one, S3Event | S3Deletion):
                matcher = self._engine.program.matcher
                one = matcher.read(one)
                for found in matcher.match(one)[0]:
                    if found.signal_source.ends:
                        written = isinstance(one, S3Event)
                        self._storage.change(found.signal, found.partition, one.key, one.time, written)

    def exists(self, view: View, there: bool = True) -> None:
        """Put a partition into storage, without an event: windows that wait for it find it at the next `tick`.

        Where its data is compared with what arrived (``reconcile``; tables are), it arrives then. With ``there=False``
        it leaves storage without an event, and the comparison finds that.
        """
        if there:
            self._storage.put(self._id_of(view), view.tip(), self._time())
        else:
            self._storage.remove(self._id_of(view), view.tip())

    def fire(self, timer: View, at: datetime | None = None) -> list[Run]:
        """Let a timer fire, at ``at`` (UTC when naive) or now; shift and truncation apply."""
        source = timer.signal.source
        if not isinstance(source, ir.TimerSource):
            raise FilterError(f"{timer.id} is no timer", hint="send(view) sends any other signal")
        moment = at or self.now
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        kind = timer.branches[0][0].kind
        text = v.render(v.fired(moment, source.shift, kind), kind)
        event_id = f"{timer.id}@{moment.astimezone(UTC).isoformat()}"
        outcome = self._ready().on_named(self.app.name, self._id_of(timer), (text,), event_id, self._time())
        return self._take(outcome, timer)

    def tick(self) -> list[Run]:
        """Run the periodic check: storage, expiry, checkpoints."""
        self._hooks.tick(self._time())
        return self._take(self._ready().tick(), None)

    def advance(self, by: timedelta) -> list[Run]:
        """Let virtual time pass: timers fire and alarms are evaluated, then the periodic check runs."""
        if by < timedelta(0):
            raise FilterError(f"time cannot go back by {-by}", hint="advance by a positive timedelta")
        end = self.now + by
        started: list[Run] = []
        timers = [s for s in self.graph.signals if isinstance(s.source, ir.TimerSource)]
        fires = deque(sorted((time, timer.id) for timer in timers for time in _fires(timer, self.now, end)))
        while True:
            due, late = (
                self._alarms.next_evaluation(self.now, end),
                self._upcoming(self._engine.next_late(), end),
            )
            settled = self._upcoming(self._engine.next_settled(), end)
            if settled is not None and late is not None and settled <= late:
                late = None  # what is quiet by then has come by then
            others = [time for time in (due, fires[0][0] if fires else None) if time is not None]
            if settled is not None and late is None and all(settled <= time for time in others):
                self.now = settled
                started += self._take(self._ready().settle(), None)
            elif late is not None and all(late <= time for time in others):
                self.now = late
                started += self._take(self._ready().judge(), None)
            elif not others:
                break
            elif fires and (due is None or fires[0][0] <= due):
                self.now, id = fires.popleft()
                started += self.fire(View(self.graph.signal(id)), self.now)
            elif due is not None:
                self.now = due
                started += self._announce(self._alarms.evaluate(self.now))
        self.now = end
        return started + self.tick()

    def _upcoming(self, due: float | None, end: datetime) -> datetime | None:
        """When something is due that the periodic check does, up to and with a time; what is overdue is done at once."""
        if due is None or due > end.timestamp():
            return None
        return max(self.now, datetime.fromtimestamp(due, UTC))

    # --- metrics and alarms ----------------------------------------------------------------------

    @property
    def alarms(self) -> dict[str, AlarmState]:
        """The states of all alarms, by id; at first INSUFFICIENT_DATA."""
        return self._alarms.states

    @property
    def actions(self) -> list[ActionTaken]:
        """What the default actions of alarms did, in order."""
        return self._alarms.actions

    @property
    def hooks(self) -> list[HookCall]:
        """The calls of hooks, in order."""
        return self._hooks.calls

    def metric(
        self,
        metric: MetricNode | str,
        value: float | Iterable[float] = 1,
        *,
        at: datetime | None = None,
    ) -> None:
        """Send a value of a metric, or several, at the virtual time or ``at``.

        Alarms see it when the minute is over: `advance` evaluates them. ``metric`` is a view that names
        one metric, ``errors["Error"]``, or a name as `Application.metric` takes it.
        """
        view = self.app.metric(metric) if isinstance(metric, str) else metric
        if not isinstance(view, MetricNode):
            raise FilterError(f"{view!r} is no metric", hint="send(view) sends any other signal")
        values = [value] if isinstance(value, int | float) else list(value)
        self._alarms.add(view, values, self.now if at is None else at)

    def alarm(self, alarm: View | str, state: AlarmState | str) -> list[Run]:
        """Set an alarm's state by hand; return the runs that its transition starts, and its composites'.

        Nothing happens when it is in this state already. It keeps the state until a value of one of its
        metrics is sent.
        """
        return self._announce(
            self._alarms.put(alarm if isinstance(alarm, str) else alarm.id, state, self.now)
        )

    def _announce(self, events: Iterable[View]) -> list[Run]:
        return [run for event in events for run in self.send(event)]

    # --- runs ------------------------------------------------------------------------------------

    def fail(self, node: View | str, times: int = 1) -> None:
        """Let the node's next run, or the next several, fail."""
        self._failing[self._node_of(node)] += times

    def check(self, node: View | str, result: str, times: int = 1) -> None:
        """Let the checks of the node's next run, or of the next several, end in PASS, WARN or FAIL.

        FAIL fails the run. Without it they pass.

        >>> from rheodsl import *
        >>> app = Application("shop")
        >>> orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
        >>> daily = app.create_data("daily", orders, compute_targets="output = orders", checks=row_count(1))
        >>> again = app.create_data("again", daily.checks["FAIL"])
        >>> sim = Simulator(app)
        >>> sim.check("daily", "FAIL")
        >>> [(run.node, run.state, run.checked) for run in sim.send(orders["2024-01-01"])]
        [('daily', 'FAILED', 'FAIL'), ('again', 'SUCCEEDED', '')]
        """
        id = self._node_of(node)
        if id not in self._checks:
            raise FilterError(f"{id} has no checks", hint="give it some: checks=[row_count(1)]")
        if result not in CHECK_RESULTS:
            raise FilterError(f"{result!r} is no result of checks", hint=f"use {', '.join(CHECK_RESULTS)}")
        self._checks[id].extend([result] * times)

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
        self._changes += 1
        for match in outcome.matches:
            place = match.signal, match.partition
            self._storage.written(*place)
            if self._written.get(place, (0, ""))[1] != match.event_id:
                self._written[place] = self._changes, match.event_id
        self._fired.update((document["id"], self._changes) for document in (*outcome.fired, *outcome.held))
        self.rejected += outcome.rejected
        self.skipped += outcome.skipped
        self.expired += outcome.expired
        self._hooks.skipped(outcome.skipped)
        self._hooks.told(outcome.told)
        for document in outcome.fired:
            self._start(document)

    def _start(self, document: Mapping[str, Any]) -> None:
        run = self._run(document)
        self.runs.append(run)
        self._hooks.begin(run, self._time())
        if self._engine.instant:
            run.state = "SUCCEEDED"  # the engine has ended it already
            run.checked = self._result(run.node)
            self._owed.append(run)
            self._alarms.ended(run.node, True, run.checked, self.now)
            self._hooks.end(run)
        elif self.auto_complete:
            failing = self._failing[run.node] > 0
            self._failing[run.node] -= failing
            self._end(run, not failing)

    def _end(self, run: Run, ok: bool) -> None:
        run.checked = self._result(run.node) if ok else ""
        ok = ok and run.checked != FAIL
        run.state = "SUCCEEDED" if ok else "FAILED"
        self._alarms.ended(run.node, ok, run.checked, self.now)
        self._hooks.end(run)
        if ok or run.checked:
            self._owed.append(run)
        for document in self._engine.complete(dict(run.document), ok):
            self._start(document)

    def _settle(self) -> None:
        """Send what runs have to tell, in their order, and those that follow."""
        while self._owed:
            run = self._owed.popleft()
            texts = tuple(run.document["output"]["dimensions"].values())
            if run.state == "SUCCEEDED":
                self._note(self._ready().on_named(self.app.name, run.node, texts, run.id))
            if run.checked and (checks := checks_signal(run.node)) in self._signals:
                named = (run.checked, *texts)
                self._note(self._ready().on_named(self.app.name, checks, named, run.id))

    def _result(self, node: str) -> str:
        """How the checks of a run end whose compute succeeded."""
        if node not in self._checks:
            return ""
        return self._checks[node].popleft() if self._checks[node] else PASS

    def _ready(self) -> Engine:
        """The engine; each execution succeeds the moment it fires, unless one is to fail or to wait."""
        blocked = any(FAIL in results for results in self._checks.values())
        self._engine.instant = self.auto_complete and not self._failing.total() and not blocked
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
        signal = self._signals[data["signal"]]
        of = {dim: rule.kind for dim, rule in zip(signal.dims, signal.branches[0], strict=True)}
        kinds = tuple(of[dim] for dim in data["dimensions"])  # of a rollup, those that it leaves
        return RunInput(data["signal"], _shown(data["dimensions"], kinds), list(data["paths"]))

    # --- looking in ------------------------------------------------------------------------------

    def pending(self, node: View | str | None = None) -> list[Waiting]:
        """Return the waiting bindings of a node, or of all: each with ``arrived`` and ``missing``."""
        return list(self._engine.pending(None if node is None else self._node_of(node)))

    def stale(self, node: View | str | None = None) -> list[Stale]:
        """Return the outputs that are older than what they read, of a node and what it reads, or of all.

        Each with ``node``, ``partition`` and ``newer``, what is newer than it: ancestors first. What was sent
        after an output was fired is newer, whatever the virtual clock says.

        >>> from rheodsl import *
        >>> app = Application("shop")
        >>> orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
        >>> rates = app.s3("rates", "s3://lake/rates/{day:%Y-%m-%d}")
        >>> daily = app.create_data("daily", inputs=[orders, rates.ref])
        >>> sim = Simulator(app)
        >>> runs = sim.send(orders["2024-01-01"]) + sim.send(rates["2024-01-01"])
        >>> [(each.node, each.partition, each.newer[0].alias) for each in sim.stale()]
        [('daily', '2024-01-01', 'rates')]
        """

        def written(signal: wire.Signal, partition: v.Partition) -> float | None:
            found = self._written.get((signal.id, partition))
            return None if found is None else float(found[0])

        program, ledger = self._engine.program, self._engine.ledger
        nodes = None if node is None else [self._node_of(node)]
        return stale(program, ledger, written, nodes, lambda id, _: float(self._fired[id]))

    def late(self) -> list[LatePartition]:
        """Return what should be there by now and is not: each with ``signal``, ``partition`` and ``missing``."""
        return [late_partition(late_input(self._engine.program, each)) for each in self._engine.late()]

    def explain(
        self, node: View | str, partition: Iterable[object] | Mapping[str, object] | View | None = None
    ) -> Explanation:
        """Tell in words why an output partition ran, or what it waits for.

        ``partition`` are the values of its dimensions, in a row, in one text or as `Run.output` has them; or give the
        view of the output alone: ``daily[1]["2020-03-18"]``.
        """
        if isinstance(node, View) and partition is None:
            partition = node.texts()
        elif isinstance(partition, View):
            partition = partition.texts()
        elif isinstance(partition, Mapping):
            partition = partition.values()
        elif isinstance(partition, str):
            partition = (partition,)
        maker = self._engine.program.makers[self._node_of(node)]
        return explanation(self._engine, None, maker, tuple(map(str, partition or ())))

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


def _fires(timer: ir.Signal, start: datetime, end: datetime) -> Iterable[datetime]:
    source = timer.source
    assert isinstance(source, ir.TimerSource)
    return schedule.parse(source.schedule, source.timezone).fire_times(start, end)


class _Storage:
    """The partitions that `Simulator.exists` put there, and when; and the objects that events told of."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._times: dict[tuple[str, v.Partition], float] = {}
        self._removed: set[tuple[str, v.Partition]] = set()
        # Of each object that completes a partition, when it was written or deleted last, and whether it is there.
        self._objects: dict[tuple[str, v.Partition], dict[str, tuple[float, bool]]] = {}

    def put(self, signal: str, partition: v.Partition, now: float) -> None:
        self._times.setdefault((signal, partition), now)
        self._removed.discard((signal, partition))

    def remove(self, signal: str, partition: v.Partition) -> None:
        self._times.pop((signal, partition), None)
        self._objects.pop((signal, partition), None)
        self._removed.add((signal, partition))

    def written(self, signal: str, partition: v.Partition) -> None:
        """An event says that it is there."""
        self._removed.discard((signal, partition))

    def gone(self, signal: wire.Signal, partition: v.Partition) -> bool:
        return (signal.id, partition) in self._removed

    def change(self, signal: str, partition: v.Partition, key: str, time: float, there: bool) -> None:
        """An object was written or deleted; the later of the two counts."""
        objects = self._objects.setdefault((signal, partition), {})
        if time >= objects.get(key, (time, there))[0]:
            objects[key] = time, there

    def exists(self, signal: wire.Signal, partition: v.Partition) -> bool:
        place = signal.id, partition
        return place in self._times or any(there for _, there in self._objects.get(place, {}).values())

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        for (id, partition), time in list(self._times.items()):
            if id == signal.id:
                yield Listed(SignalEvent(self._app, id, signal.texts(partition), "", time))


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
