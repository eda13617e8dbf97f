"""Scenes that are played in every order: two listeners, runs, sweeps and a redeploy around three applications."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, NamedTuple

from runtime.tables import NUMBER, Ref, route, signal, table, view
from runtime.test_faults import check, message
from runtime.world import TroubledAirflow, World
from semantics import naive
from support.airflow import CLAIM, SIGNAL, Run, Told
from support.lagging import Lagging
from support.runs import Worker

from benchmarks._dynamodb import DynamoDB
from rheo_runtime import executions, sweep, wire
from rheo_runtime.airflow_client import Announcer, RateLimiter, Unavailable
from rheo_runtime.batches import Filler
from rheo_runtime.dynamodb import OUTPUTS, TODO, WATCHES, DynamoLedger, create_table, output_key, todo_key
from rheo_runtime.engine import Bindings, Engine, Outcome
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import CLAIMED, FAILED, SKIPPED, SUCCEEDED, Arrivals, Document, Execution, Output
from rheo_runtime.sweep import Patience

from .explorer import (
    EVERYTHING,
    GO,
    LAG,
    LOSE,
    NOTHING_ELSE,
    Crash,
    Found,
    Process,
    Scheduler,
    Touch,
    explore,
)

A, B, C = (signal(name, x=NUMBER) for name in "abc")


def _linked(*of: wire.Signal) -> wire.Route:
    links = [(Ref(of[0].id, "x"), Ref(other.id, "x")) for other in of[1:]]
    return route("node", [view(one) for one in of], links, signals=of)


class App(NamedTuple):
    """An application, the events that make one firing of ``node/2``, and those of a second one."""

    routes: wire.RouteTable
    first: tuple[tuple[str, int], ...]
    second: tuple[tuple[str, int], ...]


WINDOW = route("node", [view(A, x=(0, -2), mode="range_check"), view(B)],
               [(Ref("a", "x"), Ref("b", "x"))], signals=[A, B])  # fmt: skip
APPS = {
    "join": App(table([A, B], _linked(A, B)), (("a", 2), ("b", 2)), (("a", 2), ("b", 2))),
    "checked window": App(table([A, B], WINDOW), (("a", 1), ("b", 2), ("a", 2)), (("a", 2), ("b", 2))),
    "three inputs": App(table([A, B, C], _linked(A, B, C)), (("a", 2), ("b", 2), ("c", 2)),
                        (("a", 2), ("b", 2), ("c", 2))),
}  # fmt: skip
LEDGERS = ("memory", "dynamodb")
AT_ONCE = Patience(0, 0, 0, 0)  # sweeps wait for nothing: each may meet whatever is under way


class Steps:
    """What the world calls before each thing that others can see -> the scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def step(self, what: object = None) -> None:
        if isinstance(what, Touch):
            self._scheduler.step(what)
        elif what is not None:
            self._scheduler.step(Touch(frozenset([str(what)])))


def _of_run(id: str) -> str:
    """What is touched of a run by what changes, or asks for, its state alone."""
    return f"run {re.sub(r'~r[0-9]+$', '', id)}"  # one that is tried again is found with the first one


RUNS = "runs"  # which there are, and what those that nobody has begun were told


def _asked(call: Mapping[str, Any], runs: Sequence[Run]) -> Touch:
    """What a call of Airflow touches, which has made these runs."""
    if call["Method"] != "GET":
        return Touch(frozenset([RUNS]), answers=True)
    query = call.get("QueryParameters", {})
    if "state" in query:
        return Touch(frozenset([RUNS, *(_of_run(run.id) for run in runs)]), writes=False)
    pattern = query.get("run_id_pattern")
    if pattern is None:
        return Touch(frozenset([call["Path"]]), writes=False)
    # Runs of ours have ids that are known before they are made: it asks whether there is such a one, too.
    return Touch(
        frozenset([_of_run(pattern), RUNS] if pattern.startswith("rheo~") else [_of_run(pattern)]),
        writes=False,
    )


class SeenAirflow(TroubledAirflow):
    """An Airflow whose answers are known to the scheduler."""

    scheduler: Scheduler

    def invoke_rest_api(self, **call: Any) -> Any:
        self.step = lambda what=None: self.scheduler.step(None if what is None else _asked(call, self.runs))
        try:
            answer = super().invoke_rest_api(**call)
        except Exception as fault:
            self.scheduler.learnt(repr(fault))
            raise
        self.scheduler.learnt(answer)
        return answer


# "forget" is among them since nothing expires: time stands still.
_READS = {"find", "recent", "glance", "arrived", "arrivals", "output", "outputs", "statuses", "unsettled", "seen", "waiters", "watches",
          "versions", "readers", "several", "batch_run", "cursor", "touched", "touches", "expiries",
          "forget"}  # fmt: skip
_COPIED = {"arrive", "find", "arrived", "arrivals", "versions"}


