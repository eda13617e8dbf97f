"""What the simulator takes beside the contract's own forms."""

from __future__ import annotations

from rheodsl import SNS, Application, DimensionType
from rheodsl.testing import Simulator

DAYS = {"day": {"type": DimensionType.DATETIME}}


def test_a_proxys_view_announces_the_data_linked_to_it() -> None:
    app = Application("shop")
    topic = app.marshal_external_data(SNS("arn:aws:sns:us-east-1:123456789012:days"), "topic", DAYS)
    data = app.s3("data", "s3://lake/data/{day:%Y-%m-%d}").link(topic)
    app.create_data("daily", inputs=[data])
    sim = Simulator(app)
    assert [run.output for run in sim.send(topic["2020-03-18"])] == [{"day": "2020-03-18"}]
    assert sim.unmatched == []


def test_explain_takes_the_output_of_a_run() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders])
    sim = Simulator(app)
    [run] = sim.send(orders[1]["2020-03-18"])
    assert "daily/1/2020-03-18#1 fired at " in str(sim.explain("daily", run.output))
    assert "'x' is no LONG" in str(sim.explain("daily", ["x", "2020-03-18"]))
    assert str(sim.explain("daily", run.output)) == str(sim.explain("daily", [1, "2020-03-18"]))


def test_explain_says_what_waits_what_ran_and_what_had_no_effect() -> None:
    app = Application("shop")
    orders, ships = (app.s3(id, f"s3://lake/{id}/{{n:int}}") for id in ("orders", "ships"))
    app.create_data("daily", inputs=[orders, ships])
    sim = Simulator(app)
    sim.send(orders["1"])
    assert "missing  ships 1: no ships 1 has arrived" in str(sim.explain("daily", [1]))
    never = str(sim.explain("daily", [7]))
    assert never.startswith("daily 7 has not run\n  nothing that leads to it waits\n")
    sim.send(ships["1"])
    ran = str(sim.explain("daily", [1]))
    assert ran.startswith("daily 1 succeeded\n  daily/1#1 fired at 2024-01-01 00:00:00Z; SUCCEEDED at ")
