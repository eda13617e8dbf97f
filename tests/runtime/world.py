"""A world that goes wrong: listeners and runs that crash or meet at any call, messages that come late,
twice or in another order, an Airflow that is busy, down or made anew, runs that somebody ends by hand.

Listeners and runs are threads that stop before and after each call of the ledger, of Airflow and of the
event bus until the schedule lets one of them go on, so that a list of numbers is a whole history.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from support.airflow import CLAIM, COMPUTE, SIGNAL, Airflow, Run, fault, no_answer, refusal
from support.events import SWEEP, output_event
from support.runs import Refused, Worker

from rheo_runtime import wire
from rheo_runtime.airflow_client import Announcer, RateLimiter, told_as
from rheo_runtime.comparison import EVERY
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import Document, Output
from rheo_runtime.sweep import Patience


class Crash(BaseException):
    """The process ends here: no handler may catch it."""


class Stepper:
    """Runs several functions as threads, one step of one of them at a time."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._free: int | None = None  # the thread that may go on; None: the scheduler
        self._local = threading.local()
        self._faults: list[BaseException] = []
        self.crash_next = False

    def step(self, what: object = None) -> None:
        """Called by a worker before (``what`` it does) and after something that others can see: wait for the schedule."""
        me = getattr(self._local, "number", None)
        if me is None:
            return  # not in a schedule: the world is at peace
        with self._turn:
            self._free = None
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._free == me)
            if self.crash_next:
                self.crash_next = False
                raise Crash

    def run(self, workers: list[Callable[[], None]], schedule: Iterator[int]) -> None:
        """Run workers to their ends. Each number picks who goes on; one in 25 is a crash."""
        alive = dict(enumerate(workers))
        threads = {n: threading.Thread(target=self._work, args=(n, w), daemon=True) for n, w in alive.items()}
        self._done: set[int] = set()
        for n, thread in threads.items():
            with self._turn:
                self._free = n
            thread.start()
            with self._turn:
                self._turn.wait_for(lambda: self._free is None)
        while left := sorted(set(threads) - self._done):
            number = next(schedule, 0)
            with self._turn:
                self.crash_next = number % 25 == 24
                self._free = left[number % len(left)]
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._free is None)
        for thread in threads.values():
            thread.join()
        for error in self._faults:
            raise error

    def _work(self, number: int, worker: Callable[[], None]) -> None:
        self._local.number = number
        try:
            self.step()
            worker()
        except Crash:
            return
        except BaseException as fault:  # noqa: BLE001 - raised again by the scheduler
            self._faults.append(fault)
        finally:
            with self._turn:
                self._done.add(number)
                self._free = None
                self._turn.notify_all()


class StepLedger:
    """A ledger whose every call is a step, and that hands out copies, as a remote one does."""

    def __init__(self, inner: Ledger, stepper: Stepper) -> None:
        self._inner = inner
        self._stepper = stepper

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        def stepped(*arguments: Any, **named: Any) -> Any:
            self._stepper.step()
            result = (
                copy.deepcopy(call(*arguments, **named)) if name in _COPIED else call(*arguments, **named)
            )
            self._stepper.step()
            return result

        return stepped


class StepClient:
    """A client whose every call is a step: a method of the ledger may end between two of its writes."""

    def __init__(self, inner: Any, stepper: Stepper) -> None:
        self._inner = inner
        self._stepper = stepper
        self.exceptions = inner.exceptions

    def __getattr__(self, name: str) -> Any:
        def stepped(*arguments: Any, **named: Any) -> Any:
            self._stepper.step()
            return getattr(self._inner, name)(*arguments, **named)

        return stepped


_COPIED = {"arrive", "arrived", "find", "arrivals"}


class TroubledAirflow(Airflow):
    """An Airflow whose every call is a step; ``fates`` decide what becomes of each, a call may fail after it was done."""

    def __init__(self, app: str, *nodes: str, assets: bool, step: Callable[..., None]) -> None:
        super().__init__(app, *nodes, assets=assets)
        self.step = step
        self.fates: Iterator[int] = iter(())

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        self.step("ask" if call["Method"] == "GET" else "call")
        fate = next(self.fates, 0) % 12
        if fate in (8, 9, 10):
            raise (no_answer(), fault("ThrottlingException", 429), refusal(503))[fate - 8]
        answer = super().invoke_rest_api(**call)
        self.step()
        if fate == 11:
            raise no_answer()
        return answer

    def joins(self) -> bool:
        return next(self.fates, 0) % 2 == 0