def _touched(name: str, arguments: tuple[Any, ...]) -> Touch:
    """What a call of the ledger touches."""
    match name:
        case "arrive" | "find" | "arrived" | "arrivals" | "versions" | "forget":
            things = {f"arrivals {arguments[0].name}"}
        case "output" | "recent" | "glance":
            things = {f"output {arguments[0]} {arguments[1]}"}
        case "create":
            things = {f"output {arguments[0].node} {arguments[0].partition}", "outputs",
                      *(f"arrivals {arrival.arrival_index.name}" for arrival in arguments[2])}  # fmt: skip
        case "save":
            things = {f"output {arguments[1].node} {arguments[1].partition}", "outputs"}
        case "outputs" | "unsettled" | "statuses":
            things = {"outputs"}
        case "see" | "unsee" | "seen":
            things = {f"seen {arguments[0]}"}
        case "watch" | "unwatch":
            things = {f"watch {arguments[0].signal} {arguments[0].partition}", "watches"}
        case "waiters":
            things = {f"watch {arguments[0]} {arguments[1]}"}
        case "watches":
            things = {"watches"}
        case "several":
            things = {f"output {arguments[0]} {partition}" for partition in arguments[1]}
        case "start" | "begin" | "batch_run":
            things = {f"batch run {arguments[0]}"}
        case "cursor" | "move":
            things = {f"cursor {arguments[0]}"}
        case _:
            return EVERYTHING
    return Touch(frozenset(things), name not in _READS)


class SeenLedger:
    """A ledger in memory, each call of which is a step; it hands out copies, as a remote one does."""

    def __init__(self, inner: MemoryLedger, scheduler: Scheduler) -> None:
        self._inner, self._scheduler = inner, scheduler

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name == "together":  # it does nothing in memory
            return call

        def stepped(*arguments: Any, **named: Any) -> Any:
            compares = None
            if name == "create":
                compares = _name(arguments[0]), 0
            if name == "save":
                compares = _name(arguments[1]), 0 if arguments[0] is None else arguments[0].version
            self._scheduler.step(_touched(name, arguments), compares)
            answer = call(*arguments, **named)
            if name in _COPIED:
                answer = _copied(answer)
            elif isinstance(answer, Iterator):
                answer = list(answer)
            if name in ("save", "create") and not answer:
                self._scheduler.refused()
            elif not self._scheduler.forgets:
                place = {"save": 1, "create": 0}.get(name)
                now = arguments[place] if place is not None else answer[0] if name == "output" else None
                self._scheduler.learnt(plain(answer), {} if now is None else {_name(now): now.version})
            return answer

        return stepped


class Unbilled(Lagging):
    """A DynamoDB that counts nothing: histories are many."""

    def _bill(self, table: str, old: Any, new: Any) -> None:
        """Take it for nothing."""

    def _read(self, items: Any, consistent: bool) -> None:
        """Take it for nothing."""


class SeenClient:
    """A client of DynamoDB, each call of which is a step: a method of the ledger may end between two writes."""

    def __init__(self, inner: DynamoDB, scheduler: Scheduler) -> None:
        self._inner, self._scheduler = inner, scheduler
        self.exceptions = inner.exceptions

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name == "get_paginator":
            return lambda of: _Pages(lambda **named: list(call(of).paginate(**named)), of, self._call)
        return lambda **named: self._call(name, call, named)

    def _call(self, name: str, call: Callable[..., Any], named: dict[str, Any]) -> Any:
        compares = None
        if "#version" in named.get("ConditionExpression", ""):
            old = named["ExpressionAttributeValues"].get(":old", {"N": "0"})
            compares = named["Key"]["pk"]["S"], int(old["N"])
        self._scheduler.step(_items(name, named), compares)
        try:
            answer = call(**named)
        except self.exceptions.ConditionalCheckFailedException:
            if compares is None:
                self._scheduler.learnt("refused")
            else:
                self._scheduler.refused()
            raise
        if not self._scheduler.forgets:
            versions = {}
            if name in ("get_item", "update_item"):
                item = answer.get("Item") or answer.get("Attributes") or {}
                versions = {item["pk"]["S"]: int(item["version"]["N"])} if "version" in item else {}
            self._scheduler.learnt(plain(answer), versions)
        return answer


class _Pages:
    def __init__(self, call: Callable[..., Any], name: str, step: Callable[..., Any]) -> None:
        self._call, self._name, self._step = call, name, step

    def paginate(self, **named: Any) -> Any:
        return self._step(self._name, self._call, named)


