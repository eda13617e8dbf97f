"""Section 7 of the contract: the life of an execution. Both ledgers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rheo_runtime import executions
from rheo_runtime.executions import HISTORY, LostClaim
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    ANNOUNCED,
    CLAIMED,
    FAILED,
    READY,
    SKIPPED,
    SUCCEEDED,
    CheckResult,
    Output,
    Stored,
)

from .tables import NUMBER, Bench, route, signal, table, view

T = 1_700_000_000.0
FIRST, SECOND, THIRD = "node/7#1", "node/7#2", "node/7#3"


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger(lambda: T)


def fire(ledger: Ledger, times: int = 1) -> None:
    for _ in range(times):
        old, _used = ledger.output("node", "7", None)
        n = 1 if old is None else old.generation + 1
        source = Stored({"id": f"node/7#{n}", "generation": n})
        new, _, _ = executions.fire(old, "node", "7", source.builder, source.made, (f"e{n}",), T + n)
        assert ledger.save(old, new)


def state(ledger: Ledger) -> tuple[tuple[int, str] | None, int | None, list[tuple[int, str]]]:
    output = read(ledger)
    return (
        (output.active.generation, output.active.state) if output.active else None,
        output.held.generation if output.held else None,
        [(e.generation, e.state) for e in output.ended],
    )


def read(ledger: Ledger) -> Output:
    output, _ = ledger.output("node", "7", None)
    assert output is not None
    return output


def claim(ledger: Ledger, execution: str, run: str) -> str | None:
    document = executions.claim(ledger, "node", "7", execution, run, T + 50)
    return None if document is None else document["id"]


def test_the_usual_life(ledger: Ledger) -> None:
    fire(ledger)
    assert state(ledger) == ((1, READY), None, [])
    executions.announced(ledger, "node", "7", FIRST, T)
    assert state(ledger) == ((1, ANNOUNCED), None, [])
    assert claim(ledger, FIRST, "run") == FIRST
    assert state(ledger) == ((1, CLAIMED), None, [])
    assert executions.succeed(ledger, "node", "7", FIRST, "run", T) is None
    assert state(ledger) == (None, None, [(1, SUCCEEDED)])
    executions.signalled(ledger, "node", "7", FIRST)
    assert read(ledger).ended[0].signalled


@pytest.mark.parametrize("end", [executions.succeed, executions.fail])
def test_it_is_kept_when_a_run_took_it_and_what_checks_found(ledger: Ledger, end: Any) -> None:
    fire(ledger)
    assert (found := read(ledger).active) is not None and found.claimed is None
    claim(ledger, FIRST, "run")
    assert (found := read(ledger).active) is not None and found.claimed == T + 50
    checks = (
        CheckResult("row_count(1)", True),
        CheckResult("unique(id)", False, "warn", "2 rows, such as 7"),
    )
    end(ledger, "node", "7", FIRST, "run", T + 60, checks=checks)
    (ended,) = read(ledger).ended
    assert (ended.fired, ended.claimed, ended.moved, ended.checks) == (T + 1, T + 50, T + 60, checks)
    claim(ledger, FIRST, "run")  # it is cleared, and made again
    assert (found := read(ledger).active) is not None and found.checks == ()


def test_only_one_run_has_an_execution(ledger: Ledger) -> None:
    fire(ledger)
    assert claim(ledger, FIRST, "one") == FIRST
    assert claim(ledger, FIRST, "two") is None
    assert claim(ledger, FIRST, "one") == FIRST, "a task that is tried again"
    executions.announced(ledger, "node", "7", FIRST, T)
    assert state(ledger) == ((1, CLAIMED), None, []), "a late announcement takes nothing back"


def test_what_nobody_fired_is_claimed_by_nobody(ledger: Ledger) -> None:
    assert claim(ledger, FIRST, "run") is None
    fire(ledger)
    assert claim(ledger, SECOND, "run") is None


def test_a_firing_behind_an_active_one_is_held_and_merges(ledger: Ledger) -> None:
    fire(ledger, 4)
    assert state(ledger) == ((1, READY), 4, [(3, SKIPPED), (2, SKIPPED)])
    assert read(ledger).ended[0].note == "merged into a later one"
    assert claim(ledger, "node/7#4", "run") is None, "held: it is not its turn"
    assert claim(ledger, FIRST, "run") == FIRST
    released = executions.succeed(ledger, "node", "7", FIRST, "run", T)
    assert released is not None and released["id"] == "node/7#4"
    assert state(ledger)[:2] == ((4, READY), None)


def test_a_failure_releases_the_held_one_too(ledger: Ledger) -> None:
    fire(ledger, 2)
    claim(ledger, FIRST, "run")
    released = executions.fail(ledger, "node", "7", FIRST, "run", T, "compute failed")
    assert released is not None and released["id"] == SECOND
    assert state(ledger) == ((2, READY), None, [(1, FAILED)])
    assert read(ledger).ended[0].note == "compute failed"
    assert read(ledger).ended[0].signalled, "nothing is owed for a failure"


def test_ending_again_changes_nothing(ledger: Ledger) -> None:
    fire(ledger, 2)
    claim(ledger, FIRST, "run")
    for _ in range(2):
        released = executions.succeed(ledger, "node", "7", FIRST, "run", T)
        assert released is not None and released["id"] == SECOND
    assert state(ledger) == ((2, READY), None, [(1, SUCCEEDED)])


def test_a_run_ends_only_what_it_holds(ledger: Ledger) -> None:
    for end in (executions.succeed, executions.fail, executions.skip):
        with pytest.raises(LostClaim):
            end(ledger, "node", "7", FIRST, "run", T)
    fire(ledger, 2)
    with pytest.raises(LostClaim):
        executions.succeed(ledger, "node", "7", FIRST, "run", T)
    claim(ledger, FIRST, "run")
    with pytest.raises(LostClaim):
        executions.succeed(ledger, "node", "7", FIRST, "other", T)
    with pytest.raises(LostClaim):
        executions.fail(ledger, "node", "7", SECOND, "run", T)
    executions.fail(ledger, "node", "7", FIRST, "run", T)
    with pytest.raises(LostClaim):
        executions.succeed(ledger, "node", "7", FIRST, "run", T)


def test_a_skipped_execution_is_over(ledger: Ledger) -> None:
    fire(ledger)
    claim(ledger, FIRST, "run")
    executions.skip(ledger, "node", "7", FIRST, "run", T, "nothing to do")
    assert state(ledger) == (None, None, [(1, SKIPPED)])


@pytest.mark.parametrize("end", [executions.fail, executions.succeed])
def test_a_cleared_run_claims_again(ledger: Ledger, end: Any) -> None:
    fire(ledger)
    claim(ledger, FIRST, "run")
    end(ledger, "node", "7", FIRST, "run", T)
    assert claim(ledger, FIRST, "other") is None
    assert claim(ledger, FIRST, "run") == FIRST
    assert state(ledger) == ((1, CLAIMED), None, [])
    executions.succeed(ledger, "node", "7", FIRST, "run", T)
    assert state(ledger) == (None, None, [(1, SUCCEEDED)])


def test_a_cleared_run_waits_while_another_execution_is_active(ledger: Ledger) -> None:
    fire(ledger, 2)
    claim(ledger, FIRST, "run")
    executions.fail(ledger, "node", "7", FIRST, "run", T)
    assert claim(ledger, FIRST, "run") is None
    assert claim(ledger, SECOND, "second run") == SECOND
    executions.succeed(ledger, "node", "7", SECOND, "second run", T)
    assert claim(ledger, FIRST, "run") == FIRST


def test_a_run_by_hand_makes_its_own(ledger: Ledger) -> None:
    def adopt(run: str) -> int | None:
        document = executions.adopt(ledger, "node", "7", Stored({"id": "mine"}), run, T)
        return None if document is None else read(ledger).generation

    assert adopt("hand") == 1
    assert state(ledger) == ((1, CLAIMED), None, [])
    assert adopt("hand") == 1, "tried again"
    assert adopt("other") is None, "another one works on the partition"
    fire(ledger)
    executions.fail(ledger, "node", "7", FIRST, "hand", T)
    assert state(ledger) == ((2, READY), None, [(1, FAILED)])
    assert adopt("hand") is None
    claim(ledger, SECOND, "run")
    executions.succeed(ledger, "node", "7", SECOND, "run", T)
    assert adopt("hand") == 2, "cleared: the same execution again"
    assert state(ledger)[0] == (1, CLAIMED)
    executions.succeed(ledger, "node", "7", FIRST, "hand", T)
    assert adopt("third") == 3


def test_finish_ends_whatever_is_active(ledger: Ledger) -> None:
    assert executions.finish(ledger, "node", "7", FIRST, True, T) == []
    fire(ledger, 2)
    assert [d["id"] for d in executions.finish(ledger, "node", "7", FIRST, False, T)] == [SECOND]
    assert executions.finish(ledger, "node", "7", FIRST, True, T) == []
    assert state(ledger) == ((2, READY), None, [(1, FAILED)])


def test_the_history_is_short_and_the_generation_goes_on(ledger: Ledger) -> None:
    for n in range(HISTORY + 5):
        fire(ledger)
        executions.finish(ledger, "node", "7", f"node/7#{n + 1}", True, T)
    output = read(ledger)
    assert output.generation == HISTORY + 5
    assert [e.generation for e in output.ended] == list(range(HISTORY + 5, 5, -1))


def test_a_signal_that_is_owed_is_never_forgotten(ledger: Ledger) -> None:
    fire(ledger)
    claim(ledger, FIRST, "run")
    executions.succeed(ledger, "node", "7", FIRST, "run", T)
    fire(ledger, 3 * HISTORY)
    output = read(ledger)
    assert len(output.ended) == HISTORY
    assert [e.generation for e in output.ended if not e.signalled] == [1]
    assert [o.partition for o in ledger.unsettled()] == ["7"]


def test_merged_executions_leave_the_history_first(ledger: Ledger) -> None:
    fire(ledger)
    claim(ledger, FIRST, "run")
    executions.fail(ledger, "node", "7", FIRST, "run", T)
    fire(ledger, 3 * HISTORY)
    executions.finish(ledger, "node", "7", SECOND, True, T)
    executions.finish(ledger, "node", "7", f"node/7#{3 * HISTORY + 1}", True, T)
    assert claim(ledger, FIRST, "run") == FIRST, "a failed run can still be cleared"


def test_two_who_change_an_output_at_once_both_succeed(ledger: Ledger) -> None:
    """The loser of a compare-and-swap reads again: here a firing comes between read and write."""
    fire(ledger)
    claim(ledger, FIRST, "run")
    save, pending = ledger.save, [1]

    def raced(*args: Any) -> bool:
        if pending:
            pending.pop()
            fire(ledger)
        return save(*args)

    ledger.save = raced  # type: ignore[method-assign]
    released = executions.succeed(ledger, "node", "7", FIRST, "run", T)
    assert released is not None and released["id"] == SECOND
    assert state(ledger) == ((2, READY), None, [(1, SUCCEEDED)])


# --- through the engine ------------------------------------------------------------------------


@pytest.fixture
def bench(ledger: Ledger) -> Bench:
    a = signal("A", n=NUMBER)
    one = Bench(table([a], route("node", [view(a)], signals=[a])), ledger, start=T)
    one.engine.instant = False
    return one


def test_firings_of_one_output_are_held_one_after_the_other(bench: Bench) -> None:
    first = bench.outcome("A", 7)
    assert [d["id"] for d in first.fired] == [FIRST]
    second = bench.outcome("A", 7)
    assert (second.fired, [d["id"] for d in second.held]) == ([], [SECOND])
    third = bench.outcome("A", 7)
    assert ([d["id"] for d in third.held], [d["id"] for d in third.skipped]) == ([THIRD], [SECOND])
    assert [d["id"] for d in bench.outcome("A", 8).fired] == ["node/8#1"], "another partition is free"
    assert [d["id"] for d in bench.engine.complete(first.fired[0], True)] == [THIRD]
    assert bench.engine.complete(third.held[0], False) == []


def test_an_event_that_comes_again_reminds_of_what_is_not_announced(bench: Bench) -> None:
    bench.outcome("A", 7, id="e")
    again = bench.outcome("A", 7, id="e")
    assert (again.fired, [d["id"] for d in again.overdue]) == ([], [FIRST])
    executions.announced(bench.engine.ledger, "node", "7", FIRST, bench.time)
    assert bench.outcome("A", 7, id="e").overdue == []


def test_the_document(bench: Bench) -> None:
    (document,) = bench.outcome("A", 7).fired
    assert document == {
        "version": 1,
        "app": "app",
        "node": "node",
        "id": "node/7#1",
        "partition": "7",
        "generation": 1,
        "means": bench.engine.program.nodes["node"].document_builder.means,
        "output": {
            "dimensions": {"n": "7"},
            "path": "s3://lake/out/node/7",
            "means": bench.engine.program.nodes["node"].document_builder.spelling,
        },
        "inputs": [
            {"alias": "A", "signal": "A", "dimensions": {"n": "7"}, "paths": ["s3://lake/A/7"]},
        ],
    }
    stored = executions.claim(bench.engine.ledger, "node", "7", FIRST, "run", T)
    assert stored == document
