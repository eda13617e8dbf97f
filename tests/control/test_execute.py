"""``app.execute``: one output partition, with or without its ancestors, each partition once."""

from __future__ import annotations

from typing import Any

import pytest
from support.airflow import refusal
from support.events import s3_event

from rheo_platforms.operations.names import AskedError, ExecutionError, InputsMissingError
from rheodsl import Application, S3Dataset, View
from rheodsl.errors import FilterError, UnknownNameError

from .lab import Lab

DAY = "2020-03-18"


def inputs(lab: Lab, *days: str) -> None:
    for day in days:
        year, month, date = day.split("-")
        lab.put(lab.app["orders"]["NA"][day], lab.app["ships"]["NA"][f"{date}-{month}-{year}"])


def test_the_path_of_what_was_made(shop: Lab) -> None:
    inputs(shop, DAY)
    assert shop.app.execute(shop.app["daily"]["NA"][DAY]) == f"s3://rheo-shop/internal_data/daily/NA/{DAY}"
    assert shop.states(shop.app["daily"]["NA"][DAY]) == ["SUCCEEDED"]
    assert "daily/NA/2020-03-18#1 SUCCEEDED" in shop.shown.getvalue()


def test_asked_again_it_runs_again(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.app.execute(shop.app["daily"]["NA"][DAY])
    shop.app.execute(shop.app["daily"]["NA"][DAY])
    assert shop.states(shop.app["daily"]["NA"][DAY]) == ["SUCCEEDED", "SUCCEEDED"]


def test_a_failure_says_which_execution(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.airflow.fails = lambda _: True
    with pytest.raises(ExecutionError, match=r"daily/NA/2020-03-18#1 FAILED: compute failed"):
        shop.app.execute(shop.app["daily"]["NA"][DAY])


def test_a_failure_says_where_to_look(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.airflow.fails = lambda _: True
    with pytest.raises(ExecutionError) as caught:
        shop.app.execute(shop.app["daily"]["NA"][DAY])
    assert caught.value.hint == f"see why: rheo logs daily NA {DAY}"


def test_missing_inputs_are_told_before_anything_starts(shop: Lab) -> None:
    with pytest.raises(InputsMissingError) as caught:
        shop.app.execute(shop.app["daily"]["NA"][DAY])
    assert str(caught.value).count("not there") == 3
    assert "orders NA/2020-03-18 (s3://lake/orders/NA/2020-03-18)" in str(caught.value)
    assert "ships NA/18-03-2020" in str(caught.value)
    assert shop.airflow.runs == []


def test_missing_ancestors_are_told_with_the_way_to_make_them(shop: Lab) -> None:
    with pytest.raises(InputsMissingError, match="daily NA/2020-03-16") as caught:
        shop.app.execute(shop.app["week"]["NA"][DAY])
    assert "recursive=True" in str(caught.value)


def test_ancestors_are_made_first_each_once(shop: Lab) -> None:
    inputs(shop, "2020-03-15", "2020-03-16", "2020-03-17", DAY)
    path = shop.app.execute(shop.app["report"]["NA"][DAY], recursive=True)
    assert path == f"s3://rheo-shop/internal_data/report/NA/{DAY}"
    made = [e for e in shop.workers.began if not e.startswith("report/NA/2020-03-17")]
    assert sorted(made) == [
        *(f"daily/NA/2020-03-{day}#1" for day in (15, 16, 17, 18)),
        f"report/NA/{DAY}#1",
        "week/NA/2020-03-17#1",
        "week/NA/2020-03-18#1",
    ]
    assert shop.workers.most["daily"] > 1  # in parallel where it can be


def test_what_is_there_is_not_made_again(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.put(shop.app["daily"]["NA"]["2020-03-17"], shop.app["daily"]["NA"]["2020-03-16"])
    shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True)
    made = [e for e in shop.workers.began if not e.startswith("report")]  # what follows runs as ever
    assert made == [f"daily/NA/{DAY}#1", f"week/NA/{DAY}#1"]


def test_a_plan_says_what_would_run_and_runs_nothing(shop: Lab) -> None:
    inputs(shop, "2020-03-16", "2020-03-17", DAY)
    plan = shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True, dry_run=True)
    assert [str(step) for step in plan.steps] == [
        f"daily NA/{DAY}", "daily NA/2020-03-17", "daily NA/2020-03-16", f"week NA/{DAY}",
    ]  # fmt: skip
    assert "4 executions" in str(plan)
    assert shop.airflow.runs == []


def test_all_external_inputs_that_are_missing_are_told_at_once(shop: Lab) -> None:
    inputs(shop, "2020-03-17")
    with pytest.raises(InputsMissingError) as caught:
        shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True)
    for missing in ("orders NA/2020-03-18", "ships NA/16-03-2020", "needs 4 partitions"):
        assert missing in str(caught.value)
    assert shop.airflow.runs == []


def test_a_window_that_is_not_checked_is_made_as_far_as_it_can_be(shop: Lab) -> None:
    inputs(shop, "2020-03-16", "2020-03-17", DAY)  # week 17 needs 15, which is not there
    shop.app.execute(shop.app["report"]["NA"][DAY], recursive=True)
    assert "week/NA/2020-03-17#1" not in shop.workers.began
    plan = shop.app.execute(shop.app["report"]["NA"][DAY], recursive=True, dry_run=True)
    assert "orders NA/2020-03-15" in str(plan) and "not needed" in str(plan)


def test_what_follows_a_failure_is_not_run(shop: Lab) -> None:
    inputs(shop, "2020-03-16", "2020-03-17", DAY)
    shop.airflow.fails = lambda d: d["partition"].endswith("17")
    with pytest.raises(ExecutionError, match="daily/NA/2020-03-17#1 FAILED: compute failed") as caught:
        shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True)
    assert "week" not in str(caught.value)
    assert "week NA/2020-03-18 NOT RUN: what it reads was not made" in shop.shown.getvalue()
    assert shop.states(shop.app["week"]["NA"][DAY]) == []