def _items(name: str, named: dict[str, Any]) -> Touch:
    """What a call of DynamoDB touches: items by the key of the table, and what an index may show of them."""
    writes = name not in ("get_item", "query", "scan", "batch_get_item")
    things: set[str] = set()
    if key := named.get("Key") or named.get("Item"):
        things = {key["pk"]["S"]}
        if writes:
            kind, node = key["pk"]["S"].split("|")[:2]
            things |= {f"node {node}", f"all {kind}"}
            if name != "update_item" or TODO in repr(named):  # else what the index holds, the keys, stays
                things |= {f"{TODO} {todo_key(kind, key)['S']}" for kind in (OUTPUTS, WATCHES)}
    elif name == "batch_get_item":
        things = {key["pk"]["S"] for wanted in named["RequestItems"].values() for key in wanted["Keys"]}
    elif name == "query":
        match named.get("IndexName"), named["ExpressionAttributeValues"]:
            case None, {":pk": {"S": pk}}:
                things = {pk}
            case _, {":todo": {"S": todo}}:
                things = {f"{TODO} {todo}"}
            case _, {":node": {"S": node}}:
                things = {f"node {node}"}
    elif "FilterExpression" in named:
        things = {f"all {prefix['S'][0]}" for prefix in named["ExpressionAttributeValues"].values()}
    asked = [named, *named.get("RequestItems", {}).values()]
    lags = name in ("get_item", "batch_get_item") and not any(each.get("ConsistentRead") for each in asked)
    return Touch(frozenset(things), writes, lags=lags)


_SCALARS = (str, int, float, bytes, bool, type(None))


def _name(output: Output) -> str:
    """The name under which the versions of an output in memory are known."""
    return f"{output.node}|{output.partition}"


def _pk(output: Output) -> str:
    return str(output_key(output.node, output.partition)["pk"]["S"])


def plain(thing: Any) -> Any:
    """Return state as plain values that are written alike when they are alike."""
    kind = thing.__class__
    if kind in _SCALARS:
        return thing
    if kind is tuple or kind is list:
        return [plain(one) for one in thing]
    if kind is dict or isinstance(thing, dict):
        return sorted(
            (repr(plain(key)), None if key == "version" else plain(value)) for key, value in thing.items()
        )
    if kind is Output:
        thing = thing._replace(version=0)
    if kind is Execution:
        return [
            thing.generation,
            thing.state,
            thing.events,
            thing.moved,
            thing.run_id,
            thing.note,
            thing.signalled,
            plain(thing.made),
        ]
    if isinstance(thing, tuple):
        return [plain(one) for one in thing]
    if isinstance(thing, (set, frozenset)):
        return sorted(map(repr, thing))
    names = [name for name in kind.__slots__ if name != "ledger"]
    return [kind.__name__, *(plain(getattr(thing, name)) for name in names)]


def _copied(answer: Any) -> Any:
    """Copy the records that an answer holds: nobody else's writes show in them."""
    if isinstance(answer, Arrivals):
        return copy.copy(answer) if not isinstance(answer.ids, dict) else _with_ids(copy.copy(answer))
    if isinstance(answer, list):
        return [_copied(one) for one in answer]
    return tuple(_copied(one) for one in answer) if isinstance(answer, tuple) else answer


def _with_ids(record: Arrivals) -> Arrivals:
    assert isinstance(record.ids, dict)
    record.ids = dict(record.ids)
    return record


class Summed(NamedTuple):
    """A call of which a process keeps its answer and nothing else: see `Scheduler.summed`."""

    of: Any
    name: str
    came_to: Callable[[Any, tuple[Any, ...]], object] = lambda answer, _: plain(answer)
    forgets: bool = False
    again: bool = False


def _outcome(outcome: Outcome) -> object:
    """What a listener or a sweep reads of what came of an event."""
    named = ("_fired", "_held", "_skipped", "_overdue", "_told", "_faults", "_expired", "_dropped")
    return [plain(getattr(outcome, name)) for name in named], outcome.left, outcome.unmatched


# What each of these changes beside its answer is of the world, or of what its process keeps (`Process.keeps`): what a
# ledger and an announcer remember, what a listener has set aside, what an outcome says. A change of an output begins
# anew when somebody was faster, and so does the look at a binding, from what it was given. When a sweep comes to the
# engine's own check it has done with the outputs that it had found. `test_histories_of_one_state_go_on_alike` holds it.
SUMMED = (
    Summed(executions, "_change", again=True),
    Summed(executions, "stop", again=True),
    Summed(executions, "claimable"),
    Summed(Worker, "_succeeded"),
    Summed(Worker, "_has"),
    Summed(Worker, "_holds"),
    Summed(Worker, "_claim"),
    Summed(Worker, "_claim_batch"),
    Summed(Announcer, "announce"),
    Summed(Announcer, "announce_batch"),
    Summed(Announcer, "pump"),
    Summed(Announcer, "under_way"),
    Summed(Bindings, "evaluate", lambda waits, given: (waits, _outcome(given[1])), again=True),
    Summed(Bindings, "rouse", lambda _, given: _outcome(given[1])),
    Summed(Engine, "on_event", lambda outcome, _: _outcome(outcome)),
    Summed(Engine, "tick", lambda outcome, _: _outcome(outcome), forgets=True),
    Summed(sweep, "reconcile"),
    Summed(sweep.Sweeper, "_current"),
    Summed(sweep.Sweeper, "_signals"),
    Summed(sweep.Sweeper, "_announce"),
    Summed(sweep.Sweeper, "_check"),
)


