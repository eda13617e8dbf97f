"""Functions of links: traced into expressions, tabulated over known values, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from rheodsl import DATETIME, STRING, Application, S3Dataset, SignalNode
from rheodsl.errors import LinkError, TraceError
from rheodsl.expressions import trace

from .traced_functions import FUNCTIONS, REFUSED


@pytest.fixture
def s(app: Application) -> SignalNode:
    return app.s3("s", "s3://lake/{text}/{n:int}/{day:%Y-%m-%d}/{other_day:%d-%m-%Y}")


@pytest.fixture
def regions(app: Application) -> SignalNode:
    """A signal whose filter enumerates its values."""
    spec = {"region": {"type": STRING, "day": {"type": DATETIME, "format": "%d-%m-%Y"}}}
    return app.marshal_external_data(
        S3Dataset(None, "lake", "regions"),
        "regions",
        spec,
        {"NA": {"18-03-2020": {}}, "EU": {"18-03-2020": {}, "19-03-2020": {}}},
    )


def sources(signal: SignalNode, names: str) -> list[Any]:
    return [signal.dimension(name) for name in names.split()]


# ── traced ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("function", "names", "shown"),
    [row for row in FUNCTIONS if row[2]],
    ids=[t for _, _, t in FUNCTIONS if t],
)
def test_a_function_becomes_an_expression(
    s: SignalNode, function: Callable[..., Any], names: str, shown: str
) -> None:
    assert str(trace(function, sources(s, names))) == shown


def test_the_function_itself_is_left_as_it_was(s: SignalNode) -> None:
    seen: list[Any] = []

    def function(day: Any) -> Any:
        seen.append(timedelta)
        return day - timedelta(days=1)

    trace(function, [s.day])
    assert function(datetime(2020, 3, 18)) == datetime(2020, 3, 17)
    assert seen[1] is timedelta


def test_tracing_is_over_when_the_function_has_failed(s: SignalNode) -> None:
    with pytest.raises(TraceError):
        trace(lambda d: f"{d}", [s.day])
    assert f"{s.day}" == "s.day"


def test_a_function_may_trace_another(s: SignalNode) -> None:
    assert repr(trace(lambda d: d.apply(lambda e: e - 1).strftime("%Y"), [s.day])) == "(s.day - 1).fmt('%Y')"


# ── tabulated ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_look_up_is_tabulated(regions: SignalNode) -> None:
    table = {"NA": 1, "EU": 2, "FE": 3}
    assert repr(trace(lambda x: table[x], [regions.region])) == "regions.region.map({'EU': 2, 'NA': 1})"


def test_a_branch_is_tabulated(regions: SignalNode) -> None:
    traced = trace(lambda r: "west" if r == "NA" else "east", [regions.region])
    assert repr(traced) == "regions.region.map({'EU': 'east', 'NA': 'west'})"


def test_dates_are_tabulated_as_datetimes(regions: SignalNode) -> None:
    traced = trace(lambda d: d.isoformat(), [regions.day])
    assert [result for _, result in traced.node.pairs] == ["2020-03-18T00:00:00", "2020-03-19T00:00:00"]


def test_a_value_without_a_result_has_no_partner(regions: SignalNode) -> None:
    assert repr(trace(lambda r: {"NA": 1}.get(r), [regions.region])) == "regions.region.map({'NA': 1})"


def test_a_narrowed_view_is_tabulated_over_what_it_lets_pass(regions: SignalNode) -> None:
    assert repr(trace({"NA": 1}.get, [regions["NA"].region])) == "regions.region.map({'NA': 1})"


def test_a_built_in_function_is_tabulated(regions: SignalNode) -> None:
    assert repr(trace(str.lower, [regions.region])) == "regions.region.map({'EU': 'eu', 'NA': 'na'})"


def test_the_guides_look_up_as_a_link(app: Application, regions: SignalNode, orders: SignalNode) -> None:
    link = (orders("region_id"), lambda x: {"NA": 1, "EU": 2}[x], regions("region"))
    app.create_data("n", [orders, regions], [link, (orders("day"), lambda d: d, regions("day"))])
    (written, _) = app.graph().node("n").written
    assert repr(written.right).startswith("MapValues(")


# ── refused ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("function", "names", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED])
def test_a_function_that_cannot_be_written_says_why(
    s: SignalNode, function: Callable[..., Any], names: str, reason: str
) -> None:
    with pytest.raises(TraceError) as caught:
        trace(function, sources(s, names))
    assert caught.value.what == f"the function of s.{names} cannot be written as an expression ({reason})"
    assert "use an operator: .map({...})" in (caught.value.hint or "")


def test_several_sources_are_not_tabulated(regions: SignalNode) -> None:
    with pytest.raises(TraceError) as caught:
        trace(lambda r, d: {"NA": 1}[r], [regions.region, regions.day])
    assert caught.value.what.startswith("the function of regions.region, regions.day cannot be written")


def test_a_computed_value_is_not_tabulated(regions: SignalNode) -> None:
    with pytest.raises(TraceError):
        trace(lambda d: {"x": 1}[d], [regions.day - 1])


def test_a_function_that_fails_on_a_value_names_the_value(regions: SignalNode) -> None:
    with pytest.raises(TraceError) as caught:
        trace(lambda r: {"NA": 1}[r], [regions.region])
    assert caught.value.what == "the function of regions.region fails on 'EU' (KeyError: 'EU')"


def test_a_function_that_gives_nothing_is_refused(regions: SignalNode) -> None:
    with pytest.raises(TraceError) as caught:
        trace({}.get, [regions.region])
    assert caught.value.what == "the function of regions.region gives no value for any of the filter's values"


@pytest.mark.parametrize("result", [1.5, True, [1], datetime(2020, 1, 1)])
def test_a_table_holds_texts_and_numbers(regions: SignalNode, result: Any) -> None:
    with pytest.raises(LinkError):
        trace(lambda r: {"NA": result, "EU": result}[r], [regions.region])
