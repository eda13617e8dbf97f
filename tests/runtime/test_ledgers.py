"""One suite for both ledgers: what each method promises, whatever stores it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.lagging import Lagging

from benchmarks._dynamodb import DynamoDB
from rheo_runtime import executions
from rheo_runtime.dynamodb import (
    ABANDONED,
    DynamoLedger,
    create_table,
    digest,
    encode,
    output_key,
    spilled_key,
)
from rheo_runtime.ledger import Ledger, shown
from rheo_runtime.records import (
    ANNOUNCED,
    CLAIMED,
    NEVER,
    READY,
    SUCCEEDED,
    Arrival,
    ArrivalIndex,
    BatchRun,
    CheckResult,
    Means,
    Output,
    Stored,
    Unreadable,
    User,
    Waiter,
    Writer,
)

from .conftest import TABLE

T = 1_700_000_000.0
EXACT = ArrivalIndex("node", "a", ("aa",), True, 1000)
LOOSE = ArrivalIndex("node", "b", ("bb", "cc"), False, 1000)


class Clock:
    def __init__(self) -> None:
        self.time = T

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(make_ledger: Callable[[Callable[[], float]], Ledger], clock: Clock) -> Ledger:
    return make_ledger(clock)


def partitions(
    ledger: Ledger, arrival_index: ArrivalIndex, index: int, *key: object
) -> list[tuple[object, ...]]:
    return sorted(record.partition for record in ledger.find(arrival_index, index, key))  # type: ignore[arg-type]


# --- arrivals ----------------------------------------------------------------------------------


def test_an_arrival_is_found_under_its_key(ledger: Ledger) -> None:
    assert ledger.find(EXACT, 0, ("EU", 7)) in ((), [])
    ledger.arrive(EXACT, (("EU", 7),), ("EU", 7), "e1", T)
    (record,) = ledger.find(EXACT, 0, ("EU", 7))
    assert (record.partition, record.n, record.since) == (("EU", 7), 1, T)
    assert record.times() == {"e1": T}
    assert not ledger.find(EXACT, 0, ("EU", 8))


def test_an_arrival_stands_in_every_index_of_its_slot(ledger: Ledger) -> None:
    for region, day in (("EU", 7), ("NA", 7), ("EU", 8)):
        ledger.arrive(LOOSE, ((day,), (region,)), (region, day), f"{region}{day}", T)
    assert partitions(ledger, LOOSE, 0, 7) == [("EU", 7), ("NA", 7)]
    assert partitions(ledger, LOOSE, 1, "EU") == [("EU", 7), ("EU", 8)]
    assert partitions(ledger, LOOSE, 1, "FE") == []
    assert len(list(ledger.arrivals(LOOSE))) == 3


def test_one_record_is_read_by_its_partition(ledger: Ledger, clock: Clock) -> None:
    for region, day in (("EU", 7), ("NA", 7)):
        ledger.arrive(LOOSE, ((day,), (region,)), (region, day), f"{region}{day}", T)
    record = ledger.arrived(LOOSE, (7,), ("NA", 7))
    assert record is not None and (record.partition, list(record.times())) == (("NA", 7), ["NA7"])
    assert ledger.arrived(LOOSE, (7,), ("FE", 7)) is None
    ledger.arrive(EXACT, ((7,),), (7,), "e1", T)
    assert ledger.arrived(EXACT, (7,), (7,)) is not None
    clock.time = T + 1001
    ledger.forget(LOOSE, clock.time)
    assert ledger.arrived(LOOSE, (7,), ("NA", 7)) is None


def test_an_event_counts_once(ledger: Ledger) -> None:
    first = ledger.arrive(EXACT, ((7,),), (7,), "e1", T)
    again = ledger.arrive(EXACT, ((7,),), (7,), "e1", T + 5)
    assert (first.n, again.n) == (1, 1)
    more = ledger.arrive(EXACT, ((7,),), (7,), "e2", T + 9)
    assert (more.n, more.since, list(more.times())) == (2, T, ["e1", "e2"])
    assert ledger.find(EXACT, 0, (7,))[0].n == 2


def test_inputs_and_nodes_are_apart(ledger: Ledger) -> None:
    other = ArrivalIndex("node", "z", ("aa",), True, 1000)
    ledger.arrive(EXACT, ((7,),), (7,), "e1", T)
    assert not ledger.find(other, 0, (7,))
    changed = ArrivalIndex("node", "a", ("other index",), True, 1000)
    assert not ledger.find(changed, 0, (7,)), "what was indexed under other links is not misread"


def test_a_dimensionless_partition(ledger: Ledger) -> None:
    ledger.arrive(EXACT, ((),), (), "e1", T)
    (record,) = ledger.find(EXACT, 0, ())
    assert record.partition == ()


def test_texts_are_those_of_the_last_event(ledger: Ledger) -> None:
    ledger.arrive(EXACT, (("eu",),), ("eu",), "e1", T, ("EU",))
    assert ledger.arrive(EXACT, (("eu",),), ("eu",), "e2", T, ("Eu",)).texts == ("Eu",)


def test_odd_ids_and_values(ledger: Ledger) -> None:
    name = "ü/|\"'#:{}" + "x" * 3000
    ledger.arrive(EXACT, ((name, -(10**18)),), (name, -(10**18)), name, T)
    again = ledger.arrive(EXACT, ((name, -(10**18)),), (name, -(10**18)), name, T)
    assert (again.n, again.partition) == (1, (name, -(10**18)))
    assert ledger.find(EXACT, 0, (name, -(10**18)))[0].n == 1


def test_old_arrivals_are_forgotten(ledger: Ledger, clock: Clock) -> None:
    ledger.arrive(EXACT, ((7,),), (7,), "e1", T)
    ledger.arrive(EXACT, ((8,),), (8,), "e1", T)
    clock.time = T + 900
    ledger.arrive(EXACT, ((7,),), (7,), "e2", T + 900)
    clock.time = T + 1100
    ledger.forget(EXACT, T + 1100)
    (record,) = ledger.find(EXACT, 0, (7,))
    assert (record.n, list(record.times())) == (2, ["e2"])
    assert record.unused((T, 1)) == 1
    assert record.unused((0.0, 0)) == 1, "the first is too old to be used"
    assert not ledger.find(EXACT, 0, (8,))
    clock.time = T + 3000
    ledger.forget(EXACT, T + 3000)
    assert not ledger.find(EXACT, 0, (7,))
    assert not list(ledger.arrivals(EXACT))


def test_forgetting_leaves_the_other_partitions_of_an_index(ledger: Ledger, clock: Clock) -> None:
    ledger.arrive(LOOSE, ((7,), ("EU",)), ("EU", 7), "e1", T)
    clock.time = T + 900
    ledger.arrive(LOOSE, ((7,), ("NA",)), ("NA", 7), "e1", T + 900)
    clock.time = T + 1500
    ledger.forget(LOOSE, T + 1500)
    assert partitions(ledger, LOOSE, 0, 7) == [("NA", 7)]
    assert partitions(ledger, LOOSE, 1, "EU") == []


# --- outputs -----------------------------------------------------------------------------------


def document(generation: int) -> dict[str, object]:
    return {"id": f"node/7#{generation}", "partition": "7", "generation": generation, "text": "ü"}


def fired(output: Output | None, generation: int, partition: str = "7") -> Output:
    source = Stored(document(generation))
    return executions.fire(output, "node", partition, source.builder, source.made, ("e1",), T)[0]


def user(*binding: Any, means: str = "m", now: Sequence[str] = (), **options: Any) -> User:
    names = options.pop("names", "abcdefgh")
    return User(binding, Means(means, tuple(names[: len(binding)]), frozenset(now)), **options)


def test_nothing_is_there_at_first(ledger: Ledger) -> None:
    assert ledger.output("node", "7", user((7,))) == (None, None)
    assert list(ledger.outputs()) == []


def test_an_output_reads_back_as_it_was_saved(ledger: Ledger) -> None:
    binding, used = user((7,), ("EU", 8)), (1, ((T, 1), (T + 0.25, 3)))
    assert ledger.save(None, fired(None, 1), binding, used)
    output, found = ledger.output("node", "7", binding)
    assert found == used
    assert output is not None and output.active is not None
    assert (output.node, output.partition, output.version, output.generation) == ("node", "7", 1, 1)
    assert (output.active.state, output.active.document, output.active.events) == (
        READY,
        document(1),
        ("e1",),
    )
    assert ledger.output("node", "7", user((8,), ("EU", 8)))[1] is None
    assert ledger.output("other", "7", binding) == (None, None)


def test_only_one_of_two_writers_wins(ledger: Ledger) -> None:
    assert ledger.save(None, fired(None, 1))
    assert not ledger.save(None, fired(None, 1))
    one, _ = ledger.output("node", "7", None)
    two, _ = ledger.output("node", "7", None)
    assert ledger.save(one, fired(one, 2), user((7,)), (1, ((T, 1),)))
    assert not ledger.save(two, fired(two, 2), user((7,)), (9, ((T, 9),)))
    output, used = ledger.output("node", "7", user((7,)))
    assert output is not None and output.version == 2 and used == (1, ((T, 1),))


def test_an_output_remembers_what_many_bindings_used(ledger: Ledger) -> None:
    output: Output | None = None
    for n in range(50):
        new = fired(output, n + 1)
        assert ledger.save(output, new, user((n,)), (1, ((T, n),)))
        output, _ = ledger.output("node", "7", None)
    for n in (0, 20, 49):
        assert ledger.output("node", "7", user((n,)))[1] == (1, ((T, n),))
    output, _ = ledger.output("node", "7", user((3,)))
    assert ledger.save(output, fired(output, 51), user((3,)), (2, ((T, 99),)))
    for n in range(100, 150):
        output, _ = ledger.output("node", "7", None)
        assert ledger.save(output, fired(output, n), user((n,)), (1, ((T, n),)))
    assert ledger.output("node", "7", user((3,)))[1] == (2, ((T, 99),)), "the newer one"


def test_of_many_outputs_is_said_what_is_said_of_each(ledger: Ledger) -> None:
    """Of an output that is not there, one of two bindings, and one whose use stands apart, too."""
    output: Output | None = None
    for n in range(50):
        new = fired(output, n + 1)
        assert ledger.save(output, new, user((n,)), (1, ((T, n),)))
        output, _ = ledger.output("node", "7", None)
    for n in range(250):
        assert ledger.save(None, fired(None, 1)._replace(partition=f"p{n}"), user((n,)), (1, ((T, n),)))
    asked = [("7", user((n,))) for n in (0, 49, 99)] + [(f"p{n}", user((n,))) for n in range(251)]
    assert list(ledger.uses("node", asked)) == [ledger.output("node", *each) for each in asked]
    assert list(ledger.uses("node", [])) == []


def test_outputs_lists_those_of_a_node(ledger: Ledger) -> None:
    for node, partition in (("a", "1"), ("a", "2"), ("ab", "1")):
        ledger.save(None, Output(node, partition, 1, 0))
    assert sorted(o.partition for o in ledger.outputs("a")) == ["1", "2"]
    assert len(list(ledger.outputs())) == 3
    assert list(ledger.unsettled()) == []


def test_statuses_say_the_state_of_each_output_partition(ledger: Ledger) -> None:
    def statuses(node: str | None = None) -> list[tuple[str, str, str]]:
        return sorted(ledger.statuses(node))

    assert statuses() == statuses("node") == []
    ledger.save(None, fired(None, 1))
    ledger.save(None, Output("other", "", 1, 0))
    assert statuses("node") == [("node", "7", "READY")]
    executions.claim(ledger, "node", "7", "node/7#1", "run", T)
    assert statuses("node") == [("node", "7", "CLAIMED")]
    executions.succeed(ledger, "node", "7", "node/7#1", "run", T)
    assert statuses() == [("node", "7", "SUCCEEDED"), ("other", "", "")], "one without dimensions, too"
    output, _ = ledger.output("node", "7", None)
    assert ledger.save(output, fired(output, 2))
    assert statuses("node") == [("node", "7", "READY")], "the active one counts, not the one that ended"


def test_a_writer_is_kept_until_it_is_seen_to_have_ended(ledger: Ledger) -> None:
    jobs = ("batch high", "glue shop-node")
    ledger.save(None, fired(None, 1))
    assert executions.claim(ledger, "node", "7", "node/7#1", "run", T, jobs) is not None
    assert executions.stop(ledger, "node", "7", "node/7#1", T + 1, "killed") is not None
    output, _ = ledger.output("node", "7", None)
    assert output is not None and output.writer == Writer(1, "run", jobs, T + 1)
    after = fired(output, 2)
    assert ledger.save(output, after)
    executions.delayed(ledger, "node", "7", "node/7#2", "waits")
    with pytest.raises(executions.StillWriting):
        executions.claim(ledger, "node", "7", "node/7#2", "another", T)
    executions.tasks_told(ledger, "node", "7", output.writer, T + 2)
    executions.writes_no_more(ledger, "node", "7", output.writer)  # of another moment: it is no more the same
    output, _ = ledger.output("node", "7", None)
    assert output is not None and output.writer == Writer(1, "run", jobs, T + 2)
    assert output.active is not None and output.active.note == "waits"
    executions.writes_no_more(ledger, "node", "7", output.writer)
    assert executions.claim(ledger, "node", "7", "node/7#2", "another", T) is not None
    output, _ = ledger.output("node", "7", None)
    assert output is not None and output.active is not None
    assert (output.writer, output.active.jobs, output.active.note) == (None, (), "")


def test_what_the_sweeper_is_shown(ledger: Ledger) -> None:
    ledger.save(None, fired(None, 1))
    assert [o.partition for o in ledger.unsettled()] == ["7"]
    executions.claim(ledger, "node", "7", "node/7#1", "run", T)
    assert [o.partition for o in ledger.unsettled()] == ["7"], "its run may come to an end without a word"
    executions.succeed(ledger, "node", "7", "node/7#1", "run", T)
    assert [o.partition for o in ledger.unsettled()] == ["7"], "a signal is owed"
    executions.signalled(ledger, "node", "7", "node/7#1")
    assert list(ledger.unsettled()) == []


def test_checks_that_failed_are_owed_their_signal(ledger: Ledger) -> None:
    ledger.save(None, fired(None, 1))
    where = ledger, "node", "7", "node/7#1"
    executions.claim(*where, "run", T)
    executions.fail(*where, "run", T, "check unique(id): 2 rows", [CheckResult("unique(id)", False)])
    (output,) = ledger.unsettled()
    (over,) = output.ended
    assert (over.state, over.checked, over.signalled) == ("FAILED", "FAIL", False)
    executions.signalled(*where)
    assert list(ledger.unsettled()) == []


# --- existence ---------------------------------------------------------------------------------


def test_existence_is_bits_along_a_row(ledger: Ledger) -> None:
    for position in (-1, 0, 63, 64, 200):
        ledger.see("s", ("EU",), position)
        ledger.see("s", ("EU",), position)
    assert ledger.seen("s", ("EU",), 0, 63) == 1 | 1 << 63
    assert ledger.seen("s", ("EU",), 10, 70) == 1 | 1 << 63 | 1 << 64
    # Bits count from the start of the first chunk, which is -64 here.
    assert ledger.seen("s", ("EU",), -1, 0) == 1 << 63 | 1 << 64 | 1 << 127
    assert ledger.seen("s", ("EU",), 130, 250) == 1 << 200 - 128
    assert ledger.seen("s", ("NA",), 0, 63) == 0
    assert ledger.seen("t", ("EU",), 0, 63) == 0


# --- watches and lapses ------------------------------------------------------------------------


def test_a_watch_of_another_meaning_stands_beside_the_one_before(ledger: Ledger) -> None:
    old = Waiter("s", (7,), "node", ((8,),), T, "old")
    new = old._replace(since=T + 5, means="new")
    for watch in (old, new, old._replace(since=T + 9)):
        ledger.watch(watch)
    assert sorted(ledger.watches()) == sorted(ledger.waiters("s", (7,))) == [old, new]
    ledger.unwatch(old)
    assert list(ledger.watches()) == [new]


def test_a_new_version_finds_what_its_binding_has_used_of_the_same_partitions(ledger: Ledger) -> None:
    """Whoever has fewer inputs, or less of a rollup, has run; whoever has more has not."""
    marks = ((T, 1), (T + 1, 2), (T + 2, 3))
    assert ledger.save(None, fired(None, 1), user((7,), ("EU", 8), (9,), means="old"), (1, marks))

    def used(*binding: Any, **options: Any) -> Any:
        return ledger.output("node", "7", user(*binding, **options))[1]

    assert used((7,), ("EU", 8), (9,)) == (1, marks), "linked otherwise"
    assert used((9,), (7,), names="ca") == (1, (marks[2], marks[0]))
    assert used((7,), ("EU", 8), (9,), ("x",)) is None, "one more"
    assert used((7,), ("EU", 8), (8,)) is None, "another partition"
    assert used((7,), (9,), names="ax") is None, "another input"
    assert used((7,), now=["old"]) is None, "another alternative, of now"


def test_a_binding_finds_what_it_has_used_of_other_members(ledger: Ledger) -> None:
    def binding(*members: str, updates: bool = False) -> User:
        means = Means("m", ("a",), updates=updates)
        return User(((8,),), means, tuple(("a", (member, 8)) for member in members))

    used = (2, ((T, 1), (T + 1, 2)))
    assert ledger.save(None, fired(None, 1), binding("NA", "EU"), used)

    def found(*members: str, **options: bool) -> Any:
        return ledger.output("node", "7", binding(*members, **options))[1]

    assert found("NA", "EU") == used
    assert found("EU", "NA") == (2, ((T + 1, 2), (T, 1)))
    assert found("EU") == (2, ((T + 1, 2),))
    assert found("NA", "EU", "FE") is None
    assert found("EU", "FE", updates=True) == (2, ((T + 1, 2), NEVER)), "what it has not read is new to it"


def test_what_the_first_edition_wrote_of_a_binding_is_read() -> None:
    """Marks in the order of the inputs, under a name that follows from their partitions alone."""
    client = DynamoDB()
    create_table("t", client)
    ledger = DynamoLedger("t", client, lambda: T)
    assert ledger.save(None, fired(None, 1))
    for name, apart in (
        ("u:" + digest(encode((("EU", 8), (7,)))), False),
        ("u:" + digest(encode(((9,),))), True),
    ):
        used: Any = {"S": encode((3, ((T, 1),) if apart else ((T, 1), (T + 1, 2))))}
        key = spilled_key("node", "7", name) if apart else output_key("node", "7")
        client.update_item(TableName="t", Key=key, UpdateExpression="SET #used = :used",
                           ExpressionAttributeNames={"#used": "used" if apart else name},
                           ExpressionAttributeValues={":used": used})  # fmt: skip
    client.update_item(TableName="t", Key=output_key("node", "7"), UpdateExpression="SET spilled = :yes",
                       ExpressionAttributeValues={":yes": {"BOOL": True}})  # fmt: skip
    turned = User(((7,), ("EU", 8)), Means("m", ("a", "b"), order=(1, 0)))
    assert ledger.output("node", "7", turned)[1] == (3, ((T + 1, 2), (T, 1)))
    assert ledger.output("node", "7", user((9,)))[1] == (3, ((T, 1),))
    output, _ = ledger.output("node", "7", None)
    assert ledger.save(output, fired(output, 2), turned, (4, ((T + 1, 3), (T, 2))))
    assert ledger.output("node", "7", turned)[1] == (4, ((T + 1, 3), (T, 2)))


def test_watches_are_found_by_what_they_wait_for(ledger: Ledger) -> None:
    one = Waiter("s", ("EU", 7), "node", (("EU", 8), (1,)), T)
    two = Waiter("s", ("EU", 7), "other", (("EU", 9),), T)
    elsewhere = Waiter("s", ("EU", 8), "node", (("EU", 8), (1,)), T)
    for watch in (one, two, elsewhere, one._replace(since=T + 5)):
        ledger.watch(watch)
    assert sorted(ledger.waiters("s", ("EU", 7))) == [one, two], "the first time stays"
    assert len(list(ledger.watches())) == 3
    ledger.unwatch(one)
    ledger.unwatch(one)
    assert list(ledger.waiters("s", ("EU", 7))) == [two]


def test_lapses_are_found_by_combination(ledger: Ledger) -> None:
    ledger.expire("node", ((7,), None), ((T, 2), (-1.0, 0)))
    found = [(((7,), None), ((T, 2), (-1.0, 0)))]
    assert list(ledger.expiries("node", ((7,), None))) == found
    assert list(ledger.expiries("node", ((7,), (1,)))) == found, "what extends it"
    assert list(ledger.expiries("node", (None, (1,)))) == []
    assert list(ledger.expiries("other", ((7,), (1,)))) == []


def test_a_sweep_reads_what_is_unsettled_and_nothing_else(dynamodb: Any) -> None:
    """Whatever else the table holds: no scan, and no more items than there is to do."""
    calls: list[tuple[str, int]] = []

    def count(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        items = len(parsed.get("Items", [])) + sum(map(len, parsed.get("Responses", {}).values()))
        calls.append((model.name, items + ("Item" in parsed)))

    ledger = DynamoLedger(TABLE, dynamodb, lambda: T)
    for n in range(30):
        ledger.arrive(EXACT, ((n,),), (n,), "e", T)
        new = executions.fire(None, "node", str(n), Stored({}).builder, {"id": f"node/{n}#1"}, ("e",), T)[0]
        ledger.save(None, new if n < 3 else executions.ended(new, True, T))
    ledger.watch(Waiter("s", (7,), "node", ((8,),), T))
    ledger.unwatch(Waiter("s", (7,), "node", ((8,),), T))
    ledger.watch(Waiter("s", (9,), "node", ((8,),), T))
    dynamodb.meta.events.register("after-call.dynamodb.*", count)
    assert sorted(output.partition for output in ledger.unsettled()) == ["0", "1", "2"]
    assert [watch.partition for watch in ledger.watches()] == [(9,)]
    dynamodb.meta.events.unregister("after-call.dynamodb.*", count)
    assert {name for name, _ in calls} <= {"Query", "BatchGetItem", "GetItem"}, "and no scan"
    assert sum(items for name, items in calls if name == "Query") == 3 + 1
    assert sum(items for name, items in calls if name != "Query") == 3 + 1
    assert len(calls) < 30, "whatever there is: a query for each part of the index, and of the journals"


# --- several events at once ---------------------------------------------------------------------


def group(*events: str, partition: tuple[int, ...] = (7,)) -> list[Arrival]:
    return [Arrival(EXACT, (partition,), partition, event, None) for event in events]


def test_what_is_counted_together_is_counted_once(ledger: Ledger) -> None:
    ledger.together([group("a", "b", "a", "c")], (), T)
    found = [ledger.arrive(EXACT, ((7,),), (7,), event, T) for event in ("a", "b", "c", "a")]
    assert found[-1].n == 3
    ledger.together([], (), T)
    again = ledger.arrive(EXACT, ((7,),), (7,), "b", T)
    assert (again.n, set(again.times())) == (3, {"a", "b", "c"})


def test_a_group_of_which_one_is_counted_is_counted_one_by_one(ledger: Ledger) -> None:
    ledger.arrive(EXACT, ((7,),), (7,), "b", T)
    ledger.together([group("a", "b", "c")], (), T)
    assert [ledger.arrive(EXACT, ((7,),), (7,), event, T).n for event in ("a", "b", "c")][-1] == 3


def test_what_was_counted_together_is_looked_at_anew_after_the_batch(ledger: Ledger) -> None:
    ledger.together([group("a", "b")], (), T)
    ledger.arrive(EXACT, ((7,),), (7,), "a", T)
    ledger.together([], (), T)
    ledger.arrive(EXACT, ((7,),), (7,), "from elsewhere", T)
    assert ledger.arrive(EXACT, ((7,),), (7,), "b", T).n == 3, "b is counted, and so is the other one"


def test_many_events_of_one_partition_at_once(ledger: Ledger) -> None:
    events = [f"e{n}" for n in range(130)]
    ledger.together([group(*events)], (), T)
    for event in events:
        ledger.arrive(EXACT, ((7,),), (7,), event, T)
    record = ledger.arrived(EXACT, (7,), (7,))
    assert record is not None
    assert (record.n, len(record.times())) == (130, 130)


def test_together_in_further_indexes(ledger: Ledger) -> None:
    index = ArrivalIndex("node", "many", ("x", "y"), False, 1000)
    ledger.together([[Arrival(index, ((1,), (2,)), (1, 2), event, None) for event in "ab"]], (), T)
    for event in "ab":
        ledger.arrive(index, ((1,), (2,)), (1, 2), event, T)
    assert [r.n for r in ledger.find(index, 0, (1,))] == [r.n for r in ledger.find(index, 1, (2,))] == [2]


def test_what_a_batch_fires_is_found_until_it_is_settled(ledger: Ledger) -> None:
    def ends(number: int) -> None:
        where = ledger, "node", str(number), f"node/{number}#1"
        assert executions.claim(*where, "run", T) is not None
        executions.succeed(*where, "run", T)
        executions.signalled(*where)

    def found() -> list[str]:
        return sorted(output.partition for output in ledger.unsettled(tidy=True))

    ledger.together([], [("node", str(n)) for n in range(4)], T)
    assert found() == [], "nothing is fired yet"
    for number in (0, 1, 2):
        ledger.save(None, fired(None, 1, str(number)))
    assert found() == ["0", "1", "2"], "while the batch is worked on"
    ledger.together([], [], T)
    ledger.save(None, fired(None, 1, "3"))
    assert found() == ["0", "1", "2", "3"], "and one that another batch has fired"
    ends(0)
    assert found() == ["1", "2", "3"]
    assert sorted(ledger.statuses("node"))[0] == ("node", "0", "SUCCEEDED")
    assert sorted(ledger.statuses())[1:] == [("node", n, "READY") for n in "123"]
    ends(1)
    ends(3)
    assert found() == found() == ["2"]
    output, _ = ledger.output("node", "1", None)
    assert ledger.save(output, fired(output, 2, "1"))
    assert found() == ["1", "2"], "again, by itself"
    ends(2)
    assert found() == ["1"]


def test_a_sweep_drops_no_journal_of_a_batch_that_is_worked_on() -> None:
    """Between a journal and the firings of its batch a sweep sees nothing to do, and must not conclude anything."""
    client: Any = DynamoDB()
    create_table(TABLE, client)
    clock = Clock()
    one, sweep = (DynamoLedger(TABLE, client, clock) for _ in range(2))
    places = [("node", "1"), ("node", "2")]
    one.together([], places, T)
    assert list(sweep.unsettled(tidy=True)) == []
    one.save(None, fired(None, 1, "1"))
    before = client.units["index"]
    assert [output.partition for output in sweep.unsettled(tidy=True)] == ["1"]
    assert client.units["index"] == before == 0
    one.together([], [], T)
    assert [output.partition for output in sweep.unsettled(tidy=True)] == ["1"]
    # A process that slept: what it fires now is in the index.
    one.together([], [("node", "8"), ("node", "9")], T)
    clock.time += ABANDONED
    assert [output.partition for output in sweep.unsettled(tidy=True)] == ["1"]
    one.save(None, fired(None, 1, "9"))
    assert sorted(output.partition for output in sweep.unsettled(tidy=True)) == ["1", "9"]
    assert executions.stop(sweep, "node", "9", "node/9#1", T) is not None
    clock.time = T
    # Two listeners with one batch at one moment; one dies. What it has fired is found; what it has not is dropped in time.
    one.together([], places, T)
    other = DynamoLedger(TABLE, client, clock)
    other.together([], places, T)
    other.save(None, fired(None, 1, "2"))
    one.together([], [], T)
    clock.time += ABANDONED
    assert sorted(output.partition for output in sweep.unsettled(tidy=True)) == ["1", "2"]
    for number in "12":
        assert executions.stop(sweep, "node", number, f"node/{number}#1", T) is not None
    assert list(sweep.unsettled(tidy=True)) == []
    assert not client.groups[TABLE].get("J")


@pytest.mark.parametrize("closed", [True, False])
def test_a_sweep_that_is_shown_what_was_drops_no_journal(
    closed: bool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process has fired may not be seen at once; what was settled before it is not what it has fired."""
    late = True
    client: Any = Lagging(lambda: late)
    create_table(TABLE, client)
    one, sweep = (DynamoLedger(TABLE, client, clock) for _ in range(2))
    places = [("node", "1"), ("node", "2")]

    def over() -> None:
        """The journal is full, and the process goes on with another one; or it is heard of no more."""
        if closed:
            monkeypatch.setattr(one, "full", 0)
            one.together([], [("node", "8"), ("node", "9")], clock.time)
        else:
            clock.time += ABANDONED

    one.together([], places, clock.time)
    for number in "12":
        one.save(None, fired(None, 1, number))
    over()
    assert sorted(o.partition for o in sweep.unsettled(tidy=True)) == ["1", "2"]
    for number in "12":
        assert executions.stop(one, "node", number, f"node/{number}#1", T) is not None
    one.together([], places, clock.time)
    for number in "12":
        output, _ = one.output("node", number, None)
        assert one.save(output, fired(output, 2, number))
    over()
    sweep.unsettled(tidy=True)
    late = False
    assert sorted(o.partition for o in sweep.unsettled()) == ["1", "2"]
    late = True
    for number in "12":
        assert executions.stop(one, "node", number, f"node/{number}#2", T) is not None
    if closed:
        assert [o.generation for o in sweep.unsettled(tidy=True)] == [2, 2], "as they were"
    late = False
    clock.time += ABANDONED
    assert list(sweep.unsettled(tidy=True)) == []
    assert not client.groups[TABLE].get("J")