@contextmanager
def summaries() -> Iterator[None]:
    """Let processes keep nothing of the calls in `SUMMED` but what they came to."""
    before = [(one, getattr(one.of, one.name)) for one in SUMMED]

    def summed(one: Summed, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any, **named: Any) -> Any:
            scheduler = Scheduler.at_work
            if scheduler is None:
                return call(*given, **named)
            return scheduler.summed(
                lambda: call(*given, **named),
                lambda answer: one.came_to(answer, given),
                forgets=one.forgets,
                again=one.again,
            )

        return made

    try:
        for one, call in before:
            setattr(one.of, one.name, summed(one, call))
        yield
    finally:
        for one, call in before:
            setattr(one.of, one.name, call)


_program = lru_cache(maxsize=64)(Program)  # what a listener reads when it starts; it keeps no state


class SeenWorker(Worker):
    """A worker that asks for other runs in steps, too."""

    of_run: frozenset[str]

    def writes(self, run_id: str) -> bool:
        self.step(Touch(self.of_run | {_of_run(run_id)}))
        return super().writes(run_id)


class Scene(World):
    """A world in which processes are steps of one schedule; time stands still until it comes to rest."""

    full = DynamoLedger.full

    def __init__(self, routes: wire.RouteTable, ledger: str, fired: Counter[str]) -> None:
        self.scheduler = Scheduler()
        self._dynamodb = Unbilled() if ledger == "dynamodb" else None
        self._client: Any = None if self._dynamodb is None else SeenClient(self._dynamodb, self.scheduler)
        memory = MemoryLedger()
        self._seen = SeenLedger(memory, self.scheduler)
        super().__init__(routes, stepper=Steps(self.scheduler))
        self.airflow = SeenAirflow(routes.app, "node", assets=True, step=self.stepper.step)
        self.airflow.scheduler = self.scheduler
        self.peaceful = memory
        if self._dynamodb is not None:
            create_table("t", self._dynamodb)
            self.peaceful = self._of_a_process()
        self._fired = fired
        self._taken: set[str] = set()
        self._sent = 0
        self._emitted: set[str] = set()
        self.processes: list[Process] = []

    @property
    def ledger(self) -> Any:
        """The ledger as a process that starts has it: what it remembers is its own."""
        return self._seen if self._dynamodb is None else self._of_a_process()

    @ledger.setter
    def ledger(self, _: Any) -> None:
        """That of a peaceful world."""

    def _of_a_process(self) -> DynamoLedger:
        made = DynamoLedger("t", self._client, lambda: self.time)
        made.full = self.full

        def keeps() -> object:
            recent = [
                (plain(output), self.is_now(_pk(output), output.version))
                for _, output in made._recent.values()
            ]
            return recent, plain(made._together), plain(made._journal), sorted(made._covered.items())

        self._keep(keeps)
        return made

    def _keep(self, keeps: Callable[[], object]) -> None:
        """The process that is at work has this in its memory."""
        if self.scheduler.current is not None:
            self.scheduler.current.keeps.append(keeps)

    def is_now(self, of: str, version: int) -> bool:
        if self._dynamodb is not None:
            item = self._dynamodb.tables["t"].get((of, "."), {})
            return version == int(item.get("version", {"N": 0})["N"])
        output = vars(self.peaceful)["_outputs"].get(tuple(of.split("|")))
        return version == (0 if output is None else output.version)

    def listener(self, takes: object = "sweep") -> Listener:
        """A listener of its own: what it has found out of Airflow, and whether it asks, nobody else knows."""
        self.announcer = self._announces()
        made = super().listener(takes)
        engine, version = made.engine, len(self.table.routes)
        self._keep(lambda: (version, sorted(engine._told), sorted(made._recent.items()), sorted(made._pumping.items()),
                            sorted(engine._left.items()), plain(engine._came), plain(engine._whole), sorted(engine._fired),
                            sorted(engine._bindings.there), made._filler._made, _filled(made._filler),
                            [(k, list(b.documents), b.waited) for k, b in sorted(made._bulk.items())]))  # fmt: skip
        return made

    def _announces(self) -> Announcer:
        limiter = RateLimiter(1e9, lambda: self.time, lambda _: None)
        made = Announcer(self.airflow, "airflow", limiter)
        self._keep(lambda: (sorted(made._assets.items()), limiter._closed_until, limiter._pause))
        return made

    def carry_out(self, run: Run, until: int = SIGNAL) -> None:
        """One worker goes on with a DAG run: what it changes of the run alone, it changes in steps of that run."""
        of_run = frozenset([_of_run(run.id)])
        pumps = bool(run.told) and "keys" in run.told[0]

        def step(what: object = None) -> None:
            self.stepper.step(Touch(of_run | {RUNS} if pumps else of_run) if what == "task" else what)

        worker = SeenWorker(self.airflow, self.ledger, lambda: self.time, self._compute, self._emit, step)
        worker.of_run = of_run
        worker.carry_out(run, until)

    def program(self) -> Program:
        return _program(self.table)

    # --- before it begins ----------------------------------------------------------------------------

    def send(self, signal: str, number: int) -> str:
        """Put an event into the queue; return its message."""
        self._sent += 1
        body = message(naive.Event(signal, (number,), f"e{self._sent}"))
        self.queue.append(body)
        return body

    def before(self, *events: tuple[str, int]) -> None:
        """Let events have come, and been handled, before the scene begins."""
        for event in events:
            self.deliver(self.send(*event))

    def add(
        self,
        body: Callable[[], None],
        ready: Callable[[], bool] | None = None,
        crash: Callable[[], Touch] = lambda: NOTHING_ELSE,
    ) -> None:
        """Add a process; what is ready from the first is brought to its first call."""
        process = Process(body, ready, crash)
        self.processes.append(process)
        if ready is None:
            self.scheduler.let(process)

    def listen(self, body: str) -> None:
        """Add a listener that takes a message."""
        self.add(lambda: self.deliver(body))

    def sweeps(self) -> None:
        """Add a sweep that waits for nothing."""
        self.patience = AT_ONCE
        self.add(self.sweep)

    def runs(self, dies: bool = False) -> None:
        """Add a worker that carries out the first run that there is; when it ``dies``, Airflow fails the run."""

        def free() -> list[Any]:
            return [run for run in self.airflow.ready() if run.id not in self._taken]

        taken: list[Run] = []

        def crash() -> Touch:
            """It writes no more; what it had taken may have failed."""
            computes = {thing for thing in process.touch.things if thing.startswith("compute")}
            return Touch(frozenset({*computes, *(_of_run(run.id) for run in taken)}))

        def work() -> None:
            run = free()[0]
            taken.append(run)
            self._keep(lambda: run.id)
            self._taken.add(run.id)
            try:
                self.carry_out(run)
            except Crash:
                if dies:
                    run.state = "failed"
                    self.lost_runs[run.id] = "failed"
                raise

        self.add(work, lambda: bool(free()), crash)
        process = self.processes[-1]

    def _emit(self, document: Document) -> None:
        super()._emit(document)
        self._emitted.add(document["id"])

    # --- for the explorer ----------------------------------------------------------------------------

    def fail(self, how: str) -> None:
        self.airflow.fates = iter([11]) if how == LOSE else iter(())
        if self._dynamodb is not None:
            self._dynamodb.lags = lambda: how == LAG

    def state(self) -> object:
        kept = self._dynamodb.tables if self._dynamodb is not None else vars(self.peaceful)
        runs = [
            (
                r.dag,
                r.id,
                r.key,
                [_of(told) for told in r.told],
                r.state,
                r.stage,
                bool(r.claimed),
                sorted(r.computed),
            )
            for r in self.airflow.runs
        ]
        runs.append(sorted(self.airflow.at_work))
        known = (self.queue, self._taken, self._emitted, self.lost_runs.items(), self.deliveries.items(),
                 (+self.active).items())  # fmt: skip
        return plain(kept), runs, [sorted(each) for each in known], plain(self.run_of), self.table.app

    def past(self) -> object:
        return None if self._dynamodb is None else plain(self._dynamodb.before)

    def check(self) -> None:
        self.fail(GO)
        self.patience = Patience(30, 60, 30, 100)
        self.peace()
        self.hold()
        owed = {
            f"{o.node}/{o.partition}#{e.generation}"
            for o in self.peaceful.outputs()
            for e in o.ended
            if e.state == SUCCEEDED
        }
        assert owed <= self._emitted, f"nothing was told of {owed - self._emitted}"

    def hold(self) -> None:
        """Hold what was made against what had to be made, now that all is at rest."""
        check(self, self.law())

    def law(self) -> Counter[str]:
        """What has to have been made, and how often."""
        return self._fired


