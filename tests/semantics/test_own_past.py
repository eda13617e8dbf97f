"""A node that reads its own past: in the graph's file, in a plan by hand, and by hand from any day on."""

from __future__ import annotations

from typing import Any

import pytest

from codegen.graph_json import graph_file, load_graph
from codegen.routes import route_table
from rheo_platforms.operations.planner import LONGEST_PAST, Planner
from rheo_runtime.program import Program
from rheo_runtime.values import parse
from rheodsl import DATETIME, Application, S3Dataset, output
from rheodsl.testing import Simulator


def bank(app: Application, *, min: str | None = None, checked: bool = True) -> Any:
    day = {"type": DATETIME, "format": "%Y-%m-%d"} | ({"min": min} if min else {})
    data = S3Dataset("111122223333", "lake", "bookings", "{}")
    bookings = app.marshal_external_data(data, "bookings", {"day": day})
    past = output[-1:].ref.range_check(True) if checked else output[-1:].ref
    app.create_data("balance", inputs=[bookings, past], compute_targets="output = bookings.union(balance)")
    return bookings


def test_it_is_the_same_read_from_the_graph_s_file(app: Application) -> None:
    bank(app, min="2024-01-01")
    again = load_graph(graph_file(app.graph()))
    assert again == app.graph()
    assert route_table(again) == route_table(app.graph())


def test_a_node_taken_over_keeps_its_past(app: Application) -> None:
    bookings = bank(app, min="2024-01-01")
    app.patch_data("balance", retrigger="any")
    sim = Simulator(app)
    ran = [run.id for day in (2, 1) for run in sim.send(bookings[f"2024-01-0{day}"])]
    assert ran == ["balance/2024-01-01#1", "balance/2024-01-02#1"]
    taken = Application("shop")
    taken._take(app.graph())
    assert taken.graph().nodes == app.graph().nodes


def planned(app: Application, day: str) -> Any:
    program = Program(route_table(app.graph()))
    planner = Planner(program, lambda signal, partition: signal == "bookings", recursive=True)  # type: ignore[arg-type]
    node = program.nodes["balance"]
    planner.want([node], (parse(day, node.join.route.output.kinds[0]),), again=True)
    return planner.plan()


def test_a_plan_makes_the_past_first(app: Application) -> None:
    bank(app, min="2020-01-01")
    steps = [step.partition for step in planned(app, "2024-01-03").steps]
    assert (steps[0], steps[-1], len(steps)) == ("2020-01-01", "2024-01-03", 1464)
    assert steps == sorted(steps)


def test_a_past_without_a_beginning_is_not_planned(app: Application) -> None:
    bank(app)
    plan = planned(app, "2024-01-03")
    assert plan.steps == ()
    assert "no beginning" in str(plan.gaps[0])
    assert LONGEST_PAST < 10_000


def test_what_is_read_if_it_is_there_is_not_made(app: Application) -> None:
    bank(app, checked=False)
    assert [step.partition for step in planned(app, "2024-01-03").steps] == ["2024-01-03"]


@pytest.mark.parametrize("retrigger", ["all", "updated"])
def test_a_correction_passes_on_to_the_days_after_it(app: Application, retrigger: str) -> None:
    bookings = bank(app, min="2024-01-01")
    app.patch_data("balance", retrigger=retrigger)
    sim = Simulator(app)
    for day in (1, 2, 3):
        sim.send(bookings[f"2024-01-0{day}"])
    again = [run.id for run in sim.send(bookings["2024-01-02"])]
    assert again == ["balance/2024-01-02#2"] + ["balance/2024-01-03#2"] * (retrigger == "updated")