def test_the_output_may_follow_from_inputs(shop: Lab) -> None:
    app = shop.app
    inputs(shop, DAY)
    path = app.execute(app["daily"], [app["orders"]["NA"][DAY], app["ships"]["NA"]["18-03-2020"]])
    assert path == f"s3://rheo-shop/internal_data/daily/NA/{DAY}"
    assert app.execute(app["daily"], [app["orders"]["NA"][DAY]]) == path  # the links tell the other


def test_inputs_that_do_not_fit(shop: Lab) -> None:
    app = shop.app
    with pytest.raises(AskedError, match="do not fit its links"):
        app.execute(app["daily"], [app["orders"]["NA"][DAY], app["ships"]["NA"]["17-03-2020"]])
    with pytest.raises(AskedError, match="filter of orders"):
        app.execute(app["daily"], [app["orders"]["EU"][DAY]])
    with pytest.raises(AskedError, match="no further input of daily"):
        app.execute(app["daily"], [app["week"]["NA"][DAY]])
    with pytest.raises(AskedError, match=r"these inputs make daily NA/2020-03-18"):
        app.execute(app["daily"]["NA"]["2020-03-01"], [app["orders"]["NA"][DAY]])


def test_what_names_no_partition(shop: Lab) -> None:
    with pytest.raises(FilterError, match="region, day are open"):
        shop.app.execute(shop.app["daily"])
    with pytest.raises(UnknownNameError, match="no active node 'orders'"):
        shop.app.execute(shop.app["orders"]["NA"][DAY])


def test_without_waiting(shop: Lab) -> None:
    inputs(shop, DAY)
    daily = shop.app["daily"]["NA"][DAY]
    assert shop.app.execute(daily, wait=False) is None
    assert shop.states(daily) == ["ANNOUNCED"]
    shop.workers.settle()
    assert shop.states(daily) == ["SUCCEEDED"]
    inputs(shop, "2020-03-16", "2020-03-17")
    with pytest.raises(AskedError, match="needs 2 others first"):
        shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True, wait=False)