def _filled(filler: Filler) -> list[object]:
    """What a listener has of the runs that it fills."""
    return [[(f.run, f.given, [d["id"] for d in f.documents]) for f in (*filler._open.values(), *filler._full)],
            sorted((id, f.run) for id, f in filler._given.items())]  # fmt: skip


def _of(told: Told) -> object:
    """What Airflow was told of: an execution, those of a batch, or the keys of a pump, whose event tells a key alone."""
    return told.get("id") or told.get("batch") or told.get("keys") or ""


class Dying(Scene):
    """A scene in which an execution may have failed: that of a run which died, and no other."""

    def hold(self) -> None:
        outputs = self.outputs().values()
        assert Counter({f"{o.node}/{o.partition}": o.generation for o in outputs}) == self.law()
        for output in outputs:
            assert output.active is None and output.held is None, "stuck"
            for execution in output.ended:
                lost = execution.run_id in self.lost_runs or execution.note == executions.KILLED
                assert execution.state in (SUCCEEDED, SKIPPED, *([FAILED] if lost else [])), execution
                assert execution.signalled, "a signal is owed for ever"
        assert all(len(runs) == 1 for runs in self.run_of.values()), "one run for each execution"


class Killed(Dying):
    """A scene in which somebody ends an execution, first its run, as `rheo_platforms.operations.control.kill` does."""

    def kill(self) -> None:
        """End the first execution, and announce what was held behind it."""
        ledger = self.ledger
        output, _ = ledger.output("node", "2", None)
        active = None if output is None else output.active
        if active is None or active.state != CLAIMED or active.run_id is None:
            return
        self.stepper.step(Touch(frozenset([_of_run(active.run_id)])))
        run = next(run for run in self.airflow.runs if run.id == active.run_id)
        if run.state == "running":
            run.state = "failed"
        self.lost_runs[run.id] = "failed"
        ended = executions.stop(ledger, "node", "2", active.document["id"], self.time, executions.KILLED)
        if ended is not None and ended.released is not None:
            with suppress(Unavailable):  # the sweep announces it
                self._announces().announce(ended.released)

    def kill_of_batch(self) -> None:
        """End the first execution; its run goes on with the others."""
        output, _ = self.ledger.output("node", "2", None)
        active = None if output is None else output.active
        if active is None or active.run_id is None:
            return
        where = (self.ledger, "node", "2", active.document["id"], self.time, executions.KILLED)
        executions.stop(*where, run_goes_on=True)


