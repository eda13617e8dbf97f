"""What a notebook shows of signals, views, nodes and results: tables of HTML, in which all text is escaped."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from support.cloud import Cloud

from rheodsl import Application
from rheodsl.reports import (
    ComputeInput,
    ComputeLog,
    ComputeRecord,
    ComputeState,
    Explanation,
    MissingInput,
    PendingNode,
    Route,
    RouteRecord,
)

NOW = datetime(2020, 3, 18, tzinfo=UTC)
EVIL = "<script>alert('x')</script>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(shown: Any) -> _Reader:
    reader = _Reader()
    reader.feed(shown._repr_html_())
    reader.close()
    assert reader.open == []
    return reader


def test_a_view_shows_its_dimensions_and_its_filter() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}")
    node = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    caption, *cells = read(orders[1][:-7]).texts
    assert caption.startswith("orders[1][:-7]: s3://lake/orders/{}/{}")
    assert cells == [
        "dimension", "type", "filter", "region", "LONG", "[1]", "day", "DAY '%Y-%m-%d'", "[:-7]",
    ]  # fmt: skip
    assert read(node).texts[-1] == "['*']"
    assert read(app.s3("flag", "s3://lake/flag")).texts[1:] == ["dimension", "type", "filter"]


def test_texts_are_escaped() -> None:
    app = Application("shop")
    evil = app.s3("evil", f"s3://lake/{EVIL.replace('/', '')}/{{word}}")
    shown = read(evil[EVIL.replace("/", "")])
    assert set(shown.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert EVIL.replace("/", "") in shown.texts[0]


RECORD = ComputeRecord(
    "daily", "daily/1#1", ComputeState.FAILED, "1", {"region": "1"}, NOW, NOW, "run-1", "s3://lake/daily/1",
    (ComputeInput("orders", "orders", "1", ("s3://lake/orders/1",), "e"),), EVIL,
)  # fmt: skip
PENDING = PendingNode("daily", None, {"orders": "1"}, (MissingInput("ships", "ships", "*", EVIL),), NOW)
ROUTE = Route("daily", (EVIL,), ("a == b",), ("region = orders.region",))


@pytest.mark.parametrize(
    "shown",
    [
        RECORD,
        PENDING,
        ROUTE,
        RouteRecord(ROUTE, (RECORD,), (PENDING,)),
        Explanation("daily", "1", (RECORD,), (PENDING,), (), EVIL),
        ComputeLog("claim", 1, "success", "here", EVIL),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_results_show_themselves(shown: Any) -> None:
    reader = read(shown)
    assert "script" not in reader.tags
    assert EVIL in "\n".join(reader.texts)


def test_a_preview_is_displayed_in_a_notebook(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    display = SimpleNamespace(display=shown.append)
    ipython = SimpleNamespace(get_ipython=lambda: "a shell", display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    cloud.session.client("s3").create_bucket(Bucket="lake")
    cloud.put("s3://lake/orders/part", "id\n1\n")
    app = Application("shop", platform=cloud)  # type: ignore[arg-type]
    data, _ = app.preview_data(app.s3("orders", "s3://lake/orders", format="CSV"))
    assert shown[0] is data
    assert capsys.readouterr().out == ""


def test_the_language_imports_no_notebook() -> None:
    code = "import sys, rheodsl; assert not {'IPython', 'pandas', 'pyspark'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