def test_patience_ends(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.workers.slow = 1000
    with pytest.raises(ExecutionError, match="not over after 10 seconds"):
        shop.app.execute(shop.app["daily"]["NA"][DAY], timeout=10)


def test_one_that_is_under_way_goes_first(shop: Lab) -> None:
    inputs(shop, DAY)
    daily = shop.app["daily"]["NA"][DAY]
    shop.app.execute(daily, wait=False)
    shop.workers.slow = 5
    assert shop.app.execute(daily)
    assert shop.states(daily) == ["SUCCEEDED", "SUCCEEDED"]
    assert shop.workers.most["daily"] == 1


def test_one_that_is_merged_away_is_followed_to_its_successor(shop: Lab) -> None:
    inputs(shop, DAY)
    daily = shop.app["daily"]["NA"][DAY]
    shop.app.execute(daily, wait=False)
    shop.workers.slow = 5
    shop.later = [lambda: None, lambda: shop.app.execute(daily, wait=False)]
    assert shop.app.execute(daily)
    assert shop.states(daily) == ["SUCCEEDED", "SKIPPED", "SUCCEEDED"]


def test_an_ancestor_that_events_are_making_is_waited_for(shop: Lab) -> None:
    app = shop.app
    inputs(shop, "2020-03-16", "2020-03-17", DAY)
    shop.workers.slow = 3
    app.process(app["orders"]["NA"][DAY])
    assert app.process(app["ships"]["NA"]["18-03-2020"]) == {"daily": [f"daily/NA/{DAY}#1"]}
    shop.workers.go_on()
    app.execute(app["week"]["NA"][DAY], recursive=True)
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]
    assert shop.states(app["week"]["NA"][DAY]) == ["SUCCEEDED"]


def under_way(lab: Lab, *days: str) -> None:
    """Events make these days of daily; their runs have claimed them."""
    inputs(lab, *days)
    lab.workers.slow = 1000
    for day in days:
        year, month, date = day.split("-")
        lab.app.process(lab.app["orders"]["NA"][day])
        lab.app.process(lab.app["ships"]["NA"][f"{date}-{month}-{year}"])
    lab.workers.go_on()


def end(lab: Lab, *days: str) -> None:
    for day in days:
        [run] = [
            run for run in lab.airflow.ready() if run.claimed and run.claimed["output"]["path"].endswith(day)
        ]
        lab.workers.carry_out(run)


@pytest.mark.parametrize(("begins", "times"), [("later", 1), ("before", 2)])
def test_what_events_start_before_an_ancestor_has_ended(shop: Lab, begins: str, times: int) -> None:
    """Its data is there a moment before its execution ends: what begins to read after that has read it all."""
    under_way(shop, "2020-03-16", "2020-03-17", DAY)

    def fire() -> None:
        shop.put(shop.app["daily"]["NA"]["2020-03-17"])
        end(shop, "2020-03-16", DAY)
        assert shop.states(shop.app["week"]["NA"][DAY]) == ["ANNOUNCED"]
        if begins == "later":
            end(shop, "2020-03-17")

    shop.later = [fire, lambda: None if begins == "later" else end(shop, "2020-03-17")]
    shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True)
    assert shop.states(shop.app["week"]["NA"][DAY]) == ["SUCCEEDED"] * times


def test_what_events_start_while_it_is_ordered_is_followed(shop: Lab) -> None:
    """Events fire an ancestor between the look at its output and the order."""
    inputs(shop, "2020-03-16", "2020-03-17", DAY)
    output = shop.ledger.output

    def looked(node: str, partition: str, *rest: Any) -> Any:
        found = output(node, partition, *rest)
        if (node, partition) == ("daily", f"NA/{DAY}"):
            shop.ledger.output = output  # type: ignore[method-assign]
            shop.app.process(shop.app["orders"]["NA"][DAY])
            shop.app.process(shop.app["ships"]["NA"]["18-03-2020"])
        return found

    shop.ledger.output = looked  # type: ignore[method-assign, assignment]
    shop.app.execute(shop.app["week"]["NA"][DAY], recursive=True)
    assert shop.states(shop.app["daily"]["NA"][DAY]) == ["SUCCEEDED"]


