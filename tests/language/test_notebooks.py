"""What a notebook shows: application, simulator, what waits, accounts; texts are escaped."""

from __future__ import annotations

from rheodsl import Application
from rheodsl.testing import Simulator


def shop() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders, ships], compute_targets="output = orders")
    return app


def test_an_application_is_a_table_of_its_nodes() -> None:
    shown = shop()._repr_html_()
    assert "<caption>application shop</caption>" in shown
    assert "<td>daily</td>" in shown
    assert "orders" in shown and "ships" in shown


def test_a_faulty_application_shows_its_faults() -> None:
    app = shop()
    app.create_data("bad", inputs=[app["orders"].ref])
    assert app._repr_html_().startswith("<pre>RD100: application &#x27;shop&#x27; has 1 fault")


def test_a_simulator_shows_what_ran_and_what_waits() -> None:
    app = shop()
    sim = Simulator(app)
    sim.send(app["orders"]["<b>"]["2026-01-01"])
    shown = sim._repr_html_()
    assert (
        "<td>daily &lt;b&gt;/2026-01-01</td><td>ships</td><td>no ships &lt;b&gt;/2026-01-01 has arrived</td>"
        in shown
    )
    [waiting] = sim.pending()
    assert waiting._repr_html_().startswith("<pre>daily &lt;b&gt;/2026-01-01 is waiting since ")
    account = sim.explain("daily", ["<b>", "2026-01-01"])
    assert "missing  ships &lt;b&gt;/2026-01-01" in account._repr_html_()
    sim.send(app["ships"]["<b>"]["2026-01-01"])
    assert "<td>daily/&lt;b&gt;/2026-01-01#1</td><td>SUCCEEDED</td>" in sim._repr_html_()
