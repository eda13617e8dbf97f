"""The page as people meet it: in a browser, by mouse and by keyboard, light and dark."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.responses import HTMLResponse

from rheo_airflow.page.applications import Applications
from rheo_airflow.page.web import Access
from rheo_runtime.memory import MemoryLedger
from rheodsl import Application, InlinedCompute

from . import world
from .browser import Browse

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with world.serving(world.mounted(world.world(tmp_path_factory.mktemp("dags")))) as served:
        yield f"{served}/rheo/"


@pytest.fixture
def sales(browse: Browse, address: str) -> Page:
    return opened(browse("light"), f"{address}#sales")


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    page.wait_for_selector(".vertex .states rect")
    return page


def focused(page: Page) -> str | None:
    """The label of what has the focus."""
    found: str | None = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    )
    return found


# --- the graph ---------------------------------------------------------------------------------


def test_the_whole_graph_is_in_sight(sales: Page) -> None:
    box = sales.locator("#canvas").bounding_box()
    assert box is not None
    for vertex in sales.locator(".vertex").all():
        found = vertex.bounding_box()
        assert found is not None
        assert box["x"] <= found["x"] and found["x"] + found["width"] <= box["x"] + box["width"] + 1
        assert box["y"] <= found["y"] and found["y"] + found["height"] <= box["y"] + box["height"]
    assert sales.locator(".vertex").count() == 15
    assert sales.locator("#view .edge.reference").count() == 1
    assert sales.locator("#view .edge.watch").count() == 1


def test_no_name_leaves_its_box(sales: Page) -> None:
    over = sales.evaluate(
        """[...document.querySelectorAll('.vertex')].filter((v) => {
          const box = v.querySelector('.box').getBoundingClientRect();
          return [...v.querySelectorAll('text')].some((t) => t.getBoundingClientRect().right > box.right);
        }).map((v) => v.dataset.id)"""
    )
    assert over == []


def test_a_node_says_its_states_in_words_too(sales: Page) -> None:
    said = sales.locator(".vertex[data-id=clean_orders]").get_attribute("aria-label")
    assert said == "clean_orders, node, 2 failed, 1 running, 1 queued, 410 succeeded, 1 skipped"
    assert sales.locator(".vertex[data-id=clean_orders] .badge").all_text_contents() == ["✕ 2", "▸ 1"]


def test_a_click_shows_the_node_and_its_way(sales: Page) -> None:
    sales.click(".vertex[data-id=daily_sales]")
    assert sales.locator("#panel h2").inner_text() == "daily_sales"
    far = set(sales.eval_on_selector_all(".vertex.far", "all => all.map((v) => v.dataset.id)"))
    assert "heartbeat" in far and not far & {"orders", "clean_orders", "funnel", "exchange_rates"}
    declared = sales.locator(".declared").inner_text()
    assert "rates: exchange_rates.ref" in declared and "clean.day = prices.day" in declared
    sales.click("#near")
    far = set(sales.eval_on_selector_all(".vertex.far", "all => all.map((v) => v.dataset.id)"))
    assert "orders" in far and "clean_orders" not in far


def test_search_finds_by_keyboard(sales: Page) -> None:
    sales.keyboard.press("/")
    sales.keyboard.type("orders")
    names = sales.locator("#found li span").all_text_contents()
    assert names == ["orders", "bad_orders", "clean_orders", "too_many_bad_orders"]
    sales.keyboard.press("ArrowDown")
    sales.keyboard.press("ArrowDown")
    sales.keyboard.press("ArrowDown")
    sales.keyboard.press("Enter")
    assert sales.locator("#panel h2").inner_text() == "clean_orders"
    assert focused(sales) == "clean_orders"


def test_arrows_walk_along_the_edges(sales: Page) -> None:
    sales.locator(".vertex[data-id=clicks]").focus()
    sales.keyboard.press("ArrowRight")
    sales.keyboard.press("ArrowDown")
    sales.keyboard.press("ArrowRight")
    assert str(focused(sales)).startswith("daily_sales")
    sales.keyboard.press("Enter")
    assert sales.locator("#panel h2").inner_text() == "daily_sales"
    sales.keyboard.press("Escape")
    assert sales.locator("#panel").is_hidden()
    assert str(focused(sales)).startswith("daily_sales")


def test_wheel_and_buttons_zoom(sales: Page) -> None:
    def width() -> float:
        box = sales.locator(".vertex[data-id=orders] .box").bounding_box()
        assert box is not None
        return box["width"]

    fitted = width()
    sales.click("[data-zoom=in]")
    assert width() > fitted * 1.2
    sales.mouse.move(700, 500)
    sales.mouse.wheel(0, 600)
    sales.wait_for_timeout(50)
    assert width() < fitted
    sales.keyboard.press("0")
    assert width() == pytest.approx(fitted, rel=0.01)


SIZES = """
() => {
  const size = (selector) => [...document.querySelectorAll(selector)]
    .filter((text) => getComputedStyle(text).display !== 'none')
    .map((text) => parseFloat(getComputedStyle(text).fontSize) * graph.scale);
  return { names: size('.vertex .name'), labels: size('.edge text') };
}
"""


@pytest.mark.parametrize("width", [800, 1280, 1800])
@pytest.mark.parametrize("app", ["sales", "many"])
def test_names_can_be_read_at_every_width(browse: Browse, address: str, app: str, width: int) -> None:
    page = opened(browse("light", width, 800), f"{address}#{app}")
    found = page.evaluate(SIZES)
    assert min(found["names"]) >= 11.9 and min(found["labels"], default=10) >= 10
    canvas, first = page.locator("#canvas").bounding_box(), page.locator(".vertex").first.bounding_box()
    assert canvas is not None and first is not None
    assert first["x"] >= canvas["x"]
    shown = page.evaluate(
        """[...document.querySelectorAll('.vertex')].filter((v) => {
          const box = v.getBoundingClientRect();
          return box.left >= 0 && box.right <= innerWidth && box.top >= 50 && box.bottom <= innerHeight;
        }).length"""
    )
    assert shown >= (15 if app == "sales" else 12)


def test_from_afar_a_node_says_its_name_under_the_mouse(browse: Browse, address: str) -> None:
    page = opened(browse("light", 800, 800), f"{address}#many")
    page.click("[data-zoom=fit]")
    assert page.locator("#canvas.tiny").count() == 1
    page.locator(".vertex[data-id=node_100] .box").hover(force=True)
    assert page.locator("#tooltip").inner_text() == "node_100"


# What each label lies upon: names of edges, nodes and other labels. Asks the browser where everything is.
UPON = """
() => {
  const found = [], inside = (box, x, y) => x > box.left && x < box.right && y > box.top && y < box.bottom;
  const shown = (text) => text && getComputedStyle(text).display !== 'none';
  const lines = graph.edges.map(([edge, group]) => {
    const path = group.querySelector('path'), to = path.getScreenCTM(), points = [];
    for (let at = 0; at <= path.getTotalLength(); at += 2) points.push(path.getPointAtLength(at).matrixTransform(to));
    return [edge, points];
  });
  const texts = graph.edges.map(([edge, group]) => [edge, group.querySelector('text')]).filter(([, text]) => shown(text))
    .map(([edge, text]) => [edge, text.getBoundingClientRect()]);
  for (const [edge, box] of texts) {
    for (const [other, points] of lines) if (other !== edge && points.some((p) => inside(box, p.x, p.y))) found.push([edge.label, other.from, other.to]);
    for (const vertex of document.querySelectorAll('.vertex .box')) {
      const at = vertex.getBoundingClientRect();
      if (at.left < box.right && at.right > box.left && at.top < box.bottom && at.bottom > box.top) found.push([edge.label, vertex.parentNode.dataset.id]);
    }
    for (const [other, at] of texts) {
      if (other !== edge && at.left < box.right && at.right > box.left && at.top < box.bottom && at.bottom > box.top) found.push([edge.label, other.label]);
    }
  }
  return { found, shown: texts.length, all: graph.edges.filter(([edge]) => edge.label).length };
}
"""


@pytest.mark.parametrize("width", [800, 1800])
def test_no_label_lies_upon_another_edge(browse: Browse, tmp_path: Path, width: int) -> None:
    world.write(world.windows(), tmp_path)
    web = world.mounted(Applications(tmp_path, (), world.ledgers(windows=MemoryLedger())))
    with world.serving(web) as served, closing(browse("light", width, 900)) as page:
        page.goto(f"{served}/rheo/#windows")
        page.wait_for_selector(".vertex")
        upon = page.evaluate(UPON)
    assert upon["found"] == []
    assert upon["shown"] > 0.6 * upon["all"] > 25


@pytest.mark.parametrize(
    ("state", "mark", "words"),
    [
        ("OK", "ok", "OK"),
        ("ALARM", "alarmed", "in ALARM"),
        ("INSUFFICIENT_DATA", "lacking", "not enough data"),
        ("", "", "state not known"),
    ],
)
def test_an_alarm_shows_its_state(browse: Browse, tmp_path: Path, state: str, mark: str, words: str) -> None:
    def states(kind: str, names: Sequence[str]) -> dict[str, Any]:
        return world.alarm_states(kind, names, state) if state else {}

    world.write(world.sales(), tmp_path)
    ledger = MemoryLedger()
    world.live_sales(ledger)
    web = world.mounted(Applications(tmp_path, (), world.ledgers(sales=ledger), states))
    with world.serving(web) as served, closing(browse("light")) as page:
        opened(page, f"{served}/rheo/#sales/too_many_bad_orders")
        page.locator("#alarm-state").get_by_text(words if state else "not known").wait_for()
        alarm = page.locator(".vertex[data-id=too_many_bad_orders]")
        assert alarm.get_attribute("aria-label") == f"too_many_bad_orders, alarm, {words}"
        assert set((alarm.get_attribute("class") or "").split()) - {"vertex", "alarm", "selected"} == {
            mark
        } - {""}
        assert alarm.locator(".badge").all_text_contents() == (["! ALARM"] if state == "ALARM" else [])
        fill = "['too_many_bad_orders', 'bad_orders'].map((id) => getComputedStyle(document.querySelector(`[data-id=${id}] .box`)).fill)"
        colours = page.evaluate(fill)
        assert (colours[0] == colours[1]) == (state != "ALARM"), "only an alarm is red"


def test_what_checks_found_is_shown(browse: Browse, address: str) -> None:
    page = opened(browse("light"), f"{address}#sales/daily_sales/emea%2F2026-08-01")
    page.locator(".checks li").first.wait_for()
    assert page.locator(".checks li").all_inner_texts() == [
        "✓ row_count(1) passed",
        "✕ in_range(price): 2 rows, such as 1200 (a warning)",
    ]


def test_what_is_stale_is_marked_and_said(browse: Browse, tmp_path: Path) -> None:
    living, web = life(tmp_path)
    for day in ("2026-09-01", "2026-09-02"):
        living.send("clicks", "emea", day)
        living.send("orders", "emea", day)
    living.time += 600
    living.send("orders", "emea", "2026-09-01")
    with world.serving(web) as served, closing(browse("light")) as page:
        opened(page, f"{served}/rheo/#sales/clean_orders")
        page.locator("#stale h3").wait_for()
        assert page.locator("#stale h3").inner_text() == "Stale 1"
        page.locator("#cells .cell.stale").hover()
        assert page.locator("#tooltip").inner_text() == "emea/2026-09-01: succeeded, stale"
        page.locator("#stale .link").click()
        page.locator("#account .aged").get_by_text("orders emea/2026-09-01").wait_for()


def test_who_may_only_look_is_offered_no_action(browse: Browse, tmp_path: Path) -> None:
    def looks() -> Access:
        return lambda dags, action="read": set(dags) if action == "read" else set()

    with (
        world.serving(world.mounted(world.world(tmp_path, ["sales"]), looks)) as served,
        closing(browse("light")) as page,
    ):
        opened(page, f"{served}/rheo/#sales/clean_orders/emea%2F2026-05-31")
        page.locator("#account .why").wait_for()
        page.wait_for_selector("#waits li")
        assert page.locator("#account .actions a").count() == 0
        assert page.locator("#panel .links a").count() == 1


FAR = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [x, y, z] = colour.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  return [...document.querySelectorAll('.vertex.far')].map((group) => {
    const style = (selector) => getComputedStyle(group.querySelector(selector));
    const [a, b] = [rgb(style('.name').fill), rgb(style('.box').fill)].map(light).sort((p, q) => q - p);
    return getComputedStyle(group).opacity * style('.name').opacity * (a + 0.05) / (b + 0.05);
  });
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_not_chosen_can_still_be_read(browse: Browse, address: str, theme: str) -> None:
    page = opened(browse(theme), f"{address}#sales/heartbeat")
    page.wait_for_timeout(300)
    ratios = page.evaluate(FAR)
    assert len(ratios) == 13 and min(ratios) >= 4.5


def test_the_legend_folds_and_stays_so(browse: Browse, address: str) -> None:
    page = opened(browse("light"), f"{address}#sales")
    legend = page.locator("#legend")
    assert legend.get_by_text("watched", exact=True).is_visible()
    legend.get_by_text("Legend").click()
    assert legend.get_by_text("watched", exact=True).is_hidden()
    page.reload()
    page.wait_for_selector(".vertex")
    assert legend.get_by_text("watched", exact=True).is_hidden()
    narrow = opened(browse("light", 800, 800), f"{address}#sales")
    assert narrow.locator("#legend").get_by_text("failed").is_hidden(), "there it would hide the graph"


# --- a stranger's questions: each is answered by one click ---------------------------------------


def test_what_has_failed_and_why(sales: Page) -> None:
    sales.locator("#summary").get_by_text("3 failed").click()
    assert sales.locator("#account .why").inner_text() == world.FAULT
    assert sales.locator("#panel h2").inner_text() == "clean_orders"
    sales.locator("#summary").get_by_text("3 failed").click()
    sales.locator("#account").get_by_text("2026-09-19 07", exact=True).wait_for()
    assert sales.locator("#panel h2").inner_text() == "heartbeat"


def test_what_waits_and_for_what(sales: Page) -> None:
    sales.locator("#summary").get_by_text("waiting").click()
    sales.wait_for_selector("#waits li")
    assert "has arrived" in sales.locator("#waits li").first.inner_text()
    sales.wait_for_function(
        "(() => { const at = $('waits').getBoundingClientRect(); return at.top < innerHeight - 40 && at.bottom > 52; })()"
    )


def test_what_is_late_since_when(browse: Browse, tmp_path: Path) -> None:
    app: Any = Application("punctual")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data(
        "daily", inputs=[orders | orders.late(after=world.DAY)], compute_targets=InlinedCompute(world.note)
    )
    living, web = life(tmp_path, app)
    living.engine.tick()
    with world.serving(web) as served, closing(browse("light")) as page:
        page.goto(f"{served}/rheo/#punctual")
        page.locator("#summary [data-kind=L]").click()
        page.locator("#late").get_by_text("is not there, and was due by").first.wait_for()


def test_why_a_partition_has_not_run(sales: Page) -> None:
    sales.click(".vertex[data-id=price_index]")
    sales.locator("#cells .cell.cM").first.click()
    sales.locator("#account").get_by_text(
        "It has not run, and nothing that could lead to it has arrived."
    ).wait_for()


# --- partitions --------------------------------------------------------------------------------


def test_a_waiting_partition_says_what_it_waits_for(sales: Page) -> None:
    sales.click(".vertex[data-id=clean_orders]")
    sales.wait_for_selector(".waiting li")
    assert sales.locator("#waits h3").inner_text() == "Waiting 3"
    sales.locator("#cells .cell.cW").nth(1).click()
    account = sales.locator("#account")
    account.get_by_text("no orders emea/2026-09-16 has arrived").wait_for()
    assert "since 19 Sept 2026, 14:13" in account.inner_text()
    assert "clicks emea/2026-09-16" in account.inner_text()
    assert sales.url.endswith("#sales/clean_orders/emea%2F2026-09-16")


def test_a_failed_partition_leads_to_its_run(sales: Page) -> None:
    sales.click(".vertex[data-id=clean_orders]")
    sales.get_by_role("button", name="2 failed", exact=True).click()
    link = sales.locator("#account .runs a").first
    assert link.get_attribute("href") == "../dags/sales__clean_orders/runs/rheo~americas~2026-08-07~1"
    assert sales.locator("#account .why").inner_text() == world.FAULT
    assert sales.locator("#account .why code").inner_text() == "(sales.py:41)"
    assert "waited 2 s for its run, ran for 58 s, ended" in sales.locator("#account .times").inner_text()
    actions = sales.locator("#account .actions a")
    assert actions.all_inner_texts() == ["Logs of compute", "Clear, to run again"]
    assert actions.first.get_attribute("href") == f"{link.get_attribute('href')}/tasks/compute"
    sales.get_by_role("button", name="2 failed", exact=True).click()
    sales.locator("#account").get_by_text("emea/2026-05-31").first.wait_for()
    assert sales.locator("#panel .links a").first.get_attribute("href") == "../dags/sales__clean_orders"


def test_the_address_holds_what_is_shown(browse: Browse, address: str) -> None:
    page = opened(browse("light"), f"{address}#sales/clean_orders/emea%2F2026-05-31")
    page.locator("#account").get_by_text("3 orders have no price").wait_for()
    page.click(".vertex[data-id=sessions]")
    page.wait_for_function("location.hash === '#sales/sessions'")
    page.go_back()
    page.locator("#account").get_by_text("3 orders have no price").wait_for()


def test_cells_are_walked_by_arrows(sales: Page) -> None:
    sales.click(".vertex[data-id=clean_orders]")
    sales.wait_for_selector("#waits:not([hidden])")
    assert sales.locator("#cells [tabindex='0']").count() == 1, "one stop of the tab key"
    sales.locator("#cells [tabindex='0']").focus()
    for key, label in [
        ("ArrowUp", "apac/2026-09-17: queued"),
        ("ArrowUp", "americas/2026-09-17: running"),
        ("ArrowLeft", "americas/2026-09-16: succeeded"),
        ("Home", "americas/2026-05-01: succeeded"),
        ("End", "americas/2026-09-17: running"),
    ]:
        sales.keyboard.press(key)
        assert focused(sales) == label
    sales.keyboard.press("Enter")
    sales.locator("#account").get_by_text("rheo~americas~2026-09-17~1").wait_for()
    assert focused(sales) == "americas/2026-09-17: running", "the focus stays in the grid"
    sales.keyboard.press("Escape")
    assert sales.locator("#account").is_hidden()


def test_a_row_of_dates_is_a_calendar(sales: Page) -> None:
    sales.click(".vertex[data-id=price_index]")
    sales.locator(".month h4").first.wait_for()
    assert sales.locator(".month h4").all_text_contents()[:2] == ["September 2026", "August 2026"]
    sales.locator("#cells .cell.cM").first.hover()
    assert "missing" in sales.locator("#tooltip").inner_text()
    sales.locator("#cells [tabindex='0']").focus()
    sales.keyboard.press("ArrowUp")
    assert focused(sales) == "2026-09-10: succeeded"
    first = sales.locator(".month").first.locator(".week >> nth=1 >> i")
    assert first.nth(0).get_attribute("class") == "none", "the first of September 2026 is a Tuesday"


def test_a_row_of_many_becomes_a_calendar(sales: Page) -> None:
    sales.click(".vertex[data-id=clean_orders]")
    sales.click("button.side:has-text('emea')")
    assert sales.locator(".month h4").first.inner_text() == "September 2026"
    sales.click("text=All rows")
    assert sales.locator("button.side").all_text_contents() == ["americas", "apac", "emea"]


def test_hours_are_rows_of_days(sales: Page) -> None:
    sales.click(".vertex[data-id=heartbeat]")
    sales.wait_for_selector(".table.hour")
    assert sales.locator(".table.hour .line .side[role=rowheader]").all_text_contents()[0] == "2026-09-20"
    sales.locator("#cells .cell.cF").hover()
    assert sales.locator("#tooltip").inner_text() == "2026-09-19 07: failed"


def life(tmp_path: Path, app: Any = None) -> tuple[world.Life, Any]:
    """An application that nothing has happened to yet, and the page that shows it."""
    app, ledger = app or world.sales(), MemoryLedger()
    world.write(app, tmp_path)
    return world.Life(app, ledger), world.mounted(
        Applications(tmp_path, (), world.ledgers(**{app.name: ledger}))
    )


def test_hours_open_on_what_has_results(browse: Browse, tmp_path: Path) -> None:
    living, web = life(tmp_path)
    for hour in [*range(24), *range(24, 27)]:
        living.send("every_hour", f"2026-09-{18 + hour // 24:02} {hour % 24:02}")
    with world.serving(web) as served, closing(browse("light", 420, 800)) as page:
        opened(page, f"{served}/rheo/#sales/heartbeat")
        page.wait_for_selector(".table.hour")
        seen, last = (
            page.locator(".scroll").bounding_box(),
            page.locator("#cells .cell.cS").nth(2).bounding_box(),
        )
    assert seen is not None and last is not None
    assert seen["x"] + 132 <= last["x"] <= seen["x"] + seen["width"] - last["width"]


def test_one_column_has_its_month(browse: Browse, tmp_path: Path) -> None:
    living, web = life(tmp_path)
    for region in ("emea", "apac"):
        living.send("clicks", region, "2026-09-17")
    with world.serving(web) as served, closing(browse("light")) as page:
        opened(page, f"{served}/rheo/#sales/sessions")
        month = page.locator(".groups .group b")
        month.wait_for()
        assert month.inner_text() == "2026-09"
        group, text = page.locator(".groups .group").bounding_box(), month.bounding_box()
    assert group is not None and text is not None
    assert text["x"] + text["width"] <= group["x"] + group["width"] + 1, "nothing of it is cut off"


def test_several_dimensions_are_named(sales: Page) -> None:
    sales.click(".vertex[data-id=clean_orders]")
    sales.wait_for_selector("#waits:not([hidden])")
    assert sales.locator(".side.names").inner_text() == "region"
    sales.locator("#cells .cell.cF").first.click()
    sales.locator("#account .subtitle").wait_for()
    assert sales.locator("#account .subtitle").inner_text() == "region americas · day 2026-08-07"
    assert sales.locator(".vertex[data-id=bad_orders] .below").text_content() == "metric"


@pytest.mark.parametrize("rows", [1, 2])
def test_weeks_have_cells(browse: Browse, tmp_path: Path, rows: int) -> None:
    app = Application("weekly")
    path = "s3://lake/stock/{place}/{week:%G-W%V}" if rows > 1 else "s3://lake/stock/{week:%G-W%V}"
    stock = app.s3("stock", path)
    app.create_data("level", inputs=[stock], compute_targets=InlinedCompute(world.note))
    living, web = life(tmp_path, app)
    for place in range(rows):
        for week in range(30, 40):
            living.send("stock", *([f"place-{place}"] if rows > 1 else []), f"2026-W{week}")
    with world.serving(web) as served, closing(browse("light")) as page:
        opened(page, f"{served}/rheo/#weekly/level")
        page.wait_for_selector("#cells .cell.cS")
        assert page.locator("#cells .cell.cS").count() == 10 * rows


def test_what_changes_is_shown_while_one_looks(browse: Browse, tmp_path: Path) -> None:
    ledger = MemoryLedger()
    app = world.sales()
    world.write(app, tmp_path)
    life = world.Life(app, ledger)
    life.send("prices", "2026-09-01")
    with (
        world.serving(world.mounted(Applications(tmp_path, (), world.ledgers(sales=ledger)))) as served,
        closing(browse("light")) as page,
    ):
        opened(page, f"{served}/rheo/#sales/price_index")
        page.wait_for_selector("#cells .cell")
        page.locator("#cells .cell").focus()
        life.send("prices", "2026-09-02", end="failed")
        page.wait_for_selector("#cells .cell.cF")
        assert focused(page) == "2026-09-01: succeeded", "the focus stays"
        page.wait_for_selector(".vertex[data-id=price_index] .badge")


def test_what_users_write_is_never_read_as_html(browse: Browse, tmp_path: Path) -> None:
    ledger = MemoryLedger()
    app = world.sales()
    world.write(app, tmp_path)
    life = world.Life(app, ledger)
    life.send("clicks", HOSTILE, "2026-09-01")
    life.send("orders", HOSTILE, "2026-09-01", end="failed")
    life.send("clicks", f"{HOSTILE}2", "2026-09-02")
    with (
        world.serving(world.mounted(Applications(tmp_path, (), world.ledgers(sales=ledger)))) as served,
        closing(browse("light")) as page,
    ):
        opened(page, f"{served}/rheo/#sales/clean_orders")
        page.wait_for_selector("#waits li")
        page.locator("#cells .cell.cF").click()
        page.wait_for_selector("#account li")
        assert page.locator("img").count() == 0
        assert page.title() == "Rheo: sales"
        assert page.locator("button.side").first.inner_text() == HOSTILE


def test_an_application_that_comes_late_does_not_replace_the_one_that_was_chosen(
    browse: Browse, address: str
) -> None:
    page, held = browse("light"), list[Any]()
    page.route("**/api/apps/many/graph*", lambda route: held.append(route))
    page.goto(f"{address}#many")
    page.get_by_label("Application", exact=True).select_option("sales")
    page.click(".vertex[data-id=daily_sales]")
    page.wait_for_selector("#cells .cell")
    with page.expect_response("**/api/apps/many/graph*"):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert page.title() == "Rheo: sales"
    assert page.locator("#panel h2").inner_text() == "daily_sales"
    assert page.locator("#told.fault").count() == 0
    assert page.locator(".vertex").count() == 15


def test_another_application_is_chosen_while_a_node_of_the_first_is_shown(sales: Page) -> None:
    sales.click(".vertex[data-id=daily_sales]")
    sales.get_by_label("Application", exact=True).select_option("many")
    sales.wait_for_selector(".vertex[data-id=node_000] .states rect")
    assert sales.title() == "Rheo: many"
    assert sales.locator("#told.fault").count() == 0
    assert not sales.locator("#panel").is_visible()


def test_a_lost_login_is_said(browse: Browse, address: str) -> None:
    page = browse("light")
    page.route("**/api/apps*", lambda route: route.fulfill(status=401, json={"detail": "Not authenticated"}))
    page.goto(address)
    page.get_by_text("You are logged out of Airflow").wait_for()


def test_links_lead_out_of_the_frame_that_airflow_puts_it_in(browse: Browse, tmp_path: Path) -> None:
    web = world.mounted(world.world(tmp_path, ["sales"]))
    frame = (
        '<iframe sandbox="allow-scripts allow-same-origin allow-forms" src="/rheo/" width=1200 height=700>'
    )
    web.add_route("/plugin/rheo", lambda request: HTMLResponse(frame))
    web.add_route("/dags/{rest:path}", lambda request: HTMLResponse("Airflow's own"))
    with world.serving(web) as served, closing(browse("light")) as page:
        page.goto(f"{served}/plugin/rheo")
        framed = page.frame_locator("iframe")
        framed.locator(".vertex[data-id=sessions]").click()
        framed.locator("#cells .cell.cS").last.click()
        framed.locator("#account .runs a").first.click()
        page.wait_for_url("**/dags/sales__sessions/runs/rheo~emea~2026-09-17~1")


# --- size, colours, pictures -------------------------------------------------------------------


def test_two_hundred_nodes_and_ten_thousand_partitions_are_quick(browse: Browse, address: str) -> None:
    page = browse("light")
    start = time.perf_counter()
    opened(page, f"{address}#many")
    assert time.perf_counter() - start < 6
    assert page.locator(".vertex").count() == 220
    start = time.perf_counter()
    page.evaluate("open('node_000')")
    page.wait_for_selector("#cells .cell")
    assert time.perf_counter() - start < 6
    assert page.locator("#cells .cell").count() == 10_000
    times: dict[str, float] = page.evaluate(
        """(() => {
          const took = (work) => { const t = performance.now(); work(); document.body.offsetHeight; return performance.now() - t; };
          return {
            cells: took(() => grid.draw($('cells'), panel.data, null)),
            graph: took(() => graph.draw(graph.model)),
            select: took(() => graph.select('node_100')),
            arrow: took(() => grid.stand(5000)),
          };
        })()"""
    )
    print({name: f"{value:.0f} ms" for name, value in times.items()})
    assert times["cells"] < 2_000 and times["graph"] < 2_000
    assert times["select"] < 500 and times["arrow"] < 500


CONTRAST = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('header *, #panel *, .legend *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.offsetParent || element.disabled) continue;
    const value = ratio(rgb(getComputedStyle(element).color), behind(element));
    if (value < 4.5) found.push([element.tagName, element.className, element.textContent.slice(0, 20), value.toFixed(2)]);
  }
  return found;
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read(browse: Browse, address: str, theme: str) -> None:
    page = opened(browse(theme), f"{address}#sales/clean_orders/emea%2F2026-05-31")
    page.wait_for_selector("#account li")
    page.wait_for_selector("#waits li")
    assert page.evaluate(CONTRAST) == []
    page.click(".vertex[data-id=price_index]")
    page.wait_for_selector(".month")
    assert page.evaluate(CONTRAST) == []


def test_the_theme_is_that_of_airflow(browse: Browse, address: str) -> None:
    page = browse("light")
    page.goto(address)
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_it_fits_a_small_screen(browse: Browse, address: str) -> None:
    page = opened(browse("light", 420, 800), f"{address}#sales/clean_orders")
    page.wait_for_selector("#cells .cell")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


PICTURES: list[tuple[str, str, str, Any]] = [
    ("graph", "light", "#sales", None),
    ("waiting", "light", "#sales/clean_orders/emea%2F2026-09-16", "#waits li"),
    ("failed", "dark", "#sales/clean_orders/emea%2F2026-05-31", "#waits li"),
    ("calendar", "dark", "#sales/price_index", ".month"),
    ("many", "light", "#many/node_000", "#cells .cell"),
]


@pytest.mark.parametrize(("name", "theme", "hash", "until"), PICTURES, ids=[p[0] for p in PICTURES])
def test_pictures(
    browse: Browse, address: str, tmp_path: Path, name: str, theme: str, hash: str, until: Any
) -> None:
    """Each view can be drawn; ``RHEO_PICTURES=docs/images`` keeps the pictures."""
    page = browse(theme, 1280, 760)
    page.clock.set_fixed_time("2026-09-21T14:13:20Z")
    opened(page, address + hash)
    if until:
        page.wait_for_selector(until)
        page.wait_for_timeout(300)
    folder = Path(os.environ.get("RHEO_PICTURES", tmp_path))
    data = page.screenshot(path=folder / f"page-{name}.png")
    assert re.match(rb"\x89PNG", data) and len(data) > 20_000
