"""``rheo stale`` and ``backfill --stale``: what is older than what it reads, and making it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.events import s3_event

from rheo_platforms.operations.backfill import Result
from rheo_platforms.operations.names import AskedError
from rheo_platforms.operations.planner import Existing, Plan
from rheo_runtime.program import Program
from rheo_runtime.stale import stale
from rheodsl import Application, View

from .lab import Lab


def chain(**options: Any) -> Lab:
    """daily reads orders, and rates where they are; week reads three days of it; report reads a week."""
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    rates = app.s3("rates", "s3://lake/rates/{day:%Y-%m-%d}")
    daily = app.create_data("daily", inputs=[orders, rates.ref], compute_targets="output = orders", **options)
    week = app.create_data("week", inputs=[daily[:-3]], compute_targets="output = daily", **options)
    app.create_data("report", inputs=[week], compute_targets="output = week", **options)
    lab = Lab(app)
    put(lab, *(orders[f"2024-01-0{day}"] for day in range(1, 5)))
    app.backfill(app["daily"], "2024-01-01", "2024-01-04", recursive=True)
    app.backfill(app["week"], "2024-01-01", "2024-01-04")
    app.backfill(app["report"], "2024-01-01", "2024-01-04")
    return lab


def put(lab: Lab, *views: View) -> None:
    """Data is written now, and no event tells of it."""
    lab.put(*views)
    lab.storage.times.update({lab.app.materialize(view): lab.now() for view in views})


def found(lab: Lab, *nodes: str) -> list[tuple[str, str]]:
    program = Program(lab.routes)
    exists = Existing(program, lab.ledger, lab.storage)
    return [(s.node, s.partition) for s in stale(program, lab.ledger, exists.written, nodes or None)]


def made(result: Any) -> list[tuple[str, str]]:
    assert isinstance(result, Result)
    assert not result.failed and not result.lacking, str(result)
    return result.made


@pytest.mark.parametrize("policy", ["all", "any", "never", "updated"])
def test_nothing_is_stale_that_was_made_of_what_is_there(policy: str) -> None:
    assert found(chain(retrigger=policy)) == []


def test_what_is_written_anew_makes_all_that_is_made_of_it_stale() -> None:
    lab = chain()
    put(lab, lab.app["orders"]["2024-01-02"])
    assert found(lab) == [
        ("daily", "2024-01-02"),
        *(("week", f"2024-01-0{day}") for day in (2, 3, 4)),
        *(("report", f"2024-01-0{day}") for day in (2, 3, 4)),
    ]
    assert found(lab, "daily") == [("daily", "2024-01-02")]


def test_a_reference_that_comes_later_counts() -> None:
    lab = chain()
    put(lab, lab.app["rates"]["2024-01-04"])
    assert found(lab) == [("daily", "2024-01-04"), ("week", "2024-01-04"), ("report", "2024-01-04")]


def test_stale_outputs_are_made_again_once_ancestors_first() -> None:
    lab = chain()
    put(lab, lab.app["orders"]["2024-01-02"])
    done = made(lab.app.backfill(stale=True))
    assert done.index(("daily", "2024-01-02")) == 0
    for day in (2, 3, 4):
        assert done.index(("week", f"2024-01-0{day}")) < done.index(("report", f"2024-01-0{day}"))
    assert len(done) == 7
    assert lab.states(lab.app["daily"]["2024-01-02"]) == ["SUCCEEDED"] * 2
    for node in ("week", "report"):
        assert lab.states(lab.app[node]["2024-01-04"])[-1] == "SUCCEEDED"
    assert found(lab) == [], "made again, they are as new as what they read"


def test_a_range_of_one_node_takes_only_what_it_is_made_from() -> None:
    lab = chain()
    put(lab, lab.app["orders"]["2024-01-02"], lab.app["orders"]["2024-01-04"])
    plan = lab.app.backfill(lab.app["report"], "2024-01-03", stale=True, dry_run=True)
    assert isinstance(plan, Plan)
    assert [step.key for step in plan.steps] == [
        ("daily", "2024-01-02"),
        ("week", "2024-01-03"),
        ("report", "2024-01-03"),
    ]


def test_a_range_without_a_node_is_refused() -> None:
    lab = chain()
    with pytest.raises(AskedError, match="a range is of one node"):
        lab.app.backfill(None, "2024-01-03", stale=True)
    with pytest.raises(AskedError, match="no node is named"):
        lab.app.backfill()


def test_a_fault_of_an_execution_leaves_its_output_stale() -> None:
    lab = chain()
    put(lab, lab.app["orders"]["2024-01-04"])
    lab.airflow.fails = lambda document: document["node"] == "daily"
    result = lab.app.backfill(lab.app["daily"], stale=True)
    assert isinstance(result, Result) and result.failed
    assert ("daily", "2024-01-04") in found(lab)


def test_a_node_that_reads_its_own_past_is_stale_from_there_on() -> None:
    from rheodsl import output

    app = Application("bank")
    bookings = app.s3("bookings", "s3://lake/bookings/{n:int}", dimensions={"n": {"min": 1}})
    app.create_data(
        "balance", inputs=[bookings, output[-1:].ref.range_check(True)], compute_targets="output = bookings"
    )
    lab = Lab(app)
    put(lab, *(bookings[n] for n in (1, 2, 3)))
    app.execute(app["balance"][3], recursive=True)
    put(lab, bookings[2])
    assert found(lab) == [("balance", "2"), ("balance", "3")]
    assert made(app.backfill(stale=True)) == [("balance", "2"), ("balance", "3")]
    assert found(lab) == []


def test_a_rollup_is_stale_by_any_of_its_members() -> None:
    app = Application("shop")
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    app.create_data("monthly", inputs=[days.rollup(day="month")], compute_targets="output = days")
    lab = Lab(app)
    put(lab, *(days[f"2024-02-{day:02}"] for day in range(1, 30)))
    app.execute(app["monthly"]["2024-02"])
    assert found(lab) == []
    put(lab, days["2024-02-17"])
    assert found(lab) == [("monthly", "2024-02")]
    assert made(app.backfill(app["monthly"], stale=True)) == [("monthly", "2024-02")]


def test_an_alternative_is_made_again_by_the_one_that_made_it() -> None:
    app = Application("shop")
    web = app.s3("web", "s3://lake/web/{day:%Y-%m-%d}")
    shop = app.s3("shop", "s3://lake/shop/{day:%Y-%m-%d}")
    app.create_data("sales", inputs=[web | shop], compute_targets="output = shop")
    lab = Lab(app)
    put(lab, shop["2024-01-01"])
    lab.deliver(_created("lake", "shop/2024-01-01/_SUCCESS", lab))
    lab.sleep(1)
    lab.sleep(1)
    assert lab.states(app["sales"]["2024-01-01"]) == ["SUCCEEDED"]
    put(lab, shop["2024-01-01"])
    assert found(lab) == [("sales", "2024-01-01")]
    assert made(app.backfill(stale=True)) == [("sales", "2024-01-01")]


def _created(bucket: str, key: str, lab: Lab) -> dict[str, Any]:
    time = (datetime.fromtimestamp(lab.now(), UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**s3_event(bucket, key, time=time), "account": "1"}
