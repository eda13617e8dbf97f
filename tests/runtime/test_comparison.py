"""What storage has and no event told of arrives once: whatever crashes, whoever comes first, however long lists are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from codegen.cloudformation.policies import completions
from codegen.routes import route_table
from rheo_runtime import wire
from rheo_runtime.comparison import Listed
from rheo_runtime.engine import Engine
from rheo_runtime.events import S3Deletion, S3Event
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.storage import AwsStorage
from rheo_runtime.values import Partition, parse
from rheodsl import Application

from .tables import BUCKET, DAY, Ref, route, signal, table, view
from .test_again import Crash, Dying

MakeLedger = Callable[[Callable[[], float]], Ledger]
START, HOUR = 1_704_067_200.0, 3_600
WRITES = ("arrive", "save", "see", "touch", "move")


def compared(source: wire.Signal) -> wire.Signal:
    events = (replace(e, reconcile=True) if isinstance(e, wire.S3Events) else e for e in source.events)
    return replace(source, events=tuple(events))


DAYS = compared(signal("days", day=DAY))
TABLE = table([DAYS], route("daily", [view(DAYS)], signals=[DAYS], output={"day": Ref("days", "day")}))


class Bucket:
    """A storage with these completion objects: the text of each day, and when it was written."""

    def __init__(self, **times: float) -> None:
        self.times = {day.replace("_", "-").strip("-"): time for day, time in times.items()}
        self.lists = 0

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        return False

    def gone(self, signal: wire.Signal, partition: Partition) -> bool:
        return signal.texts(partition)[0] not in self.times

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        self.lists += 1
        for day, time in sorted(self.times.items()):
            key = f"{folder()}/{day}/_SUCCESS"
            if key > after:
                yield Listed(S3Event(BUCKET, key, key, time), key)


def folder() -> str:
    [events] = [e for e in DAYS.events if isinstance(e, wire.S3Events)]
    return events.template.partition("/{")[0]


class World:
    """An engine over a ledger and a bucket, and a clock."""

    def __init__(
        self,
        ledger: Any,
        bucket: Bucket,
        clock: list[float] | None = None,
        every: float = HOUR,
        routes: wire.RouteTable = TABLE,
    ) -> None:
        self.clock = clock or [START]
        self.bucket = bucket
        self.engine = Engine(routes, ledger, lambda: self.clock[0], bucket, every)  # type: ignore[arg-type]
        self.engine.instant = True

    def sweep(self, in_time: Callable[[], bool] | None = None) -> list[str]:
        outcome = self.engine.tick(in_time)
        assert not outcome.faults, outcome.faults
        return [document["id"] for document in outcome.fired]

    def event(self, day: str, time: float) -> list[str]:
        key = f"{folder()}/{day}/_SUCCESS"
        return [d["id"] for d in self.engine.on_event(S3Event(BUCKET, key, f"{day}@{time}", time)).fired]


def test_what_no_event_told_of_arrives_once(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    assert world.sweep() == []
    bucket.times["2024-01-01"] = START + 60
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-01#1"]
    clock[0] += HOUR
    assert world.sweep() == []
    clock[0] += 100 * 86_400  # longer than arrivals count
    assert world.sweep() == []


def test_what_was_there_before_the_beginning_is_history(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(**{"2023_12_30": START - 10, "2023_12_31": START - 1}), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    assert world.sweep() == []
    clock[0] += HOUR
    assert world.sweep() == []
    assert bucket.lists == 1


def test_what_arrived_is_not_found_and_what_was_found_does_not_arrive_again(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    world.sweep()
    bucket.times |= {"2024-01-01": START + 60, "2024-01-02": START + 120}
    assert world.event("2024-01-01", START + 61) == ["daily/2024-01-01#1"]
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-02#1"]
    assert world.event("2024-01-02", START + 121) == [], "its event comes after all"
    assert world.event("2024-01-02", START + 7200) == ["daily/2024-01-02#2"], "it was written anew"
    assert world.event("2024-01-02", START + 121) == []


def test_what_was_written_anew_without_an_event_is_found_too(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    world.sweep()
    bucket.times["2024-01-01"] = START + 60
    assert world.event("2024-01-01", START + 60) == ["daily/2024-01-01#1"]
    bucket.times["2024-01-01"] = START + 1_800
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-01#2"]
    clock[0] += HOUR
    assert world.sweep() == []


def test_what_was_deleted_and_is_there_again_is_found(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    world.sweep()
    bucket.times["2024-01-01"] = START + 60
    world.event("2024-01-01", START + 60)
    key = f"{folder()}/2024-01-01/_SUCCESS"
    world.engine.on_event(S3Deletion(BUCKET, key, "gone", START + 600))
    clock[0] += HOUR
    assert world.sweep() == [], "what is listed is older than its deletion"
    bucket.times["2024-01-01"] = START + 630
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-01#2"]


CHECKED = table(
    [DAYS],
    route(
        "two",
        [view(DAYS, mode="range_check", day=(0, -2))],
        signals=[DAYS],
        output={"day": Ref("days", "day")},
    ),
)


def test_a_deletion_whose_event_is_lost_is_found_for_checked_windows(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock, routes=CHECKED)
    world.sweep()
    for day in ("2024-01-01", "2024-01-02"):
        bucket.times[day] = START + 60
        world.event(day, START + 60)
    del bucket.times["2024-01-02"]
    clock[0] += HOUR
    assert world.sweep() == []
    bucket.times["2024-01-03"] = clock[0] + 10
    assert world.event("2024-01-03", clock[0] + 10) == [], "02 was deleted, though nobody said so"
    assert world.event("2024-01-02", START + 60) == [], "what was written before brings nothing back"
    assert sorted(world.event("2024-01-02", clock[0] + 20)) == ["two/2024-01-02#2", "two/2024-01-03#1"]
    clock[0] += HOUR
    assert world.event("2024-01-04", clock[0]) == ["two/2024-01-04#1"], "03 is still there"


def test_a_list_that_takes_two_sweeps_ends_nothing(make_ledger: MakeLedger) -> None:
    """What the first of them has listed is not known in the second."""
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock, routes=CHECKED)
    world.sweep()
    for day in ("2024-01-01", "2024-01-02"):
        bucket.times[day] = START + 60
        world.event(day, START + 60)
    del bucket.times["2024-01-02"]
    bucket.times["2024-01-03"] = START + 60
    clock[0] += HOUR
    world.sweep(lambda: bucket.lists < 2)  # time is up with the first that the second list has
    bucket.gone = lambda *_: pytest.fail("it is not asked")  # type: ignore[method-assign]
    world.sweep()


class Keys(Bucket):
    """A storage with these objects below the folder: the key of each, and when it was written."""

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        for name, time in sorted(self.times.items()):
            key = f"{folder()}/{name}"
            yield Listed(S3Event(BUCKET, key, key, time), key)


def announced(**events: Any) -> wire.RouteTable:
    [objects] = [e for e in DAYS.events if isinstance(e, wire.S3Events)]
    days = replace(DAYS, events=(replace(objects, **events),))
    return table([days], route("daily", [view(days)], signals=[days], output={"day": Ref("days", "day")}))


def test_what_settles_is_compared_too(make_ledger: MakeLedger) -> None:
    bucket, clock = Keys(), [START]
    routes = announced(completion=(), settle=300)
    world = World(make_ledger(lambda: clock[0]), bucket, clock, routes=routes)
    world.sweep()
    clock[0] += HOUR
    bucket.times["2024-01-01/part-0"] = clock[0] - 10
    assert world.sweep() == [], "it was heard of now, and is quiet in five minutes"
    clock[0] += 301
    assert world.sweep() == ["daily/2024-01-01#1"]
    late = S3Event(BUCKET, f"{folder()}/2024-01-01/part-0", "late", bucket.times["2024-01-01/part-0"] + 0.4)
    world.engine.on_event(late)
    for _ in range(3):
        clock[0] += HOUR
        assert world.sweep() == []
    bucket.times["2024-01-01/part-1"] = clock[0]
    clock[0] += HOUR
    world.sweep()
    clock[0] += 301
    assert world.sweep() == ["daily/2024-01-01#2"]


@pytest.mark.parametrize("marker", ["../_SUCCESS", "../*.done"])
def test_what_a_marker_above_announces_is_compared_too(make_ledger: MakeLedger, marker: str) -> None:
    bucket, clock = Keys(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock, routes=announced(completion=(marker,)))
    world.sweep()
    name = marker.removeprefix("../").replace("*", "run-1")
    bucket.times |= {"2024-01-01/part-0": START + 60, "2024-01-02/part-0": START + 120, name: START + 300}
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-01#1", "daily/2024-01-02#1"]
    bucket.times["2024-01-03/part-0"] = START + 600
    clock[0] += HOUR
    assert world.sweep() == [], "it is newer than the marker"
    bucket.times[name] = START + 700
    clock[0] += HOUR
    assert world.sweep() == ["daily/2024-01-03#1"]
    event = S3Event(BUCKET, f"{folder()}/{name}", "late", START + 700.4)
    assert world.engine.on_event(event).fired == []


def test_it_is_compared_once_an_hour(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    for _ in range(180):
        world.sweep()
        clock[0] += 60
    assert bucket.lists == 3


def test_a_long_list_is_gone_through_in_several_sweeps(make_ledger: MakeLedger) -> None:
    bucket, clock = Bucket(), [START]
    world = World(make_ledger(lambda: clock[0]), bucket, clock)
    world.sweep()
    days = [f"2024-01-{day:02}" for day in range(1, 11)]
    bucket.times |= dict.fromkeys(days, START + 60)
    clock[0] += HOUR
    found: list[str] = []
    for _ in range(5):
        calls = iter([True] * 5 + [False] * 100)  # time enough for a few partitions
        ran = world.sweep(lambda calls=calls: next(calls))  # type: ignore[misc]
        assert len(ran) <= 5
        found += ran
        clock[0] += 60
    assert sorted(found) == [f"daily/{day}#1" for day in days]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_is_made_good_by_the_next_sweep(after: bool) -> None:
    for at in range(1, 12):
        ledger, clock = MemoryLedger(), [START]
        World(ledger, Bucket(), clock).sweep()
        bucket = Bucket(**{"2024_01_01": START + 60})
        clock[0] += HOUR
        dying: Any = Dying(ledger, at, after=after, writes=WRITES)
        with suppress(Crash):
            World(dying, bucket, clock).engine.tick()
        clock[0] += 2 * HOUR
        World(ledger, bucket, clock).sweep()
        [output] = list(ledger.outputs("daily"))
        assert output.generation == 1, f"write {at}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_event_that_crashes_comes_again_and_is_not_lost(after: bool) -> None:
    for at in range(1, 8):
        ledger, clock = MemoryLedger(), [START]
        World(ledger, Bucket(), clock).sweep()
        bucket = Bucket(**{"2024_01_01": START + 60})
        dying: Any = Dying(ledger, at, after=after, writes=WRITES)
        with suppress(Crash):
            World(dying, bucket, clock).event("2024-01-01", START + 60)
        clock[0] += HOUR
        World(ledger, bucket, clock).sweep()
        World(ledger, bucket, clock).event("2024-01-01", START + 60)
        [output] = list(ledger.outputs("daily"))
        assert output.generation == 1, f"write {at}"


def test_storage_that_does_not_answer_stops_nothing_else_and_is_asked_again_in_an_hour() -> None:
    class Down(Bucket):
        def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
            self.lists += 1
            raise RuntimeError("down")

    clock, bucket = [START], Down()
    world = World(MemoryLedger(), bucket, clock)
    world.sweep()
    clock[0] += HOUR
    for _ in range(3):
        clock[0] += 60
        faults = world.engine.tick().faults
    assert bucket.lists == 1 and faults == []


@pytest.mark.slow
def test_s3_and_the_catalog_list_what_they_have(dynamodb: Any) -> None:
    import boto3

    s3, glue = boto3.client("s3", region_name="us-east-1"), boto3.client("glue", region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    for day in range(1, 4):
        s3.put_object(Bucket=BUCKET, Key=f"{folder()}/2024-01-0{day}/_SUCCESS", Body=b"")
    storage = AwsStorage(s3, glue)
    keys = [listed.after for listed in storage.listed(DAYS, "")]
    assert keys == [f"{folder()}/2024-01-0{day}/_SUCCESS" for day in (1, 2, 3)]
    assert [listed.after for listed in storage.listed(DAYS, keys[1])] == keys[2:]
    recent = datetime.now(UTC).timestamp() - 60
    assert all(listed.event.time >= recent for listed in storage.listed(DAYS, ""))
    glue.create_database(DatabaseInput={"Name": "sales"})
    glue.create_table(DatabaseName="sales", TableInput={"Name": "orders", "PartitionKeys": [{"Name": "day"}]})
    glue.create_table(DatabaseName="sales", TableInput={"Name": "rates"})
    for day in ("2024-01-01", "2024-01-02"):
        glue.create_partition(DatabaseName="sales", TableName="orders", PartitionInput={"Values": [day]})
    tables = {
        name: replace(DAYS, dims=dims, events=(wire.GlueEvents("sales", name, True),))
        for name, dims in (("orders", ("day",)), ("rates", ()))
    }
    found = [listed.event for listed in storage.listed(tables["orders"], "")]
    assert [event.texts for event in found] == [("2024-01-01",), ("2024-01-02",)]  # type: ignore[union-attr]
    [whole] = [listed.event for listed in storage.listed(tables["rates"], "")]
    assert whole.texts == () and whole.time >= recent  # type: ignore[union-attr]


def test_markers_far_above_are_listed_and_may_be(dynamodb: Any) -> None:
    """The data stands two levels below its marker, of which only one names a dimension."""
    import boto3

    app = Application("shop")
    app.create_data(
        "n", inputs=[app.s3("d", "s3://lake/in/d/{day:%Y-%m-%d}", completion="../../DONE", reconcile=True)]
    )
    routes = route_table(app.graph())
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="lake")
    for key in ("in/DONE", "in/other/DONE", "in/d/2024-01-01/part-0", "DONE"):
        s3.put_object(Bucket="lake", Key=key, Body=b"1")
    found = [listed.event.key for listed in AwsStorage(s3).listed(routes.signals[0], "")]  # type: ignore[union-attr]
    assert found == ["in/DONE", "in/d/2024-01-01/part-0"]
    assert '"in", "in/*"' in json.dumps(completions(routes))


def test_data_below_a_marker_above_may_lie_deeper_than_its_partition(dynamodb: Any) -> None:
    import boto3

    app = Application("shop")
    app.create_data(
        "n", inputs=[app.s3("d", "s3://lake/deep/{day:%Y-%m-%d}", completion="../DONE", reconcile=True)]
    )
    (signal, *_) = [s for s in route_table(app.graph()).signals if s.id == "d"]
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="lake")
    keys = ("01/country=US/part-0", "02/_temporary/part-0", "03/country=US/_SUCCESS", "04/")
    for key in keys:
        s3.put_object(Bucket="lake", Key=f"deep/2024-01-{key}", Body=b"1")
    days = [parse(f"2024-01-0{day}", DAY) for day in range(1, 6)]
    assert [AwsStorage(s3).exists(signal, (day,)) for day in days] == [True, False, False, False, False]
