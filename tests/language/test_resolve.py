"""From what is declared to what runs: default links, references, outputs, and links that can never hold."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from rheo_runtime.values import datetime_kind
from rheodsl import DATETIME, LONG, STRING, Application, GraphError, S3Dataset, SignalNode, ir, output
from rheodsl.errors import InvalidNameError, LinkError, LinkMissingError, RheoError, SpecError
from rheodsl.notation import show


def node(app: Application, *args: Any, **kwargs: Any) -> ir.Node:
    app.create_data("n", *args, **kwargs)
    return app.graph().node("n")


def links(node: ir.Node) -> list[str]:
    """The equations that restrict the triggers."""
    return [f"{show(link.left)} == {show(link.right)}" for link in node.links]


def defaults(node: ir.Node) -> list[str]:
    """The links that nobody wrote."""
    return [f"{show(link.left)} == {show(link.right)}" for link in node.written if link.default]


def tips(node: ir.Node) -> dict[str, list[str]]:
    return {i.alias: list(map(show, i.tip)) for i in node.inputs if i.tip is not None}


def values(node: ir.Node) -> dict[str, str]:
    return {name: show(v) for (name, _), v in zip(node.output, node.output_values, strict=True)}


def faults(app: Application, *args: Any, **kwargs: Any) -> list[RheoError]:
    app.create_data("n", *args, **kwargs)
    with pytest.raises(GraphError) as caught:
        app.graph()
    assert all(fault.where is not None for fault in caught.value.faults)
    return list(caught.value.faults)


@pytest.fixture
def a(app: Application) -> SignalNode:
    return app.s3("a", "s3://lake/a/{region:int}/{day:%Y-%m-%d}")


@pytest.fixture
def b(app: Application) -> SignalNode:
    return app.s3("b", "s3://lake/b/{region:int}/{day:%d-%m-%Y}")


@pytest.fixture
def c(app: Application) -> SignalNode:
    return app.s3("c", "s3://lake/c/{code}/{month:%Y%m}")


# ── names of inputs ───────────────────────────────────────────────────────────────────────────────────


def test_an_input_is_named_by_its_signal_its_alias_or_the_dict(app: Application, a: Any, b: Any) -> None:
    assert [i.alias for i in node(app, [a, b.alias("other")]).inputs] == ["a", "other"]
    app.update_data("n", {"x": a, "y": b.alias("other")})
    assert [i.alias for i in app.graph().node("n").inputs] == ["x", "y"]


@pytest.mark.parametrize(("id", "alias"), [("my-data", "my_data"), ("1st", "_1st"), ("a.b", "a_b")])
def test_an_id_that_is_no_identifier_becomes_one(app: Application, id: str, alias: str) -> None:
    signal = app.s3(id, "s3://lake/x/{n:int}")
    assert [i.alias for i in node(app, [signal]).inputs] == [alias]


def test_links_follow_the_names_of_the_inputs(app: Application, a: Any, b: Any) -> None:
    made = node(app, {"x": a, "y": b}, [a.day == b.day - 1])
    assert links(made) == ["x.day == (y.day - 1)", "x.region == y.region"]


def test_links_by_alias(app: Application, a: Any) -> None:
    today, before = a.alias("today"), a.alias("before")
    made = node(app, [today, before], [today.day == before.day + 1])
    assert links(made) == ["today.day == (before.day + 1)", "today.region == before.region"]


def test_a_link_of_a_signal_holds_for_each_of_its_inputs(app: Application, a: Any, b: Any) -> None:
    made = node(app, {"x": a, "y": a[1], "z": b}, [a.day == b.day])
    assert links(made)[:2] == ["x.day == z.day", "y.day == z.day"]


def test_a_signal_on_both_sides_is_ambiguous(app: Application, a: Any) -> None:
    (fault,) = faults(app, {"x": a, "y": a}, [a.day == a.day - 1])
    assert isinstance(fault, LinkError)


def test_two_inputs_of_one_name(app: Application, a: Any) -> None:
    (fault,) = faults(app, [a, a[1]])
    assert isinstance(fault, InvalidNameError)


def test_an_input_named_like_another_signal(app: Application, a: Any, b: Any) -> None:
    assert {type(f) for f in faults(app, {"a": b, "b": a}, [a.day == b.day])} == {InvalidNameError}


# ── default links ─────────────────────────────────────────────────────────────────────────────────────


def test_dimensions_of_one_name_are_linked(app: Application, a: Any, b: Any) -> None:
    made = node(app, [a, b])
    assert defaults(made) == links(made) == ["a.region == b.region", "a.day == b.day"]


def test_what_is_linked_already_is_not_linked_again(app: Application, a: Any, b: Any) -> None:
    made = node(app, [a, b], [a.day == b.day - 1])
    assert defaults(made) == ["a.region == b.region"]


def test_what_is_linked_through_a_third_is_not_linked_again(app: Application, a: Any, b: Any) -> None:
    d = app.s3("d", "s3://lake/d/{at:%Y-%m-%d}")
    made = node(app, [a, b, d], [a.day == d.at, d.at == b.day + 1])
    assert defaults(made) == ["a.region == b.region"]


def test_three_of_one_name_are_linked_once_each(app: Application, a: Any, b: Any) -> None:
    d = app.s3("d", "s3://lake/d/{day:%Y%m%d}")
    assert defaults(node(app, [a, b, d])) == ["a.region == b.region", "a.day == b.day", "a.day == d.day"]


@pytest.mark.parametrize(("kind", "hint"), [("{day:%Y-%m-%d %H}", ".trunc('day')"), ("{day:int}", "by hand")])
def test_one_name_and_two_types_is_a_fault(app: Application, a: Any, kind: str, hint: str) -> None:
    other = app.s3("other", f"s3://lake/other/{kind}")
    (fault,) = faults(app, [a, other])
    assert isinstance(fault, LinkError)
    assert hint in (fault.hint or "")


def test_one_name_and_two_types_linked_by_hand(app: Application, a: Any) -> None:
    hours = app.s3("hours", "s3://lake/hours/{day:%Y-%m-%d %H}")
    made = node(app, [a, hours], [hours.day.trunc("day") == a.day])
    assert links(made) == ["hours.day.trunc('day') == a.day"]


def test_inputs_that_share_nothing_are_a_warning(app: Application, a: Any, c: Any) -> None:
    app.create_data("n", [a, c])
    (warning,) = app.graph().warnings
    assert warning.code == "RD201"
    with pytest.raises(GraphError):
        app.graph(strict=True)


def test_an_input_without_dimensions_needs_no_link(app: Application, a: Any) -> None:
    flag = app.s3("flag", "s3://lake/flag")
    app.create_data("n", [a, flag, app.s3("c2", "s3://lake/c2/{day:%Y-%m-%d}").ref])
    assert app.graph(strict=True).warnings == ()


def test_a_chain_of_links_connects(app: Application, a: Any, b: Any) -> None:
    d = app.s3("d", "s3://lake/d/{at:%Y-%m-%d}")
    app.create_data("n", [a, d, b], [a.day == d.at, d.at == b.day])
    assert app.graph().warnings == ()


# ── references ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("write", "tip"),
    [
        (lambda a, r: r.at == a.day, "a.day"),
        (lambda a, r: a.day == r.at, "a.day"),
        (lambda a, r: r.at == a.day - 1, "(a.day - 1)"),
        (lambda a, r: r.at - 1 == a.day, "(a.day + 1)"),
        (lambda a, r: r.at + timedelta(days=7) == a.day, "(a.day - 7)"),
        (lambda a, r: r.at.fmt("%Y/%m/%d") == a.day.fmt("%Y/%m/%d"), "a.day.fmt('%Y/%m/%d').parse('%Y/%m/%d')"),
        (lambda a, r: r.at == "2020-03-18", "'20200318'"),
    ],
)  # fmt: skip
def test_the_tip_of_a_reference_follows_from_a_link(app: Application, a: Any, write: Any, tip: str) -> None:
    r = app.s3("r", "s3://lake/r/{at:%Y%m%d}")
    made = node(app, [a, r.ref], [write(a, r)])
    assert tips(made) == {"r": [tip]}
    assert links(made) == []


@pytest.mark.parametrize(
    ("write", "tip"),
    [
        (lambda a, r: r.code == a.region.cast(STRING), "a.region.cast(STRING)"),
        (lambda a, r: r.code == a.region.zfill(3), "a.region.zfill(3)"),
        (lambda a, r: r.code.cast(LONG) == a.region, "a.region.cast(STRING)"),
        (lambda a, r: r.code.map({"NA": 1, "EU": 2}) == a.region, "a.region.map({1: 'NA', 2: 'EU'})"),
        (lambda a, r: r.code.parse("%Y-%m-%d") == a.day, "a.day.fmt('%Y-%m-%d')"),
        (lambda a, r: r.code == a.day.fmt("%A"), "a.day.fmt('%A')"),
        (lambda a, r: r.code == a.day, "a.day.fmt('%Y-%m-%d')"),
        (lambda a, r: r.code == "NA", "'NA'"),
    ],
)
def test_the_tip_of_a_text_reference(app: Application, a: Any, write: Any, tip: str) -> None:
    r = app.s3("r", "s3://lake/r/{code}")
    assert tips(node(app, [a, r.ref], [write(a, r)])) == {"r": [tip]}


@pytest.mark.parametrize(
    ("write", "tip"),
    [
        (lambda h, r: r.hour.tz("PST") == h.at, "h.at.tz('UTC')"),
        (lambda h, r: r.hour + timedelta(days=1) == h.at, "(h.at - 24)"),
        (lambda h, r: r.hour == h.at, "h.at"),
        (lambda h, r: r.hour.at("minute") == h.at.at("minute"), "h.at.at('minute').trunc('hour')"),
    ],
)
def test_the_tip_of_a_reference_of_hours(app: Application, write: Any, tip: str) -> None:
    h = app.s3("h", "s3://lake/h/{at:%Y-%m-%d %H}")
    r = app.s3("r", "s3://lake/r/{hour:%Y%m%d%H}")
    assert tips(node(app, [h, r.ref], [write(h, r)])) == {"r": [tip]}


def test_a_reference_of_numbers_written_as_text(app: Application, a: Any) -> None:
    r = app.s3("r", "s3://lake/r/{n:int}")
    texts = app.s3("texts", "s3://lake/t/{code}")
    assert tips(node(app, [texts, r.ref], [r.n.zfill(3) == texts.code])) == {"r": ["texts.code.cast(LONG)"]}


def test_a_computed_timedelta_turns_around(app: Application) -> None:
    h = app.s3("h", "s3://lake/h/{at:%Y-%m-%d %H}/{back:int}")
    r = app.s3("r", "s3://lake/r/{hour:%Y%m%d%H}")
    link = (h("at"), lambda hour, back: hour + timedelta(hours=back), r("hour"), h("back"))
    assert tips(node(app, [h, r.ref], [link])) == {"r": ["(h.at - timedelta(hours=h.back))"]}


def test_a_reference_by_name_by_literal_and_by_link(app: Application, a: Any) -> None:
    r = app.s3("r", "s3://lake/r/{region:int}/{kind}/{month:%Y-%m}")
    made = node(app, [a, r["*"]["full"].ref], [r.month == a.day.trunc("month")])
    assert tips(made) == {"r": ["a.region", "'full'", "a.day.trunc('month')"]}
    assert defaults(made) == ["a.region == r.region"]


def test_a_reference_that_follows_from_a_reference(app: Application, a: Any) -> None:
    x = app.s3("x", "s3://lake/x/{n:int}")
    y = app.s3("y", "s3://lake/y/{m:int}")
    made = node(app, [a, y.ref, x.ref], [y.m == x.n + 1, x.n - 2 == a.region])
    assert tips(made) == {"y": ["((a.region + 2) + 1)"], "x": ["(a.region + 2)"]}


def test_a_second_link_of_a_reference_restricts_the_triggers(app: Application, a: Any) -> None:
    b = app.s3("b", "s3://lake/b/{n:int}")
    r = app.s3("r", "s3://lake/r/{m:int}")
    made = node(app, [a, b, r.ref], [r.m == a.region, r.m - 1 == b.n])
    assert tips(made) == {"r": ["a.region"]}
    assert links(made) == ["(a.region - 1) == b.n"]


def test_a_map_of_a_reference_lets_only_its_values_pass(app: Application, a: Any) -> None:
    r = app.s3("r", "s3://lake/r/{code}")
    made = node(app, [a, r.ref], [r.code.map({"NA": 1, "EU": 2}) == a.region])
    # A region without a code has no partition to refer to.
    assert links(made) == ["a.region.map({1: 1, 2: 2}) == a.region"]


def test_a_fixed_reference_restricts_a_trigger_of_the_same_dimension(app: Application, a: Any) -> None:
    r = app.s3("r", "s3://lake/r/{region:int}")
    assert links(node(app, [a, r[1].ref])) == ["a.region == 1"]


@pytest.mark.parametrize(
    "write",
    [
        lambda a, r: [],
        lambda a, r: [r.code == a.region.cast(STRING)],
        lambda a, r: [r.code.map({"x": 1, "y": 1}) == a.region, r.at == a.day],
        lambda a, r: [r.code.upper() == a.region.cast(STRING), r.at == a.day],
        lambda a, r: [r.code.zfill(3) == a.region.cast(STRING), r.at == a.day],
        lambda a, r: [r.code == a.day, r.at.trunc("month") == a.day.trunc("month")],
        lambda a, r: [r.code == a.day, r.at.month == a.day.month],
        lambda a, r: [r.code == a.day, r.at.fmt("%d") == a.day.fmt("%d")],
        lambda a, r: [r.code == a.day, r.at.fmt("%Y-%m") == a.day.fmt("%Y-%m")],
        lambda a, r: [r.code == r.at.fmt("%d"), r.at.fmt("%Y-%m") == a.day.fmt("%Y-%m")],
    ],
)
def test_a_reference_that_nothing_determines(app: Application, a: Any, write: Any) -> None:
    r = app.s3("r", "s3://lake/r/{code}/{at:%Y%m%d}")
    found = faults(app, [a, r.ref], write(a, r))
    assert {type(fault) for fault in found} == {LinkMissingError}
    assert all("r." in (fault.hint or "") for fault in found)


def test_text_without_case_turns_around(app: Application) -> None:
    spec = {"code": {"type": STRING, "insensitive": True}}
    r = app.marshal_external_data(S3Dataset(None, "lake", "r"), "r", spec)
    t = app.s3("t", "s3://lake/t/{code}")
    assert tips(node(app, [t, r.ref], [r.code.upper() == t.code])) == {"r": ["t.code.lower()"]}


def test_every_input_a_reference(app: Application, a: Any) -> None:
    found = faults(app, [a[1]["2020-03-18"].ref])
    assert [type(fault) for fault in found] == [LinkMissingError]


def test_nearest_needs_a_window(app: Application, a: Any, b: Any) -> None:
    (fault,) = faults(app, [a, b.nearest()])
    assert isinstance(fault, SpecError)
    app.update_data("n", [a, b["*"][:-7].nearest()])
    assert app.graph().node("n").inputs[1].mode == "nearest"


# ── links that can never hold ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "write",
    [
        lambda a, b, c: ([a[1], b[2]], []),
        lambda a, b, c: ([a[1]], [a.region == 2]),
        lambda a, b, c: ([a["*"]["2020-03-18"], b["*"]["2020-03-18"]], [a.day == b.day - 1]),
        lambda a, b, c: ([a, c["FE"]], [a.region.map({1: "NA", 2: "EU"}) == c.code]),
        lambda a, b, c: ([a, c], [a.region.map({1: "NA"}) == c.code.map({"EU": "EU"})]),
        lambda a, b, c: ([a[3], c], [a.region.map({1: "NA"}) == c.code]),
        lambda a, b, c: ([a, c], [a.day.fmt("%Y-%m") == c.month.fmt("%Y%m")]),
        lambda a, b, c: ([a, c["NA"]], [a.day.fmt("%Y-%m") == c.code]),
        lambda a, b, c: ([a, c], [a.day.fmt("%d") == "xx"]),
        lambda a, b, c: ([a], [a.region.map({1: "NA"}) == "EU"]),
    ],
)
def test_a_link_that_can_never_hold_is_a_fault(app: Application, a: Any, b: Any, c: Any, write: Any) -> None:
    inputs, written = write(a, b, c)
    assert any("can never hold" in fault.what for fault in faults(app, inputs, written))


@pytest.mark.parametrize(
    "write",
    [
        lambda a, b, c: ([a[1], b[1]], []),
        lambda a, b, c: ([a["*"]["2020-03-18"], b["*"]["2020-03-19"]], [a.day == b.day - 1]),
        lambda a, b, c: ([a, c["EU"]], [a.region.map({1: "NA", 2: "EU"}) == c.code]),
        lambda a, b, c: ([a, c["2020-03"]], [a.day.fmt("%Y-%m") == c.code]),
        lambda a, b, c: ([a, c["March"]], [a.day.fmt("%B") == c.code]),
        lambda a, b, c: ([a, c], [a.day.fmt("%Y%m") == c.month.fmt("%Y%m")]),
        lambda a, b, c: ([a, c], [a.day.fmt("%d") == c.month.fmt("%m")]),
        lambda a, b, c: ([a, c], [a.day.trunc("month") == c.month]),
    ],
)
def test_a_link_that_may_hold_is_none(app: Application, a: Any, b: Any, c: Any, write: Any) -> None:
    inputs, written = write(a, b, c)
    app.create_data("n", inputs, written)
    app.graph()


def test_a_default_link_that_can_never_hold_stands_at_the_node(app: Application, a: Any, b: Any) -> None:
    (fault,) = faults(app, [a[1], b[2]])
    assert fault.where == app["n"].signal.where


def test_a_link_of_something_that_is_no_input(app: Application, a: Any, b: Any, c: Any) -> None:
    (fault,) = faults(app, [a, b], [a.day == c.month.at("day")])
    assert isinstance(fault, LinkError)
    assert fault.hint == "its inputs: a, b"


# ── outputs ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_output_is_that_of_the_first_trigger(app: Application, a: Any, c: Any) -> None:
    made = node(app, [c["NA"]["202003"].ref, a])
    assert values(made) == {"region": "a.region", "day": "a.day"}
    assert [rule.kind for _, rule in made.output] == [a.region.kind, a.day.kind]


def test_output_dimensions_without_links_follow_the_first_input_of_that_name(
    app: Application, a: Any, b: Any
) -> None:
    spec = {"day": {"type": DATETIME, "format": "%d.%m.%Y", "region": {"type": LONG}}}
    made = node(app, [b, a], None, spec)
    assert values(made) == {"day": "b.day", "region": "b.region"}
    assert made.output[0][1].kind == datetime_kind("%d.%m.%Y")


@pytest.mark.parametrize(
    ("write", "value"),
    [
        (lambda a: [output.x == a.day], "a.day"),
        (lambda a: [a.day == output.x], "a.day"),
        (lambda a: output.x == a.day - 1, "(a.day - 1)"),
        (lambda a: [("x", lambda d: d, a("day"))], "a.day"),
        (lambda a: [("x", lambda d: d - 1, a("day"))], "(a.day - 1)"),
        (lambda a: [("x", lambda r, d: d, *a("region", "day"))], "a.day"),
        (lambda a: [("x", lambda r, d: d, a("region", "day"))], "a.day"),
        (lambda a: [(output.x, lambda d: d, a("day"))], "a.day"),
        (lambda a: [("x", lambda d: d, "2020-03-18")], "'2020-03-18'"),
        (lambda a: [("x", lambda d: d, date(2020, 3, 18))], "'2020-03-18'"),
        (lambda a: [("x", lambda d: "2020-03-18", a("day"))], "'2020-03-18'"),
        (lambda a: [output.x == "2020-03-18"], "'2020-03-18'"),
        (lambda a: [output.x == a.day.fmt("%Y-%m-%d")], "a.day.fmt('%Y-%m-%d').parse('%Y-%m-%d')"),
        (lambda a: [output.x == a.day.trunc("month").at("day")], "a.day.trunc('month').at('day')"),
    ],
)
def test_output_links(app: Application, a: Any, write: Any, value: str) -> None:
    made = node(app, [a], None, {"x": {"type": DATETIME}}, write(a))
    assert values(made) == {"x": value}


def test_output_links_may_stand_among_the_links(app: Application, a: Any) -> None:
    made = node(app, [a], [output.region == a.region + 1, output.day == a.day])
    assert values(made) == {"region": "(a.region + 1)", "day": "a.day"}
    assert made.written == ()


@pytest.mark.parametrize(
    ("type", "write", "value"),
    [
        (LONG, lambda a: output.x == 1, "1"),
        (LONG, lambda a: output.x == "1", "1"),
        (LONG, lambda a: output.x == a.day.year, "a.day.year"),
        (STRING, lambda a: output.x == "NA", "'NA'"),
        (STRING, lambda a: output.x == a.region.map({1: "NA"}), "a.region.map({1: 'NA'})"),
        (STRING, lambda a: output.x == a.day, "a.day.fmt('%Y-%m-%d')"),
    ],
)
def test_an_output_has_the_type_that_it_declares(
    app: Application, a: Any, type: Any, write: Any, value: str
) -> None:
    assert values(node(app, [a], None, {"x": {"type": type}}, write(a))) == {"x": value}


def test_an_output_of_a_reference_follows_its_tip(app: Application, a: Any) -> None:
    r = app.s3("r", "s3://lake/r/{month:%Y-%m}")
    spec = {"month": {"type": DATETIME, "format": "%Y-%m"}}
    made = node(app, [a, r.ref], [r.month == a.day.trunc("month")], spec)
    assert values(made) == {"month": "a.day.trunc('month')"}


def test_an_output_follows_the_trigger_among_several_inputs_of_a_signal(app: Application, a: Any) -> None:
    before = a.alias("before").ref
    made = node(
        app, [before, a], [before.day == a.day - 1, before.region == a.region], None, [output.day == a.day]
    )
    assert values(made)["day"] == "a.day"


@pytest.mark.parametrize(
    ("spec", "write"),
    [
        ({"x": {"type": LONG}}, lambda a: []),
        ({"x": {"type": LONG}}, lambda a: [output.x == a.day]),
        ({"x": {"type": LONG}}, lambda a: [output.x == "NA"]),
        ({"x": {"type": STRING}}, lambda a: [output.x == a.region]),
        ({"x": {"type": STRING}}, lambda a: [output.x == 1]),
        ({"x": {"type": DATETIME}}, lambda a: [output.x == a.day.trunc("month")]),
        ({"x": {"type": DATETIME}}, lambda a: [output.x == "18-03-2020"]),
        ({"x": {"type": DATETIME}}, lambda a: [output.x == a.day.fmt("%d")]),
        ({"x": {"type": LONG}}, lambda a: [output.x == a.region, output.x == 1]),
        ({"x": {"type": LONG}}, lambda a: [output.x == a.region, output.y == 1]),
        ({"x": {"type": LONG}}, lambda a: [output.x == a.region, a.region == 1]),
        ({"x": {"type": LONG}}, lambda a: [output.x == a.region, output.x + 1 == a.region]),
        ({"x": {"type": LONG}}, lambda a: [output.x == output.y]),
        (None, lambda a: [output.x == a.region]),
    ],
)
def test_what_an_output_cannot_be(app: Application, a: Any, spec: Any, write: Any) -> None:
    found = faults(app, [a], None, spec, write(a))
    assert {type(fault) for fault in found} <= {LinkError, LinkMissingError}


def test_a_node_without_inputs_is_named_by_whoever_runs_it(app: Application) -> None:
    assert values(node(app, None, None, {"x": {"type": LONG}})) == {"x": "output.x"}
    app.update_data("n")
    assert app.graph().node("n").output == ()


# ── all faults at once ────────────────────────────────────────────────────────────────────────────────


def test_a_report_holds_every_fault(app: Application, a: Any, b: Any, c: Any) -> None:
    app.create_data("one", [a[1], b[2]])
    app.create_data("two", [a, c.ref])
    app.create_data("three", [a], None, {"x": {"type": LONG}})
    with pytest.raises(GraphError) as caught:
        app.graph()
    assert [fault.code for fault in caught.value.faults] == ["RD104", "RD109", "RD109", "RD109"]
    assert str(caught.value).count("\n  at   ") == 4
