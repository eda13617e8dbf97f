"""What has not come is told once for each partition, whatever crashes, by whichever listener sweeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_runtime import wire
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.values import parse
from rheodsl import Application

from .tables import DAY, Clock, Ref, route, signal, table, view
from .test_again import Crash, Dying

MakeLedger = Callable[[Callable[[], float]], Ledger]
DAYS = signal("days", day=DAY)
SIX_HOURS, A_DAY = 6 * 3600, 86_400
START = 1_704_067_200.0  # 2024-01-01
LATE = wire.Signal(
    "days_late",
    ("day",),
    ((wire.Rule(DAY),),),
    (wire.LateEvents("days", ((wire.Rule(DAY),),), after=SIX_HOURS),),
)
TABLE = table(
    [DAYS, LATE], route("tell", [view(LATE)], signals=[LATE], output={"day": Ref("days_late", "day")})
)


def told(ledger: Ledger) -> dict[str, int]:
    return {output.partition: output.generation for output in ledger.outputs("tell")}


def test_the_table_reads_as_it_is_written() -> None:
    assert wire.RouteTable.loads(TABLE.dumps()) == TABLE


def test_a_cursor_moves_from_where_it_stands(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: START)
    assert ledger.cursor("a|b") is None
    assert ledger.move("a|b", None, 7)
    assert not ledger.move("a|b", None, 8)
    assert not ledger.move("a|b", 6, 8)
    assert ledger.move("a|b", 7, 8)
    assert ledger.cursor("a|b") == 8


def test_it_is_told_once_by_any_listener(make_ledger: MakeLedger) -> None:
    clock = Clock(START)
    first, second = (Engine(TABLE, make_ledger(clock), now=clock) for _ in range(2))
    first.tick()
    second.on_named("app", "days", ("2024-01-02",), "d2")
    clock.time = START + 4 * A_DAY
    ran = [document["partition"] for engine in (first, second, first) for document in engine.tick().fired]
    assert ran == ["2024-01-01", "2024-01-03"]
    clock.time += SIX_HOURS
    assert [document["partition"] for document in second.tick().fired] == ["2024-01-04"]
    assert told(first.ledger) == {"2024-01-01": 1, "2024-01-03": 1, "2024-01-04": 1}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_is_made_good_by_the_next_sweep(after: bool) -> None:
    def run(at: int) -> tuple[bool, dict[str, int]]:
        ledger, clock, crashed = MemoryLedger(), Clock(START), False
        dying = Dying(ledger, at, after=after, writes=("arrive", "save", "see", "move"))
        for day in range(6):
            clock.time = START + day * A_DAY + SIX_HOURS
            for _ in range(2):
                engine = Engine(TABLE, dying, now=clock)  # type: ignore[arg-type]
                engine.instant = True
                try:
                    if engine.tick().faults:  # one view that cannot be judged stops no other
                        crashed = True
                    if day == 1:
                        engine.on_named("app", "days", ("2024-01-02",), "d2")
                except Crash:
                    crashed = True
        return crashed, told(ledger)

    crashed, agreed = run(10_000)
    assert not crashed
    assert agreed == {f"2024-01-0{day}": 1 for day in (3, 4, 5)}, (
        "the first sweep was at six: 01 began before"
    )
    at = 0
    while crashed or at == 0:
        at += 1
        crashed, found = run(at)
        assert found == agreed, f"a crash at write {at}"
    assert at > 8


def test_what_storage_has_is_not_late() -> None:
    class Storage:
        def exists(self, signal: wire.Signal, partition: object) -> bool:
            return partition == (parse("2024-01-01", DAY),)

    clock = Clock(START)
    engine = Engine(TABLE, MemoryLedger(), now=clock, storage=Storage())
    engine.tick()
    clock.time = START + 2 * A_DAY + SIX_HOURS
    assert [document["partition"] for document in engine.tick().fired] == ["2024-01-02"]


def test_an_application_with_what_may_be_late_is_compiled() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    late = orders.late(by="07:00", timezone="Europe/Berlin")
    app.create_data("tell", inputs=[late], compute_targets="output = spark.range(1)")
    assert build_plan(app.graph()).dags[0].node == "tell"
    found = route_table(app.graph())
    assert wire.RouteTable.loads(found.dumps()) == found
