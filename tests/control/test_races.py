"""Asking for executions and ending them, while runs claim and end them and others ask: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from runtime.world import StepLedger, Stepper
from support.examples import examples

from rheo_runtime import executions
from rheo_runtime.derivation import of_output
from rheo_runtime.executions import KILLED, LostClaim, StillWriting
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import FAILED, SKIPPED, SUCCEEDED
from rheodsl import Application
from rheodsl.testing.simulator import compiled


def source() -> object:
    app = Application("races")
    numbers = app.s3("numbers", "s3://lake/numbers/{n:int}")
    app.create_data("daily", inputs=[numbers], compute_targets="output = numbers")
    return of_output(Program(compiled(app)).nodes["daily"], (1,))


DRAFT = source()


@examples(300)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2))
def test_whoever_comes_first(seed: int, orders: int, stops: int, runs: int) -> None:
    stepper, ledger = Stepper(), MemoryLedger()
    stepped = StepLedger(ledger, stepper)
    ordered: list[str] = []
    ready: list[str] = []
    stopped: list[tuple[str, str]] = []
    ended_by_run: list[str] = []
    at_work: set[str] = set()

    def order() -> None:
        made = None
        while made is None:
            output, _ = stepped.output("daily", "1", None)
            made = executions.order(stepped, output, "daily", "1", DRAFT, 1.0)  # type: ignore[arg-type]
        ordered.append(made.document["id"])
        if made.ready:
            ready.append(made.document["id"])

    def stop() -> None:
        output, _ = stepped.output("daily", "1", None)
        for execution in executions.current(output):
            id = f"daily/1#{execution.generation}"
            ended = executions.stop(stepped, "daily", "1", id, 2.0, KILLED)  # type: ignore[arg-type]
            if ended is not None:
                stopped.append((id, ended.state))
                ready.extend([ended.released["id"]] if ended.released else [])

    def run(name: str) -> Callable[[], None]:
        def carry_out() -> None:
            for id in list(ready):
                try:
                    if executions.claim(stepped, "daily", "1", id, name, 3.0) is None:  # type: ignore[arg-type]
                        continue
                except StillWriting as fault:
                    if fault.writer.run_id not in at_work:  # seen to have ended: the next try gets it
                        executions.writes_no_more(stepped, "daily", "1", fault.writer)  # type: ignore[arg-type]
                    continue
                assert not at_work, f"{at_work} and {name} write at once"
                at_work.add(name)
                stepper.step()
                at_work.remove(name)
                try:
                    released = executions.succeed(stepped, "daily", "1", id, name, 4.0)  # type: ignore[arg-type]
                except LostClaim:
                    continue  # it was killed meanwhile
                ended_by_run.append(id)
                ready.extend([released["id"]] if released else [])

        return carry_out

    workers = [*[order] * orders, *[stop] * stops, *(run(f"run{i}") for i in range(runs))]
    choose = Random(seed)
    schedule: Iterator[int] = iter(lambda: choose.randrange(10**6) // 25 * 25, -1)  # no crashes here
    stepper.run(workers, schedule)

    output, _ = ledger.output("daily", "1", None)
    assert output is not None
    every = [*executions.current(output), *output.ended]
    assert sorted(f"daily/1#{e.generation}" for e in every) == sorted(ordered), "each once, none is lost"
    states = {f"daily/1#{e.generation}": (e.state, e.note) for e in output.ended}
    assert all(states[id] == (state, KILLED) for id, state in stopped)
    assert all(states[id][0] == SUCCEEDED for id in ended_by_run)
    assert not {id for id, _ in stopped} & set(ended_by_run)
    assert {state for state, _ in states.values()} <= {SUCCEEDED, FAILED, SKIPPED}
    if output.active is not None:
        assert f"daily/1#{output.active.generation}" in ready, "whoever made it READY knows of it"
    assert output.held is None or output.active is not None
