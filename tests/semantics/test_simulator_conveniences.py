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
    assert "ran as daily/1/2020-03-18#1" in str(sim.explain("daily", run.output))
    assert str(sim.explain("daily", run.output)) == str(sim.explain("daily", [1, "2020-03-18"]))
