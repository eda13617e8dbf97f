"""By hand and in a backfill, a node of alternatives is made by the first whose data is there, or the one named."""

from __future__ import annotations

from typing import Any

import pytest

from rheo_airflow.tasks.run_request import by_params
from rheo_platforms.operations.names import AskedError, InputsMissingError
from rheo_platforms.operations.planner import Plan
from rheo_runtime.program import Program
from rheodsl import Application

from .lab import Lab

DAY, NEXT = "2024-01-01", "2024-01-02"


@pytest.fixture
def lab() -> Lab:
    """sales runs by web or by shop; both read what is there of the other; raw web data may be made."""
    app: Any = Application("shop")
    clicks = app.s3("clicks", "s3://lake/clicks/{day:%Y-%m-%d}")
    shop = app.s3("shop", "s3://lake/shop/{day:%Y-%m-%d}")
    web = app.create_data("web", inputs=[clicks], compute_targets="output = clicks")
    app.create_data("sales", inputs=[web | shop], compute_targets="output = web")
    return Lab(app)


def documents(plan: Any) -> list[tuple[str, int, list[str]]]:
    """Of each step: node, alternative, and which inputs have paths."""
    assert isinstance(plan, Plan)
    found = [step.draft.document(1) for step in plan.steps]
    return [
        (d["node"], d.get("alternative", 0), [i["alias"] for i in d["inputs"] if i["paths"]]) for d in found
    ]


def test_the_first_alternative_whose_data_is_there_is_used(lab: Lab) -> None:
    app: Any = lab.app
    lab.put(app["shop"][DAY])
    assert documents(app.execute(app["sales"][DAY], dry_run=True)) == [("sales", 1, ["shop"])]
    assert app.execute(app["sales"][DAY]) == f"s3://rheo-shop/internal_data/sales/{DAY}"
    lab.put(app["web"][DAY])
    assert documents(app.execute(app["sales"][DAY], dry_run=True)) == [("sales", 0, ["web", "shop"])]


def test_what_can_be_made_comes_after_what_is_there(lab: Lab) -> None:
    app: Any = lab.app
    lab.put(app["clicks"][DAY], app["clicks"][NEXT], app["shop"][DAY])
    plan = app.execute(app["sales"][DAY], dry_run=True, recursive=True)
    assert documents(plan) == [("sales", 1, ["shop"])], "nothing of an alternative that is not taken is made"
    plan = app.execute(app["sales"][NEXT], dry_run=True, recursive=True)
    assert [node for node, _, _ in documents(plan)] == ["web", "sales"]


def test_the_alternative_can_be_named(lab: Lab) -> None:
    app: Any = lab.app
    lab.put(app["web"][DAY], app["shop"][DAY])
    plan = app.execute(app["sales"][DAY], dry_run=True, alternative="shop")
    assert documents(plan) == [("sales", 1, ["web", "shop"])]
    with pytest.raises(AskedError, match="orders starts no alternative of sales") as fault:
        app.execute(app["sales"][DAY], dry_run=True, alternative="orders")
    assert "web; shop" in str(fault.value)


def test_inputs_that_are_given_say_which_alternative_is_meant(lab: Lab) -> None:
    app: Any = lab.app
    lab.put(app["shop"][DAY])
    assert documents(app.execute(app["sales"], [app["shop"][DAY]], dry_run=True)) == [("sales", 1, ["shop"])]


def test_what_the_first_alternative_lacks_is_told_when_none_can_be_made(lab: Lab) -> None:
    app: Any = lab.app
    with pytest.raises(InputsMissingError, match="web 2024-01-01"):
        app.execute(app["sales"][DAY])


def test_a_backfill_takes_for_each_day_what_is_there(lab: Lab) -> None:
    app: Any = lab.app
    lab.put(app["web"][DAY], app["shop"][NEXT])
    plan = app.backfill(app["sales"], DAY, NEXT, dry_run=True)
    assert documents(plan) == [("sales", 0, ["web"]), ("sales", 1, ["shop"])]
    result = app.backfill(app["sales"], DAY, NEXT, alternative="shop")
    assert result.made == [("sales", NEXT)] and result.lacking == [("sales", DAY)]


def test_a_run_with_parameters_takes_what_events_told_of(lab: Lab) -> None:
    program = Program(lab.routes)
    there = {("shop", lab.app["shop"][DAY].tip())}
    draft = by_params(program, "sales", {"day": DAY}, None, lambda s, p: (s, p) in there)
    document = draft.document(1)
    assert document["alternative"] == 1
    assert {i["alias"]: len(i["paths"]) for i in document["inputs"]} == {"web": 0, "shop": 1}
    assert by_params(program, "sales", {"day": DAY}, None).document(1).get("alternative", 0) == 0


def test_both_of_several_are_named_by_their_inputs() -> None:
    app: Any = Application("shop")
    a, b, c = (app.s3(name, f"s3://lake/{name}/{{day:%Y-%m-%d}}") for name in "abc")
    app.create_data("node", inputs=[(a & b) | (a & c)], compute_targets="output = a")
    lab = Lab(app)
    lab.put(a[DAY], b[DAY], c[DAY])
    for name, number in (("a", 0), ("a & c", 1), ("c & a", 1), ("b", 0)):
        [(_, alternative, _)] = documents(app.execute(app["node"][DAY], dry_run=True, alternative=name))
        assert alternative == number, name


def test_a_backfill_of_a_rollup_knows_the_regions_that_its_members_had() -> None:
    app: Any = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    app.create_data("monthly", inputs=[orders.rollup(day="month")], compute_targets="output = orders")
    lab = Lab(app)
    days = [f"2024-02-{day:02}" for day in range(1, 30)]
    lab.put(*(orders[region][day] for region in ("EU", "NA") for day in days))
    engine = lab.local.engine()
    for region in ("EU", "NA"):
        engine.on_signal("orders", orders[region][days[0]].tip(), f"{region}-1")
    plan = app.backfill(app["monthly"], "2024-02", dry_run=True)
    assert [step.partition for step in plan.steps] == ["EU/2024-02", "NA/2024-02"]
    assert all(len(step.draft.document(1)["inputs"][0]["paths"]) == 29 for step in plan.steps)
    plan = app.backfill(app["monthly"], "2024-01", "2024-02", dims={"region": "NA"}, dry_run=True)
    assert [key for key, _ in plan.lacking] == [("monthly", "NA/2024-01")]
