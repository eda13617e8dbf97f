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
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from rheo_runtime import wire
from rheo_runtime.dynamo import DynamoLedger
from rheo_runtime.dynamo_table import create_table
from rheo_runtime.emit import signal_entry
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger, MemoryLedger
from rheo_runtime.listener import Listener
from rheo_runtime.pace import Pace
from rheo_runtime.records import Document, Output
from rheo_runtime.sweep import Patience
from rheo_runtime.trigger import Announcer

from .airflow import CLAIM, COMPUTE, SIGNAL, Airflow, Run


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

    def step(self) -> None:
        """Called by a worker before something that others can see: wait for the schedule."""
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
        for fault in self._faults:
            raise fault

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


class World:
    """Everything around one application."""

    def __init__(
        self,
        table: wire.RouteTable,
        make_ledger: Callable[[], Ledger] = MemoryLedger,
        *,
        assets: bool = True,
        dynamodb: Any = None,
    ) -> None:
        self.table = table
        self.time = 1e9
        self.stepper = Stepper()
        if dynamodb is not None:
            create_table("t", dynamodb)
            client: Any = StepClient(dynamodb, self.stepper)
            self.peaceful: Ledger = DynamoLedger("t", client, lambda: self.time)
        else:
            self.peaceful = make_ledger()
        self.ledger: Any = StepLedger(self.peaceful, self.stepper)
        self.airflow = Airflow(assets, lambda: self.stepper.step())
        pace = Pace(100.0, lambda: self.time, lambda _: None)
        self.announcer = Announcer(self.airflow, "airflow", pace)
        self.queue: list[str] = []
        self.run_of: dict[str, set[str]] = {}  # execution -> runs that computed it
        self.lost_runs: dict[str, str] = {}  # runs that were ended by hand -> how
        self.active: Counter[tuple[str, str]] = Counter()
        self.lose: Iterator[int] = iter(())

    def listener(self) -> Listener:
        """A listener that has just started."""
        engine = Engine(self.table, self.ledger, lambda: self.time)
        quiet: Callable[..., None] = lambda *_, **__: None  # noqa: E731
        return Listener(
            engine,
            self.announcer.announce,
            self._emit,
            None,
            Patience(30, 60, 30, 100),
            quiet,
            ask=self.announcer.state,
        )

    # --- what happens ----------------------------------------------------------------------------

    def deliver(self, body: str) -> None:
        """One listener takes one message; it is gone from the queue only when that ended well."""
        record = {"messageId": "m", "body": body, "attributes": {"ApproximateReceiveCount": "9"}}
        answer = self.listener().handle({"Records": [record]}, lambda: 60_000)
        again = answer["batchItemFailures"] or next(self.lose, 0) % 5 == 4
        if not again and body in self.queue:  # it may have been delivered twice at once, and be gone
            self.queue.remove(body)

    def sweep(self) -> None:
        """One listener does the periodic work."""
        self.listener().handle({"source": "rheo", "detail-type": "rheo.sweep", "detail": {}}, lambda: 60_000)

    def carry_out(self, run: Run, until: int = SIGNAL) -> None:
        """One worker goes on with a DAG run, up to one of its tasks."""
        self.airflow.carry_out(run, self.ledger, lambda: self.time, self._compute, self._emit, until)

    def _compute(self, run: Run) -> None:
        assert run.claimed is not None
        self.run_of.setdefault(run.claimed["id"], set()).add(run.id)
        place = (run.claimed["node"], run.claimed["partition"])
        self.active[place] += 1
        assert self.active[place] == 1, f"two runs write {place}"
        try:
            self.stepper.step()
        finally:
            self.active[place] -= 1

    def _emit(self, document: Document) -> None:
        self.stepper.step()
        detail = json.loads(signal_entry(document)["Detail"])
        self.queue.append(json.dumps({"source": "rheo", "detail-type": "rheo.signal", "detail": detail}))
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
        if self.queue and number % 5:
            body = self.queue[number % len(self.queue)]
            return lambda: self.deliver(body) if body in self.queue else None
        return self.sweep

    def peace(self) -> None:
        """Nothing goes wrong any more: deliver, sweep and run until all is done."""
        self.lose = self.airflow.fates = iter(())
        self.airflow.up, self.airflow.parsed, self.airflow.paused = True, True, False
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