def journals(client: Any) -> list[dict[str, Any]]:
    return list(client.groups[TABLE].get("J", {}).values())


def test_a_process_goes_on_with_its_journal_until_it_is_full(clock: Clock) -> None:
    client: Any = DynamoDB()
    create_table(TABLE, client)
    one, sweep = (DynamoLedger(TABLE, client, clock) for _ in range(2))
    for batch in range(40):
        clock.time += 1
        before = client.units["write"]
        one.together([], [("node", f"{batch}/{n}") for n in range(5)], clock.time)
        assert client.units["write"] - before <= 1 + 2 * (batch > 0 and len(journals(client)) > 1)
        for n in range(5):
            one.save(None, fired(None, 1, f"{batch}/{n}"))
        one.together([], (), clock.time)
        assert len(list(sweep.unsettled(tidy=True))) == 5 * (batch + 1)
    assert client.units["index"] == 0
    assert sum("closed" not in item for item in journals(client)) == 1
    assert 3 < len(journals(client)) < 12
    assert client.largest["J"] <= 1024
    for batch in range(40):
        for n in range(5):
            place = "node", f"{batch}/{n}"
            assert executions.stop(sweep, *place, f"node/{batch}/{n}#1", T) is not None
    clock.time += ABANDONED
    assert list(sweep.unsettled(tidy=True)) == [] == journals(client)


