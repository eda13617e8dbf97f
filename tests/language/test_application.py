"""The application: ids, external data, timers, and nodes that change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rheo_runtime.values import datetime_kind, unscheduled
from rheodsl import (
    DATETIME,
    LONG,
    S3,
    SNS,
    AndesDataset,
    AnyDate,
    AnyLong,
    AnyString,
    Application,
    DataFormat,
    GlueTable,
    GraphError,
    S3Dataset,
    SignalIntegrityProtocol,
    SignalNode,
    ir,
)
from rheodsl.errors import (
    CycleError,
    FilterError,
    InvalidNameError,
    RheoError,
    SpecError,
    UnknownNameError,
)


def faults(app: Application) -> list[RheoError]:
    with pytest.raises(GraphError) as caught:
        app.graph()
    return list(caught.value.faults)


# ── ids ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["a", "A-1", "my.app_2", "0", "x" * 40])
def test_names_of_applications(name: str) -> None:
    assert Application(name).name == name
    assert repr(Application(name)) == f"Application('{name}')"


@pytest.mark.parametrize("name", ["", " ", "-a", "_a", ".a", "a b", "ä", "a/b", "x" * 41, None, 5, "a\n"])
def test_what_is_no_name_of_an_application(name: Any) -> None:
    with pytest.raises(InvalidNameError):
        Application(name)


@pytest.mark.parametrize("id", ["", "a b", "a/b", "ä", None, 5, "a\n"])
def test_what_is_no_id(app: Application, id: Any) -> None:
    with pytest.raises(InvalidNameError):
        app.s3(id, "s3://lake/x")
    with pytest.raises(InvalidNameError):
        app.create_data(id)


def test_an_id_twice_is_a_fault_of_the_graph(app: Application) -> None:
    app.s3("a", "s3://lake/a")
    app.s3("a", "s3://lake/b")
    app.create_data("a")
    found = faults(app)
    assert [type(fault) for fault in found] == [InvalidNameError, InvalidNameError]
    assert "taken (by " in found[0].what


def test_ids_of_one_file(app: Application, orders: SignalNode) -> None:
    for id in ("daily-sum", "daily_sum", "Daily.Sum", "other"):
        app.create_data(id, orders)
    (fault,) = faults(app)
    assert isinstance(fault, InvalidNameError)


def test_an_id_may_be_longer_than_the_id_of_a_dag(app: Application, orders: SignalNode) -> None:
    app.create_data("n" * 200, orders)
    assert app.graph().node("n" * 200)
    with pytest.raises(InvalidNameError):
        app.create_data("n" * 201, orders)


def test_a_signal_is_found_by_its_id(app: Application, orders: SignalNode) -> None:
    assert app["orders"] == orders
    with pytest.raises(UnknownNameError) as caught:
        app["order"]
    assert caught.value.hint == "did you mean 'orders'?"


# ── external data ─────────────────────────────────────────────────────────────────────────────────────

DAY = {"day": {"type": DATETIME}}


@pytest.mark.parametrize(
    ("external", "source"),
    [
        (S3Dataset("1", "lake", "a/b", "day={}"), ir.S3Source("lake", "a/b/day={}", "1")),
        (S3Dataset(None, "lake", "/a/", "/{}/"), ir.S3Source("lake", "a/{}")),
        (S3Dataset(None, "lake"), ir.S3Source("lake", "{}")),
        (GlueTable("db", "t"), ir.GlueSource("db", "t")),
        (GlueTable("db", "t", location="s3://lake/t/"), ir.GlueSource("db", "t", location="s3://lake/t/day={}")),
        (GlueTable("db", "t", location="s3://lake/{}/x"), ir.GlueSource("db", "t", location="s3://lake/{}/x")),
        (
            AndesDataset("booker", "t", ["day"], ["id", "part"], "APPEND"),
            ir.GlueSource("booker", "t", ("id", "part"), "APPEND"),
        ),
        (SNS("arn:aws:sns:us-east-1:123456789012:topic"), ir.SnsSource("arn:aws:sns:us-east-1:123456789012:topic")),
    ],
)  # fmt: skip
def test_sources(app: Application, external: Any, source: ir.Source) -> None:
    assert app.marshal_external_data(external, "x", DAY).signal.source == source


@pytest.mark.parametrize(
    ("protocol", "files"),
    [
        (None, ("_SUCCESS",)),
        (SignalIntegrityProtocol(), ("_SUCCESS",)),
        (SignalIntegrityProtocol("FILE_CHECK", {"file": "READY"}), ("READY",)),
        (SignalIntegrityProtocol("FILE_CHECK", {"file": ["A", "B"]}), ("A", "B")),
        (SignalIntegrityProtocol("FILE_CHECK", {"file": []}), ()),
        (SignalIntegrityProtocol("FILE_CHECK", {"file": None}), ()),
    ],
)
def test_completion_objects(
    app: Application, protocol: SignalIntegrityProtocol | None, files: tuple[str, ...]
) -> None:
    signal = app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, protocol=protocol)
    assert isinstance(signal.signal.source, ir.S3Source)
    assert signal.signal.source.completion == files


@pytest.mark.parametrize(
    ("given", "files"),
    [("_SUCCESS", ("_SUCCESS",)), ("DONE", ("DONE",)), (["A", "B"], ("A", "B")), (None, ()), ([], ())],
)
def test_completion_objects_of_the_short_forms(app: Application, given: Any, files: tuple[str, ...]) -> None:
    one = app.s3("one", "s3://lake/{day:%Y}", completion=given)
    two = app.add_external_data("two", S3(None, "lake", "", AnyDate("day")), given)
    for signal in (one, two):
        assert isinstance(signal.signal.source, ir.S3Source)
        assert signal.signal.source.completion == files


def test_how_files_read(app: Application) -> None:
    csv = app.s3("csv", "s3://lake/csv", format="CSV", header=False, delimiter="|", schema="a int")
    assert csv.signal.data == ir.DataFormatSpec("CSV", False, "|", "a int")
    orc = app.marshal_external_data(S3Dataset(None, "lake", dataset_format=DataFormat.ORC), "orc")
    assert orc.signal.data == ir.DataFormatSpec("ORC")
    assert app.glue_table("t", "db", "t", dataset_format="JSON").signal.data.format == "JSON"
    assert app.s3("plain", "s3://lake/plain").signal.data.format == "PARQUET"


def test_metadata_is_kept_sorted(app: Application) -> None:
    signal = app.marshal_external_data(
        S3Dataset(None, "lake", metadata={"team": "x"}),
        "s",
        tags="a,b",
        metadata={"owner": {"b": 1, "a": [2]}},
    )
    assert signal.signal.metadata == (("owner", {"a": [2], "b": 1}), ("tags", "a,b"), ("team", "x"))


@pytest.mark.parametrize(
    "declare",
    [
        lambda app: app.s3("x", "lake/x"),
        lambda app: app.s3("x", "s3://lake"),
        lambda app: app.s3("x", "s3://La_ke/x"),
        lambda app: app.s3("x", "s3://lake/{day"),
        lambda app: app.s3("x", "s3://lake/{day}}"),
        lambda app: app.s3("x", "s3://lake/{}"),
        lambda app: app.s3("x", "s3://lake/{a b}"),
        lambda app: app.s3("x", "s3://lake/{n:float}"),
        lambda app: app.s3("x", "s3://lake/{n:%d}"),
        lambda app: app.s3("x", "s3://lake/{a}{b}"),
        lambda app: app.s3("x", "s3://lake/{a}/{a}"),
        lambda app: app.s3("x", "s3://lake/{day:%m/%d}"),
        lambda app: app.s3("x", "s3://lake/x", format="XML"),
        lambda app: app.s3("x", "s3://lake/x", completion="a/b"),
        lambda app: app.s3("x", "s3://lake/x", metadata={"owner": object()}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake", "x", "{}", "{}"), "x", DAY),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", [DAY]),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": "DATETIME"}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {"type": "DATE"}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {"type": ["LONG"]}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {**DAY, "b": {"type": LONG}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"n": {"type": LONG, "format": "%Y"}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"n": {"type": LONG, "digits": "2"}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"n": {"type": LONG, "digits": 0}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"n": {"type": LONG, "digits": True}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"n": {"type": LONG, "min": "x"}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"s": {"type": "STRING", "insensitive": "no"}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {"type": DATETIME, "format": 5}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {"type": DATETIME, "timezone": 5}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", {"day": {"type": DATETIME, "granularity": 5}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, {"*": {"*": {}}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, [1]),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, {"*": "x"}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, {"*": {"type": LONG}}),
        lambda app: app.marshal_external_data(S3Dataset(None, "lake"), "x", DAY, protocol=SignalIntegrityProtocol("X")),
        lambda app: app.add_external_data("x", S3Dataset(None, "lake")),
        lambda app: app.add_external_data("x", S3(None, "lake", "", AnyDate("a"), AnyLong("a"))),
        lambda app: app.glue_table("x", "db", "t", DAY, partition_keys=["a", "b"]),
        lambda app: app.glue_table("x", "db", "t", DAY, table_type="UPSERT"),
        lambda app: app.marshal_external_data(SNS("topic"), "x", DAY),
    ],
)  # fmt: skip
def test_what_cannot_be_declared(app: Application, declare: Any) -> None:
    with pytest.raises(SpecError) as caught:
        declare(app)
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_application.py")
    with pytest.raises(UnknownNameError):
        app["x"]


# ── timers ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("schedule", "granularity"),
    [
        ("rate(1 day)", "DAY"),
        ("rate(1 hour)", "HOUR"),
        ("rate(5 minutes)", "MINUTE"),
        ("cron(0 0 * * ? *)", "DAY"),
    ],
)
def test_a_timer_is_a_signal_of_one_date(app: Application, schedule: str, granularity: str) -> None:
    timer = app.add_timer("t", schedule, "at", -6)
    assert timer.signal.dims == ("at",)
    assert timer.signal.source == ir.TimerSource(schedule, -6)
    assert unscheduled(timer.at.kind) == datetime_kind(granularity=granularity)
    assert timer.at.kind.schedule == ("-6 rate(5)" if granularity == "MINUTE" else None)


def test_the_guides_timer(app: Application) -> None:
    timer = app.create_timer("t", "rate(1 day)", AnyDate("day", {"format": "%d-%m-%Y", "timezone": "PST"}))
    assert timer.day.kind == datetime_kind("%d-%m-%Y", timezone="America/Los_Angeles")
    assert app.create_timer("u", "rate(1 day)").signal.dims == ("time",)
    assert app.create_timer("v", "rate(1 day)", "day", metadata={"owner": "x"}).access_spec()["owner"] == "x"


@pytest.mark.parametrize(
    "declare",
    [
        lambda app: app.add_timer("t", "every day"),
        lambda app: app.add_timer("t", "rate(1 day)", "a b"),
        lambda app: app.add_timer("t", "rate(1 day)", "day", 1.5),
        lambda app: app.add_timer("t", "rate(1 day)", "day", True),
        lambda app: app.create_timer("t", "rate(1 hour)", AnyDate("day", {"format": "%Y-%m-%d"})),
        lambda app: app.create_timer("t", "rate(1 day)", AnyString("day")),
    ],
)
def test_what_is_no_timer(app: Application, declare: Any) -> None:
    with pytest.raises(RheoError):
        declare(app)


# ── nodes ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_forms_of_inputs(app: Application, orders: SignalNode, ships: SignalNode) -> None:
    app.create_data("one", orders)
    app.create_data("two", [orders, ships])
    app.create_data("three", (orders, ships))
    app.create_data("four", {"o": orders, "s": ships})
    found = {node.id: [i.alias for i in node.inputs] for node in app.graph().nodes}
    assert found == {
        "one": ["orders"],
        "two": ["orders", "ships"],
        "three": ["orders", "ships"],
        "four": ["o", "s"],
    }


def test_the_forms_of_links(app: Application, orders: SignalNode, ships: SignalNode) -> None:
    link = orders.day == ships.ship_day
    guide = (orders("day"), lambda d: d, ships("ship_day"))
    forms: list[Any] = [link, [link], (link,), [guide], guide, [link & link]]
    for number, form in enumerate(forms):
        app.create_data(f"n{number}", [orders, ships], form)
    assert {node.links[:1] for node in app.graph().nodes} == {link}


def test_options(app: Application, orders: SignalNode) -> None:
    app.create_data(
        "n", orders, retrigger="any", pending_ttl=timedelta(hours=1), arrival_ttl=60,
        max_active_runs=2, pool="p", owner="o", tags=["b", "a"],
    )  # fmt: skip
    assert app.graph().node("n").options == ir.Options(
        "any", pending_ttl=3600, arrival_ttl=60, max_active_runs=2, pool="p", owner="o", tags=("a", "b")
    )
    app.patch_data("n", tags="one")
    assert app.graph().node("n").options.tags == ("one",)
    assert ir.Options().arrival_ttl == 90 * 86400


@pytest.mark.parametrize(
    "given",
    [
        {"retrigger": "some"},
        {"pending_ttl": 0},
        {"pending_ttl": -1},
        {"pending_ttl": True},
        {"pending_ttl": "1h"},
        {"pending_ttl": timedelta(0)},
        {"arrival_ttl": 0},
        {"arrival_ttl": 1.5},
        {"max_active_runs": 0},
        {"max_active_runs": True},
        {"max_active_runs": "2"},
        {"dataset_format": "XML"},
        {"inputs": 5},
        {"inputs": "orders"},
        {"inputs": [5]},
        {"inputs": {"a b": None}},
        {"inputs": {5: None}},
        {"compute_targets": 5},
        {"compute_targets": [None]},
        {"compute_targets": ""},
        {"compute_targets": lambda inputs, output: None},
        {"output_dimension_spec": {"x": {}}},
        {"when": object()},
    ],
)
def test_what_no_node_is(app: Application, orders: SignalNode, given: dict[str, Any]) -> None:
    if isinstance(given.get("inputs"), dict):
        given = {"inputs": dict.fromkeys(given["inputs"], orders)}
    with pytest.raises(RheoError) as caught:
        app.create_data("n", **{"inputs": orders, **given})
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_application.py")
    with pytest.raises(UnknownNameError):
        app["n"]


@pytest.mark.parametrize(
    "links",
    [
        lambda a, b: [True],
        lambda a, b: True,
        lambda a, b: [a == b],
        lambda a, b: [(a.day, b.ship_day)],
        lambda a, b: [("day", lambda d: d, b.ship_day)],
        lambda a, b: [(a, lambda d: d, b.ship_day)],
        lambda a, b: [(a.day, lambda d, n: d, b.ship_day, 5)],
        lambda a, b: [(a.day, lambda n: 1 / n, 0)],
        lambda a, b: [(a.day, lambda d: d.strip(), b.ship_day)],
    ],
)
def test_what_is_no_link(app: Application, orders: SignalNode, ships: SignalNode, links: Any) -> None:
    with pytest.raises(RheoError) as caught:
        app.create_data("n", [orders, ships], links(orders, ships))
    assert caught.value.code in ("RD104", "RD106")


def test_a_signal_of_another_application(app: Application) -> None:
    other = Application("other").s3("x", "s3://lake/x")
    with pytest.raises(UnknownNameError):
        app.create_data("n", other)


def test_words_that_are_not_understood_are_told_together(app: Application, orders: SignalNode) -> None:
    with pytest.raises(SpecError) as fault:
        app.create_data("n", orders, retriger="any", team="x", compute_target="y")
    assert fault.value.what == "n: create_data has no option 'retriger', 'team', 'compute_target'"
    assert fault.value.hint == (
        "retriger: did you mean 'retrigger'?; "
        'team: data of your own goes into metadata={"team": "Sales"}; '
        "compute_target: did you mean 'compute_targets'?"
    )
    with pytest.raises(UnknownNameError):
        app["n"]


# ── nodes that change ─────────────────────────────────────────────────────────────────────────────────


def test_an_update_declares_anew(app: Application, orders: SignalNode, ships: SignalNode) -> None:
    app.create_data("n", orders, retrigger="any", owner="me", compute_targets="output = orders")
    app.update_data("n", ships, compute_targets="output = ships")
    node = app.graph().node("n")
    assert [i.alias for i in node.inputs] == ["ships"]
    assert node.options == ir.Options()


def test_a_patch_keeps_the_rest(app: Application, orders: SignalNode, ships: SignalNode) -> None:
    app.create_data("n", orders, retrigger="any", owner="me", metadata={"team": "x"}, dataset_format="CSV")
    app.patch_data("n", inputs=ships, owner="you", dataset_format="JSON", metadata={"team": "y", "more": 1})
    node = app.graph().node("n")
    assert [i.alias for i in node.inputs] == ["ships"]
    assert node.options == ir.Options("any", owner="you")
    assert node.data.format == "JSON"
    assert node.metadata == (("more", 1), ("team", "y"))


def test_a_patch_leaves_what_was_written_before_alone(app: Application, orders: SignalNode) -> None:
    app.create_data("n", orders, metadata={"team": "x"})
    app.patch_data("n", retrigger="any", metadata={"team": "y"})
    app.patch_data("n", owner="you")
    node = app.graph().node("n")
    assert (node.options.retrigger, node.options.owner) == ("any", "you")
    assert node.metadata == (("team", "y"),)


@pytest.mark.parametrize("change", ["update_data", "patch_data"])
def test_only_nodes_change(app: Application, orders: SignalNode, change: str) -> None:
    app.create_data("daily", orders)
    with pytest.raises(UnknownNameError) as caught:
        getattr(app, change)("daly")
    assert caught.value.hint == "did you mean 'daily'?"
    with pytest.raises(UnknownNameError):
        getattr(app, change)("orders")


@pytest.mark.parametrize("change", ["update_data", "patch_data"])
def test_a_change_that_fails_changes_nothing(app: Application, orders: SignalNode, change: str) -> None:
    app.create_data("n", orders[1], retrigger="any")
    before = app.graph()
    with pytest.raises(SpecError):
        getattr(app, change)("n", inputs=5)
    with pytest.raises(SpecError):
        getattr(app, change)("n", inputs=orders, retrigger="ever")
    assert app.graph() == before
    # An id is free for changes of that node alone.
    app.s3("n", "s3://lake/n")
    assert len(faults(app)) == 1


def test_a_change_is_felt_below(app: Application, orders: SignalNode) -> None:
    a = app.create_data("a", orders)
    app.create_data("b", a)
    c = app.create_data("c", app["b"])
    app.update_data("a", orders, output_dimension_spec={"day": {"type": DATETIME, "format": "%d.%m.%Y"}})
    graph = app.graph()
    assert [name for name, _ in graph.node("c").output] == ["day"]
    assert graph.signal("c").branches[0][0].kind == datetime_kind("%d.%m.%Y")
    assert c.signal.dims == ("region_id", "day")
    assert app["c"].signal.dims == ("day",)


def test_a_filter_on_what_has_changed_is_a_fault(app: Application, orders: SignalNode) -> None:
    a = app.create_data("a", orders)
    app.create_data("b", a[1])
    app.update_data("a", orders, output_dimension_spec={"day": {"type": DATETIME}})
    (fault,) = faults(app)
    assert isinstance(fault, SpecError)
    assert fault.what == "b: a[1] is a view of a as it was; its dimensions have changed since"
    app.update_data("b", app["a"])
    app.graph()


def test_nodes_that_wait_for_one_another(app: Application, orders: SignalNode) -> None:
    a = app.create_data("a", orders)
    b = app.create_data("b", a)
    app.create_data("c", b)
    app.update_data("a", [orders, b])
    (fault,) = faults(app)
    assert isinstance(fault, CycleError)
    app.update_data("a", orders)
    app.graph()


def test_a_node_that_waits_for_itself(app: Application, orders: SignalNode) -> None:
    a = app.create_data("a", orders)
    app.update_data("a", [orders, a])
    (fault,) = faults(app)
    assert isinstance(fault, CycleError)


def test_a_thousand_nodes_in_a_row(app: Application) -> None:
    """Order and cycles are found without recursion."""
    last = app.s3("s", "s3://lake/s/{n:int}")
    for number in range(1500):
        last = app.create_data(f"n{number}", last)
    assert len(app.graph().nodes) == 1500


# ── proxies ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def table(app: Application) -> SignalNode:
    return app.glue_table("table", "db", "t", {"region_id": {"type": LONG, "day": {"type": DATETIME}}})


def test_a_proxy_is_taken_over_by_the_node_that_uses_it(
    app: Application, orders: SignalNode, table: SignalNode
) -> None:
    app.create_data("n", orders.link(table)[1])
    assert app.graph().signal("orders").proxy == table.signal.source


def test_a_proxy_of_an_output_outlives_a_change(
    app: Application, orders: SignalNode, table: SignalNode
) -> None:
    made = app.create_data("made", orders)
    app.create_data("n", made.link(table))
    app.patch_data("made", owner="me")
    assert app.graph().signal("made").proxy == table.signal.source


# ── the graph ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_graph_is_built_once_until_something_changes(app: Application, orders: SignalNode) -> None:
    app.create_data("n", orders)
    graph = app.graph()
    assert app.graph() is graph
    app.create_data("m", orders)
    assert [node.id for node in app.graph().nodes] == ["m", "n"]


def test_the_order_of_declarations_does_not_matter() -> None:
    def declare(ids: list[str]) -> ir.Graph:
        app = Application("shop")
        for id in ids:
            app.s3(id, f"s3://lake/{id}/{{n:int}}")
        for id in ids:
            app.create_data(f"of_{id}", app[id])
        return app.graph()

    assert declare(["a", "b", "c"]) == declare(["c", "a", "b"])


def test_warnings_are_faults_of_a_strict_application(orders: SignalNode) -> None:
    app = Application("shop", strict=True)
    a, b = app.s3("a", "s3://lake/a/{x:int}"), app.s3("b", "s3://lake/b/{y:int}")
    app.create_data("n", [a, b])
    assert [fault.code for fault in faults(app)] == ["RD201"]
    assert len(app.graph(strict=False).warnings) == 1


def test_an_index_beyond_the_filter_is_an_error_where_it_is_written(app: Application) -> None:
    spec = {"region": {"type": LONG}}
    signal = app.marshal_external_data(S3Dataset(None, "lake"), "s", spec, {1: {}, 2: {}})
    with pytest.raises(FilterError):
        signal[3]
