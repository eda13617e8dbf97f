"""How the checks of a node ended, as a signal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rheodsl import Application, MetricPeriod, MetricStatistic, RheoError, row_count
from rheodsl.testing import Simulator

DAY = "2024-01-02"


def checked(app: Application, **more: Any) -> tuple[Any, Any]:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    daily = app.create_data("daily", [orders], compute_targets="output = orders", checks=row_count(1), **more)
    return orders, daily


def ran(runs: list[Any]) -> list[tuple[str, str, str]]:
    return [(run.node, run.state, run.checked) for run in runs]


@pytest.mark.parametrize("result", ["PASS", "WARN", "FAIL"])
def test_each_result_starts_what_waits_for_it(app: Application, result: str) -> None:
    orders, daily = checked(app)
    for each in ("PASS", "WARN", "FAIL"):
        app.create_data(f"on_{each}", daily.checks[each])
    app.create_data("on_any", daily.checks)
    sim = Simulator(app)
    sim.check("daily", result)
    runs = sim.send(orders["EU"][DAY])
    state = "FAILED" if result == "FAIL" else "SUCCEEDED"
    assert ran(runs)[0] == ("daily", state, result)
    assert sorted(run.node for run in runs[1:]) == sorted([f"on_{result}", "on_any"])
    assert runs[1].output == {"result": result, "region": "EU", "day": DAY}
    [read] = runs[1].inputs.values()
    assert (read.signal, read.paths) == ("daily.checks", []), "it has no data"


def test_checks_pass_where_nobody_says_otherwise_and_a_compute_that_fails_makes_none(
    app: Application,
) -> None:
    orders, daily = checked(app)
    app.create_data("told", daily.checks)
    sim = Simulator(app)
    assert ran(sim.send(orders["EU"][DAY])) == [("daily", "SUCCEEDED", "PASS"), ("told", "SUCCEEDED", "")]
    sim.fail("daily")
    assert ran(sim.send(orders["NA"][DAY])) == [("daily", "FAILED", "")]


def test_it_comes_again_with_each_run(app: Application) -> None:
    orders, daily = checked(app)
    app.create_data("told", daily.checks["FAIL"])
    sim = Simulator(app)
    sim.check("daily", "FAIL", times=2)
    found = [sim.send(orders["EU"][DAY]) for _ in range(3)]
    assert [[run.node for run in runs] for runs in found] == [["daily", "told"], ["daily", "told"], ["daily"]]
    assert found[1][1].generation == 2


def test_its_dimensions_link_it_to_other_inputs(app: Application) -> None:
    orders, daily = checked(app)
    app.create_data(
        "repair",
        [daily.checks["FAIL"]["EU"], orders.ref],
        output_dimension_spec={"day": {"type": "DATETIME", "format": "%Y-%m-%d"}},
    )
    sim = Simulator(app)
    sim.check("daily", "FAIL", times=2)
    assert [run.node for run in sim.send(orders["NA"][DAY])] == ["daily"]
    [_, run] = sim.send(orders["EU"][DAY])
    assert run.output == {"day": DAY}
    assert run.inputs["orders"].paths == [f"s3://lake/orders/EU/{DAY}"]


def test_what_failed_and_what_passed_can_be_sent_and_are_explained(app: Application) -> None:
    _, daily = checked(app)
    app.create_data("told", daily.checks["FAIL"])
    sim = Simulator(app)
    assert sim.send(daily.checks["PASS"]["EU"][DAY]) == []
    [run] = sim.send(daily.checks["FAIL"]["EU"][DAY])
    assert f"daily_checks FAIL/EU/{DAY} by event" in str(sim.explain("told", run.output))


def test_a_run_that_is_ended_by_hand_is_checked_too(app: Application) -> None:
    orders, daily = checked(app)
    app.create_data("told", daily.checks["FAIL"])
    sim = Simulator(app)
    sim.auto_complete = False
    sim.check("daily", "FAIL")
    [run] = sim.send(orders["EU"][DAY])
    assert [after.node for after in sim.complete(run)] == ["told"]
    assert (run.state, run.checked) == ("FAILED", "FAIL")


def test_an_alarm_watches_how_often_they_fail(app: Application) -> None:
    orders, _ = checked(app)
    five = MetricPeriod.MINUTES(5)
    alarm = app.create_alarm("bad", app.metric("daily.checks_failed")[MetricStatistic.SUM][five], threshold=2)
    app.create_data("page", alarm["ALARM"])
    sim = Simulator(app)
    sim.check("daily", "WARN")
    sim.check("daily", "FAIL", times=2)
    for region in ("EU", "NA", "FE"):
        sim.send(orders[region][DAY])
    assert [run.node for run in sim.advance(timedelta(minutes=10))] == ["page"]


def test_dimensions_that_change_later_are_those_of_the_checks(app: Application) -> None:
    _, daily = checked(app)
    app.create_data("told", daily.checks["FAIL"])
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    daily = app.update_data("daily", [months], compute_targets="output = months", checks=row_count(1))
    with pytest.raises(RheoError, match=r"told: .* is a view of daily.checks as it was"):
        app.graph()
    app.update_data("told", daily.checks["FAIL"])
    assert app.graph().signal("daily.checks").dims == ("result", "month")


def test_a_window_of_them_is_awaited(app: Application) -> None:
    orders, daily = checked(app)
    app.create_data("week", daily.checks["PASS"]["EU"][:-2].range_check(True))
    sim = Simulator(app)
    assert [run.node for run in sim.send(orders["EU"]["2024-01-02"])] == ["daily"]
    assert [run.node for run in sim.send(orders["EU"]["2024-01-01"])] == ["daily", "week"]