def test_a_journal_that_a_sweep_has_tidied_is_not_gone_on_with(clock: Clock) -> None:
    """A process that slept finds another one there than it has left, and a sweep what it has written since."""
    client: Any = DynamoDB()
    create_table(TABLE, client)
    one, sweep = (DynamoLedger(TABLE, client, clock) for _ in range(2))
    one.together([], [("node", str(n)) for n in range(5)], T)
    one.save(None, fired(None, 1, "1"))
    clock.time += ABANDONED
    assert [o.partition for o in sweep.unsettled(tidy=True)] == ["1"]
    (left,) = journals(client)
    assert "closed" in left
    one.save(None, fired(None, 1, "2"))
    assert "todo" in client.tables[TABLE]["O|node|2", "."]
    one.together([], [("node", "6"), ("node", "7")], clock.time)
    one.save(None, fired(None, 1, "6"))
    assert len(journals(client)) == 2
    # The sweep has read it; it is written before the sweep drops it.
    clock.time += ABANDONED
    _, read = sweep._unsettled()
    one.together([], [("node", "8"), ("node", "9")], clock.time)
    one.save(None, fired(None, 1, "8"))
    sweep._tidy_journals(read, set())
    assert sorted(o.partition for o in sweep.unsettled()) == ["2", "6", "8"], "what was closed is dropped"