class Poisoned(Scene):
    """A scene with a batch of which one execution fails; somebody finds out why, and clears its run."""

    BAD, GOOD = "node/2#1", "node/3#1"

    def __init__(self, routes: wire.RouteTable, ledger: str, fired: Counter[str]) -> None:
        super().__init__(routes, ledger, fired)
        self.poisoned, self.cleared = True, False
        self.made: frozenset[str] = frozenset()  # what was, when the run was cleared
        self.again: Counter[str] = Counter()  # what was computed since
        self.airflow.fails = lambda document: self.poisoned and document["id"] == self.BAD

    def _compute(self, run: Run) -> None:
        assert run.claimed is not None
        super()._compute(run)
        self.again[run.claimed["id"]] += self.cleared

    def clear(self) -> None:
        """Clear the run that has failed, once what was wrong is right."""
        self.stepper.step(Touch(frozenset([RUNS, *(_of_run(run.id) for run in self.airflow.runs)])))
        run = self._failed()
        if run is None:
            return
        done = {
            (o.node, o.partition, e.generation): e.state for o in self.peaceful.outputs() for e in o.ended
        }
        self.made = frozenset(f"{n}/{p}#{g}" for (n, p, g), state in done.items() if state == SUCCEEDED)
        self.poisoned, self.cleared = False, True
        run.state, run.stage = "queued", CLAIM
        self._taken.discard(run.id)

    def _failed(self) -> Run | None:
        return next((run for run in self.airflow.runs if run.state == "failed"), None)

    def state(self) -> object:
        return super().state(), self.poisoned, sorted(self.made), sorted(self.again.items())

    def hold(self) -> None:
        assert not self.made & {id for id, times in self.again.items() if times}, (
            "what was made is made again"
        )
        ended = {
            f"{o.node}/{o.partition}#{e.generation}": e for o in self.outputs().values() for e in o.ended
        }
        # A sweep that asked for the run before it was cleared may end what has failed, and not what is made.
        swept = ended[self.BAD].note == "its run failed"
        bad = SUCCEEDED if self.cleared and not swept else FAILED
        assert {id: e.state for id, e in ended.items()} == {self.BAD: bad, self.GOOD: SUCCEEDED}
        assert all(o.active is None and o.held is None for o in self.outputs().values()), "stuck"
        assert all(len(runs) == 1 for runs in self.run_of.values()), "one run for each execution"
        assert self._emitted == {id for id, e in ended.items() if e.state == SUCCEEDED}


class Redeployed(Scene):
    """A scene in which a new version adds a node: whatever came to it is made once.

    A listener has the version that is there when it begins, and goes on with it.
    """

    def listen(self, body: str) -> None:
        def begin() -> None:
            self.stepper.step(Touch(frozenset(["version"]), writes=False))
            self.deliver(body)

        self.add(begin)

    def state(self) -> object:
        return super().state(), len(self.table.routes)

    def deploy(self, routes: wire.RouteTable) -> None:
        """Put a new version of the application in the place of the old one."""
        self.stepper.step(Touch(frozenset(["version", RUNS, "/assets", "/dags"])))
        self.table = routes
        self.airflow.parse("app", "more")

    def law(self) -> Counter[str]:
        return super().law() + Counter("/".join(place) for place in self.outputs() if place[0] == "more")


Make = Callable[[], Scene]


def _two_listeners(app: App, ledger: str) -> Scene:
    """The last two events of a firing come at once, while a sweep looks for what waits."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    scene.before(*app.first[2:])
    bodies = [scene.send(*event) for event in app.first[:2]]
    for body in bodies:
        scene.listen(body)
    scene.sweeps()
    return scene


def _listener_run_sweep(app: App, ledger: str) -> Scene:
    """A second firing comes while the run of the first one is under way, and a sweep."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 2}))
    scene.before(*app.first, *app.second[:-1])
    scene.runs()
    scene.listen(scene.send(*app.second[-1]))
    scene.sweeps()
    return scene


def _publish_sweep(app: App, ledger: str) -> Scene:
    """Two sweeps while a run publishes, with a second firing held behind it."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 2}))
    scene.before(*app.first, *app.second)
    scene.runs()
    scene.sweeps()
    scene.sweeps()
    return scene


def _publish_one_sweep(app: App, ledger: str) -> Scene:
    """A sweep while a run publishes, with a second firing held behind it."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 2}))
    scene.before(*app.first, *app.second)
    scene.runs()
    scene.sweeps()
    return scene