def test_an_airflow_that_is_down_is_told_when_it_is_up(shop: Lab) -> None:
    inputs(shop, DAY)
    shop.airflow.down = refusal(503)

    def up() -> None:
        shop.airflow.down = None

    shop.later = [lambda: None] * 5 + [up]
    assert shop.app.execute(shop.app["daily"]["NA"][DAY])
    assert shop.states(shop.app["daily"]["NA"][DAY]) == ["SUCCEEDED"]


def test_without_dimensions_and_without_inputs() -> None:
    app = Application("bare")
    app.create_data("seed", compute_targets="output = 1")
    total = app.create_data("total", inputs=[app["seed"]], compute_targets="output = seed")
    lab = Lab(app)
    assert app.execute(total, recursive=True) == "s3://rheo-bare/internal_data/total"
    assert lab.workers.began == ["seed#1", "total#1"]


def test_the_nearest_partition_is_what_is_there_or_can_be_made() -> None:
    app = Application("near")
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    base = app.create_data("base", inputs=[days], compute_targets="output = days")
    top = app.create_data("top", inputs=[days, base[:-5].nearest().ref], compute_targets="output = days")
    lab = Lab(app)
    lab.put(days["2020-01-05"], days["2020-01-03"], base["2020-01-02"])

    def read(view: View) -> list[str]:
        output = lab.output(view)
        assert output is not None
        return list(output.ended[0].document["inputs"][1]["paths"])

    app.execute(top["2020-01-05"])
    assert read(top["2020-01-05"]) == ["s3://rheo-near/internal_data/base/2020-01-02"]
    lab.storage.paths.remove("s3://rheo-near/internal_data/base/2020-01-02")
    with pytest.raises(InputsMissingError, match="nearest"):
        app.execute(top["2020-01-05"])
    app.execute(top["2020-01-05"], recursive=True)
    assert read(top["2020-01-05"]) == ["s3://rheo-near/internal_data/base/2020-01-05"]


def test_what_is_declared_is_what_runs(shop: Lab) -> None:
    """A plan activates nothing, nor does who wants what is active; the lifecycle's own tests say what following is."""
    inputs(shop, DAY)
    shop.app.execute(shop.app["daily"]["NA"][DAY], dry_run=True)
    shop.app.execute(shop.app["daily"]["NA"][DAY], activate=False)
    shop.app.execute(shop.app["daily"]["NA"][DAY])
    assert shop.followed == [False, False, True]


def test_a_node_that_is_not_declared_here_is_run_as_it_is_active(shop: Lab) -> None:
    """A program that only asks for a node of what is active does not replace the rest by nothing."""
    inputs(shop, DAY)
    node = shop.app["daily"]["NA"][DAY]
    other = Application("shop", platform=shop)  # type: ignore[arg-type]
    assert other.execute(node) == shop.app.execute(node)
    assert shop.followed == [True]


def test_where_case_is_folded_the_events_tell_the_path() -> None:
    app = Application("folded")
    orders = app.marshal_external_data(
        S3Dataset(None, "lake", "orders", "{}", "{}"), "orders",
        {"region": {"type": "STRING", "insensitive": True, "day": {"type": "DATETIME"}}}, {"*": {"*": {}}},
    )  # fmt: skip
    daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    lab = Lab(app)
    with pytest.raises(InputsMissingError, match=f"s3://lake/orders/na/{DAY}"):
        app.execute(daily["NA"][DAY])
    lab.deliver(s3_event("lake", f"orders/Na/{DAY}/_SUCCESS"))
    lab.workers.settle()
    app.execute(daily["NA"][DAY])
    output = lab.output(daily["NA"][DAY])
    assert output is not None
    asked, fired = output.ended
    assert asked.document["inputs"] == fired.document["inputs"]
    assert asked.document["inputs"][0]["paths"] == [f"s3://lake/orders/Na/{DAY}"]