def test_an_output_that_is_listed_costs_no_journal(clock: Clock) -> None:
    client: Any = DynamoDB()
    create_table(TABLE, client)
    one = DynamoLedger(TABLE, client, clock)
    one.together([], [("node", "1"), ("node", "2")], T)
    before = client.units["write"]
    one.together([], [("node", "2")], T)
    assert client.units["write"] == before
    one.together([], [("node", "3")], T)
    one.save(None, fired(None, 1, "3"))
    one.save(None, fired(None, 1, "1"))
    assert client.units["index"] == 1, "the first one is listed no more"
    assert sorted(o.partition for o in one.unsettled()) == ["1", "3"]


def test_what_was_a_moment_ago_decides_nothing() -> None:
    late = True
    client: Any = Lagging(lambda: late)
    create_table(TABLE, client)
    begins = lambda: DynamoLedger(TABLE, client, lambda: T)  # noqa: E731
    begins().save(None, fired(None, 1, "1"))
    assert executions.claim(begins(), "node", "1", "node/1#1", "mine", T) is not None
    assert begins().glance("node", "1").active.state == READY  # type: ignore[union-attr]
    assert executions.claim(begins(), "node", "1", "node/1#1", "another's", T) is None
    assert executions.claim(begins(), "node", "1", "node/1#1", "mine", T) is not None
    executions.succeed(begins(), "node", "1", "node/1#1", "mine", T)
    with pytest.raises(executions.LostClaim):
        executions.fail(begins(), "node", "1", "node/1#1", "another's", T)
    before = client.units["read"]
    late = False
    assert begins().glance("node", "1").active is None  # type: ignore[union-attr]
    assert client.units["read"] == before + 0.5