class World:
    """Everything around one application."""

    def __init__(
        self,
        table: wire.RouteTable,
        make_ledger: Callable[[], Ledger] = MemoryLedger,
        *,
        assets: bool = True,
        dynamodb: Any = None,
        stepper: Any = None,
    ) -> None:
        self.table = table
        self.time = 1e9
        self.stepper = stepper or Stepper()
        self.patience = Patience(30, 60, 30, 100)
        if dynamodb is not None:
            create_table("t", dynamodb)
            client: Any = StepClient(dynamodb, self.stepper)
            self.peaceful: Ledger = DynamoLedger("t", client, lambda: self.time)
        else:
            self.peaceful = make_ledger()
        self.ledger: Any = StepLedger(self.peaceful, self.stepper)
        nodes = [name for route in table.routes for name in (route.node, told_as(route.node))]
        self.airflow = TroubledAirflow(table.app, *nodes, assets=assets, step=self.stepper.step)
        rate_limiter = RateLimiter(100.0, lambda: self.time, lambda _: None)
        self.announcer = Announcer(self.airflow, "airflow", rate_limiter)
        self.queue: list[str] = []
        self.deliveries: Counter[str] = Counter()
        self.run_of: dict[str, set[str]] = {}  # execution -> runs that computed it
        self.lost_runs: dict[str, str] = {}  # runs that were ended by hand -> how
        self.active: Counter[tuple[str, str]] = Counter()
        self.lose: Iterator[int] = iter(())
        self.storage: Any = None  # what tells of data that no event has told of
        self.started: Counter[object] = Counter()  # listeners, by what they take
        self.few = 10  # executions that are announced one by one, before the pump takes over

    def program(self) -> wire.RouteTable | Program:
        """The application, as a listener that starts reads it."""
        return self.table

    def listener(self, takes: object = "sweep") -> Listener:
        """A listener that has just started, for what it takes."""
        self.started[takes] += 1
        engine = Engine(self.program(), self.ledger, lambda: self.time, self.storage, EVERY)
        quiet: Callable[..., None] = lambda *_, **__: None  # noqa: E731
        return Listener(
            engine,
            self.announcer.announce,
            lambda execution: self._emit(execution.document),
            None,
            self.patience,
            quiet,
            ask=self.announcer.state,
            under_way=self.announcer.under_way,
            announce_batch=self.announcer.announce_batch,
            pump=self.announcer.pump,
            few=self.few,
            name=f"{takes} {self.started[takes]}",
        )

    # --- what happens ----------------------------------------------------------------------------

    def deliver(self, *bodies: str, to: Listener | None = None) -> None:
        """One listener takes messages; each is gone from the queue only when that ended well."""
        self.deliveries.update(bodies)
        records = [
            {
                "messageId": str(n),
                "body": b,
                "attributes": {"ApproximateReceiveCount": str(self.deliveries[b])},
            }
            for n, b in enumerate(bodies)
        ]
        answer = (to or self.listener(bodies)).handle({"Records": records}, lambda: 60_000)
        failed = {int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]}
        for n, body in enumerate(bodies):
            again = n in failed or next(self.lose, 0) % 5 == 4
            if not again and body in self.queue:  # it may have been delivered twice at once, and be gone
                self.queue.remove(body)

    def sweep(self) -> None:
        """One listener does the periodic work."""
        self.listener().handle(SWEEP, lambda: 60_000)

    def carry_out(self, run: Run, until: int = SIGNAL) -> None:
        """One worker goes on with a DAG run, up to one of its tasks."""
        worker = Worker(
            self.airflow, self.ledger, lambda: self.time, self._compute, self._emit, self.stepper.step
        )
        worker.carry_out(run, until)

    def _compute(self, run: Run) -> None:
        assert run.claimed is not None
        self.run_of.setdefault(run.claimed["id"], set()).add(run.id)
        place = (run.claimed["node"], run.claimed["partition"])
        self.stepper.step(f"compute {place}")  # that it begins is a step, as that it ends
        self.active[place] += 1
        assert self.active[place] == 1, f"two runs write {place}"
        try:
            self.stepper.step(f"compute {place}")
        finally:
            self.active[place] -= 1

    def _emit(self, document: Document) -> None:
        self.stepper.step("bus")
        if next(self.lose, 0) % 9 == 8:
            raise Refused
        self.queue.append(json.dumps(output_event(document)))
        self.stepper.step()

    def by_hand(self, run: Run, how: str) -> None:
        """Somebody ends a run, deletes it, or clears it after it has failed."""
        if how == "delete":
            self.airflow.runs.remove(run)
        elif how == "clear":
            run.state, run.stage = "queued", CLAIM
        elif how == "clear the compute":
            run.state, run.stage = "queued", min(run.stage, COMPUTE)
        else:
            run.state = how
        if run.claimed is not None:
            self.lost_runs[run.id] = how

    # --- how it goes on --------------------------------------------------------------------------

    def trouble(self, seed: int, rounds: int, workers: int = 3) -> None:
        """Let several things happen at once, again and again, as the seed says."""
        random = Random(seed)
        numbers = iter(lambda: random.randrange(1000), None)
        self.lose = self.airflow.fates = iter(lambda: random.randrange(1000), None)
        for _ in range(rounds):
            self.at_once(numbers, workers)
            self.time += 7

    def at_once(self, numbers: Iterator[int], workers: int) -> None:
        """Let several things happen at once, as the numbers say."""
        picked: set[str] = set()
        self.stepper.run([self._job(next(numbers, 1), picked) for _ in range(workers)], numbers)

    def _job(self, number: int, picked: set[str]) -> Callable[[], None]:
        runs = [r for r in self.airflow.ready() if r.id not in picked]  # one run is not in two processes
        if runs and number % 2 == 0:
            run = runs[number % len(runs)]
            picked.add(run.id)
            return lambda: self.carry_out(run, number // 2 % 6)
        if self.queue and number % 5 == 3:
            bodies = self.queue[:10]
            return lambda: self.deliver(*bodies)
        if self.queue and number % 5:
            body = self.queue[number % len(self.queue)]
            return lambda: self.deliver(body) if body in self.queue else None
        return self.sweep

    def peace(self) -> None:
        """Nothing goes wrong any more: deliver, sweep and run until all is done."""
        self.lose = self.airflow.fates = iter(())
        self.airflow.down, self.airflow.parsed = None, True
        self.airflow.pause(False)
        for _ in range(50):
            for body in list(self.queue):
                if body in self.queue:
                    self.deliver(body)
            for run in self.airflow.ready():
                self.carry_out(run)
            self.time += 10_000
            self.sweep()
            if not self.queue and not self.airflow.ready() and not list(self.peaceful.unsettled()):
                return
        raise AssertionError("it never comes to rest")

    def outputs(self) -> dict[tuple[str, str], Output]:
        return {(o.node, o.partition): o for o in self.peaceful.outputs()}