def _filling_window(app: App, ledger: str) -> Scene:
    """The last event of a firing comes while two sweeps look at what waits."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    scene.before(*app.first[1:])
    scene.listen(scene.send(*app.first[0]))
    scene.sweeps()
    scene.sweeps()
    return scene


def _dying_run(app: App, ledger: str) -> Scene:
    """A worker dies for good, wherever it is, beside a sweep and a second firing."""
    scene = Dying(app.routes, ledger, Counter({"node/2": 2}))
    scene.before(*app.first, *app.second[:-1])
    scene.runs(dies=True)
    scene.listen(scene.send(*app.second[-1]))
    scene.sweeps()
    return scene


def _killed_run(app: App, ledger: str) -> Scene:
    """Somebody kills an execution while its run computes; a second firing is held behind it, and its run begins."""
    scene = Killed(app.routes, ledger, Counter({"node/2": 2}))
    scene.before(*app.first, *app.second)
    scene.runs()
    scene.add(scene.kill)
    scene.runs()
    return scene


def _owed_signal(app: App, ledger: str) -> Scene:
    """The bus did not take the signal of a success, and the run ended; two sweeps see that it is owed."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    scene.before(*app.first)
    (run,) = scene.airflow.runs
    scene.lose = iter([8])
    scene.carry_out(run)
    run.state = "failed"
    scene.sweeps()
    scene.sweeps()
    return scene


def _two_runs(app: App, ledger: str) -> Scene:
    """Airflow was told twice of an execution: two runs want it, while a sweep announces what it sees."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    scene.before(*app.first)
    first = scene.airflow.runs[0]
    scene.airflow.runs.append(dataclasses.replace(first, id=f"{first.id}-again"))
    scene.runs()
    scene.runs()
    scene.sweeps()
    return scene


def _twice(app: App, ledger: str) -> Scene:
    """The message that completes a firing is delivered to two listeners at once, and its run begins.

    Its partners have come twice: counted twice, the message would make two firings.
    """
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    last = ("a", 2)
    scene.before(*(one for one in (*app.first, *app.second) if one != last))
    body = scene.send(*last)
    scene.listen(body)
    scene.listen(body)
    scene.runs()
    return scene


def _two_firings(app: App) -> tuple[tuple[str, int], ...]:
    """The events of a firing of ``node/2``, and of one of ``node/3``."""
    return (*app.first, *((name, x + 1) for name, x in app.first))


def _batched(app: App, wait: int = 60) -> wire.RouteTable:
    """An application whose node has a batch of two."""
    routes = [dataclasses.replace(each, batch=2, batch_wait=wait) for each in app.routes.routes]
    return table(app.routes.signals, *routes)


def _batch(app: App, ledger: str) -> Scene:
    """Two executions are made by one run, beside two sweeps; each is one by itself."""
    scene = Scene(_batched(app, wait=0), ledger, Counter({"node/2": 1, "node/3": 1}))
    scene.deliver(*(scene.send(*event) for event in _two_firings(app)))  # so that both are in one run
    scene.runs()
    scene.sweeps()
    scene.sweeps()
    return scene


def _unstarted_batch(app: App, ledger: str) -> Scene:
    """A listener gives two executions to a run that it is to start; a sweep does not wait for that."""
    scene = Scene(_batched(app, wait=0), ledger, Counter({"node/2": 1, "node/3": 1}))
    bodies = [scene.send(*event) for event in _two_firings(app)]
    scene.add(lambda: scene.deliver(*bodies))
    scene.runs()
    scene.sweeps()
    return scene


def _killed_batch(app: App, ledger: str) -> Scene:
    """Somebody kills one of two executions that were given to a run, whether or not that has begun.

    A sweep gives the one that is held behind it to a run of its own.
    """
    scene = Killed(_batched(app, wait=0), ledger, Counter({"node/2": 2, "node/3": 1}))
    scene.deliver(*(scene.send(*event) for event in _two_firings(app)))
    scene.before(*app.second)
    scene.runs()
    scene.add(scene.kill_of_batch)
    scene.sweeps()
    scene.runs()
    return scene


def _messages(app: App, ledger: str) -> Scene:
    """One listener takes the messages of two firings at once: a journal lists both. A worker dies, beside a sweep."""
    scene = Dying(app.routes, ledger, Counter({"node/2": 1, "node/3": 1}))
    bodies = [scene.send(*event) for event in _two_firings(app)]
    scene.add(lambda: scene.deliver(*bodies))
    scene.runs(dies=True)
    scene.sweeps()
    return scene


def _batches(app: App, ledger: str, full: int = DynamoLedger.full) -> Scene:
    """One listener takes the messages of two firings, and then those of a third: its journal goes on. Beside a run and a sweep."""
    scene = Dying(app.routes, ledger, Counter({f"node/{n}": 1 for n in (2, 3, 4)}))
    scene.full = full
    third = [(name, x + 2) for name, x in app.first]
    batches = [[scene.send(*event) for event in each] for each in (_two_firings(app), third)]

    def listen() -> None:
        listener = scene.listener()
        for bodies in batches:
            scene.deliver(*bodies, to=listener)

    scene.add(listen)
    scene.runs(dies=True)
    scene.sweeps()
    return scene


def _full_journals(app: App, ledger: str) -> Scene:
    """The same, where a batch fills its journal, which is closed."""
    return _batches(app, ledger, 0)


def _at_once(app: App, ledger: str) -> Scene:
    """Two listeners have all messages of a firing, and write them with it; a third has one of them alone. Beside a sweep."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    bodies = [scene.send(*event) for event in app.first]
    scene.add(lambda: scene.deliver(*bodies))
    scene.add(lambda: scene.deliver(*bodies[::-1]))
    scene.listen(f"{bodies[0]} ")  # the same event in a message of its own
    scene.sweeps()
    return scene