def test_what_an_earlier_version_has_left_unsettled_is_found() -> None:
    """It told the index of statuses of executions under way, and the index of what there is to do of all."""
    client: Any = DynamoDB()
    create_table(TABLE, client)
    ledger = DynamoLedger(TABLE, client, lambda: T)
    ledger.save(None, fired(None, 1))
    (item,) = client.tables[TABLE].values()
    item |= {"node": {"S": "node"}, "state": {"S": "READY"}, "stage": {"S": "CLAIMED"}}
    assert ledger.statuses("node") == ledger.statuses() == [("node", "7", "CLAIMED")]
    ledger.together([], [("node", "7"), ("node", "8")], T)
    output, _ = ledger.output("node", "7", None)
    assert ledger.save(output, fired(output, 2))
    ledger.together([], [], T)
    assert [output.generation for output in ledger.unsettled(tidy=True)] == [2]


def test_an_output_is_changed_as_it_is_whatever_was_seen_before(
    make_ledger: Callable[[Callable[[], float]], Ledger],
) -> None:
    """Two processes: what one has seen of an output is no truth for long."""
    one, other = make_ledger(lambda: T), make_ledger(lambda: T)
    one.save(None, fired(None, 1))
    assert executions.claim(other, "node", "7", "node/7#1", "run", T) is not None
    assert executions.claim(one, "node", "7", "node/7#1", "another run", T) is None
    assert executions.claim(one, "node", "7", "node/7#1", "run", T) is not None
    executions.succeed(one, "node", "7", "node/7#1", "run", T)
    executions.signalled(other, "node", "7", "node/7#1")
    executions.succeed(one, "node", "7", "node/7#1", "run", T)
    with pytest.raises(executions.LostClaim):
        executions.fail(other, "node", "7", "node/7#1", "run", T)
    assert list(one.unsettled()) == list(other.unsettled()) == []


