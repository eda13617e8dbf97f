"""What the simulator takes beside the contract's own forms."""

from __future__ import annotations

from typing import Any

from rheodsl import SNS, Application, DimensionType, output
from rheodsl.testing import Simulator

from .helpers import daily

MADE: dict[str, Any] = {"compute_targets": "output = 1"}
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


def test_what_a_run_read_is_told_as_it_was(app: Any) -> None:
    a = app.s3("a", "s3://lake/a/{region}/{day:%Y-%m-%d}")
    b, c, d = (daily(app, id) for id in "bcd")
    app.create_data(
        "n", [a.rollup(region=["NA", "EU"]), c, b.optional(), output[-1:].ref, d[-1:-3].ref], **MADE
    )
    sim = Simulator(app)
    for region in ("NA", "EU"):
        sim.send(a[region]["2024-01-01"], event_id=f"ev-{region}")
    (run,) = sim.send(c["2024-01-01"], event_id="ev-C")
    text = str(sim.explain("n", "2024-01-01"))
    assert "read     a 2024-01-01 by events ev-EU, ev-NA\n" in text
    assert "read     c 2024-01-01 by event ev-C\n" in text
    assert "absent   b\n" in text
    assert "read     n 2023-12-31\n" in text
    assert "read     d 2023-12-31 to 2023-12-29" in text
    assert text == str(sim.explain("n", ["2024-01-01"])) == str(sim.explain("n", run.output))


def test_what_another_alternative_names_is_told_as_absent(app: Any) -> None:
    web, shop = daily(app, "web"), daily(app, "shop")
    app.create_data("n", [web | shop], **MADE)
    sim = Simulator(app)
    sim.send(web["2024-01-01"], event_id="ev-web")
    text = str(sim.explain("n", "2024-01-01"))
    assert "read     web 2024-01-01 by event ev-web\n" in text and "absent   shop" in text


def test_of_many_events_some_are_told(app: Any) -> None:
    days = daily(app, "days")
    app.create_data("n", [days.rollup(day="month")], **MADE)
    sim = Simulator(app)
    for n in range(1, 32):
        sim.send(days[f"2024-01-{n:02d}"], event_id=f"e{n:02d}")
    text = str(sim.explain("n", "2024-01"))
    assert "read     days 2024-01 by events e01, e02, e03 and 28 more" in text