def _again_at_once(app: App, ledger: str) -> Scene:
    """What was fired at once comes again, while the messages of a second firing come one by one: it is not of them."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 2}))
    bodies = [scene.send(*event) for event in app.first]
    scene.deliver(*bodies)
    scene.before(*app.second[2:])
    scene.add(lambda: scene.deliver(*(f"{body} " for body in bodies)))
    for event in app.second[:2]:
        scene.listen(scene.send(*event))
    return scene


def _poisoned(app: App, ledger: str) -> Scene:
    """One of two executions of a batch fails, and somebody clears the run, beside a sweep: the other is made once."""
    scene = Poisoned(_batched(app, wait=0), ledger, Counter({"node/2": 1, "node/3": 1}))
    scene.deliver(*(scene.send(*event) for event in _two_firings(app)))
    scene.runs()
    scene.add(scene.clear, lambda: scene._failed() is not None)
    scene.runs()
    scene.sweeps()
    return scene


def _pump(app: App, ledger: str) -> Scene:
    """A pump tells Airflow of an execution by its key alone, and the run that this makes finds it; beside a sweep."""
    scene = Scene(app.routes, ledger, Counter({"node/2": 1}))
    scene.few = 0
    scene.before(*app.first)
    scene.runs()
    scene.runs()
    scene.sweeps()
    return scene


def _redeploy(app: App, ledger: str) -> Scene:
    """A new version, with one more node and the inputs turned round, comes while listeners of the old one work."""
    more = route("more", [view(A)], signals=list(app.routes.signals))
    scene = Redeployed(app.routes, ledger, Counter({"node/2": 1}))
    scene.before(*app.first[2:])
    bodies = [scene.send(*event) for event in app.first[:2]]
    turned = [dataclasses.replace(each, inputs=each.inputs[::-1]) for each in app.routes.routes]
    scene.add(lambda: scene.deploy(table(app.routes.signals, *turned, more)))
    for body in bodies:
        scene.listen(body)
    return scene


SCENES: dict[str, Callable[[App, str], Scene]] = {
    "two listeners and a sweep": _two_listeners,
    "listener, run and sweep": _listener_run_sweep,
    "publish and a sweep": _publish_one_sweep,
    "publish and two sweeps": _publish_sweep,
    "a listener and two sweeps": _filling_window,
    "a run that dies": _dying_run,
    "a run that is killed": _killed_run,
    "an owed signal and two sweeps": _owed_signal,
    "two runs of one execution": _two_runs,
    "one message twice, and its run": _twice,
    "two listeners and a redeploy": _redeploy,
    "a batch and two sweeps": _batch,
    "a batch that is started, and a sweep": _unstarted_batch,
    "a batch of which one is killed": _killed_batch,
    "messages at once, a run and a sweep": _messages,
    "two batches of one listener": _batches,
    "two batches that fill journals": _full_journals,
    "messages of a firing at once": _at_once,
    "a firing at once, and a second one": _again_at_once,
    "a batch of which one fails": _poisoned,
    "a pump, its run and a sweep": _pump,
}


# Those that come to their ends within minutes, two crashes included.
WHOLE = (
    "publish and two sweeps;", "listener, run and sweep;", "a run that dies;",
    "two listeners and a sweep;", "a listener and two sweeps;", "one message twice, and its run;", "publish and a sweep;",
    "two listeners and a redeploy;", "a run that is killed;", "an owed signal and two sweeps;",
)  # fmt: skip


def all_scenes() -> Sequence[tuple[str, Make]]:
    """Every scene of every application on every ledger, by name."""
    return [
        (f"{scene}; {app}; {ledger}", lambda make=make, app=app, ledger=ledger: make(APPS[app], ledger))  # type: ignore[misc]
        for scene, make in SCENES.items()
        for app in APPS
        for ledger in LEDGERS
    ]


def explored(name: str, crashes: int, enough: Callable[[Found], bool] = lambda _: False) -> Found:
    """Explore one scene."""
    with summaries():
        return explore(dict(all_scenes())[name], crashes, enough)