# --- runs of batches ---------------------------------------------------------------------------


def test_a_run_is_started_for_what_was_noted_first(ledger: Ledger) -> None:
    assert ledger.batch_run("r1") == BatchRun()
    assert ledger.start("r1", frozenset([("a", 1), ("b", 1)])) == {("a", 1), ("b", 1)}
    assert ledger.start("r1", frozenset([("b", 1), ("c", 1)])) == {("a", 1), ("b", 1)}
    assert ledger.batch_run("r1") == BatchRun(frozenset([("a", 1), ("b", 1)]))
    assert ledger.batch_run("r2") == BatchRun()


def test_when_a_run_began_first_stays(ledger: Ledger) -> None:
    ledger.begin("r1", T, ("glue each",))
    ledger.begin("r1", T + 1, ("glue all",))
    assert ledger.batch_run("r1") == BatchRun(None, T, ("glue all",))
    ledger.start("r1", frozenset([("a", 1)]))
    assert ledger.batch_run("r1") == BatchRun(frozenset([("a", 1)]), T, ("glue all",))


def test_what_was_given_to_a_run_is_shown_as_claimed_once_that_has_begun(ledger: Ledger) -> None:
    for partition in ("1", "2"):
        after, _, _ = executions.fire(None, "node", partition, Stored({}).builder, {}, (), T)
        assert ledger.save(None, after)
        assert executions.given(ledger, "node", partition, f"node/{partition}#1", T, f"r{partition}")
    assert {s.partition: s.state for s in ledger.statuses("node")} == {"1": READY, "2": READY}, "not started"
    ledger.start("r2", frozenset())
    ledger.begin("r1", T + 5, ("glue each",))
    assert {s.partition: s.state for s in ledger.statuses("node")} == {"1": CLAIMED, "2": ANNOUNCED}
    seen = [shown(ledger.batch_run, ledger.several("node", [p], now=False)[p]) for p in ("1", "2")]
    assert [(o.active.state, o.active.claimed, o.active.jobs) for o in seen if o.active] == [
        (CLAIMED, T + 5, ("glue each",)),
        (ANNOUNCED, None, ()),
    ]
    executions.succeed(ledger, "node", "1", "node/1#1", "r1", T + 9, began=T + 5)
    assert {s.partition: s.state for s in ledger.statuses("node")} == {"1": SUCCEEDED, "2": ANNOUNCED}


@pytest.mark.parametrize("part", ["members", "began"])
def test_a_run_that_cannot_be_read_hides_nothing(part: str) -> None:
    db: Any = DynamoDB()
    create_table("t", db)
    ledger, told = DynamoLedger("t", db, lambda: T), list[str]()
    ledger.unreadable = told.append
    after, execution, _ = executions.fire(None, "node", "1", Stored({}).builder, {}, (), T)
    assert ledger.save(None, executions.told(after, execution, "r1"))
    ledger.start("r1", frozenset([("a", 1)]))
    ledger.begin("r1", T, ())
    db.tables["t"]["B|r1", part].pop("members" if part == "members" else "jobs")
    with pytest.raises(Unreadable, match=f"r1 {part} cannot be read"):
        ledger.batch_run("r1")
    output = ledger.several("node", ["1"])["1"]
    assert shown(ledger.batch_run, output) == output
