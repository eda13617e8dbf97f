"""The guide's chapter on finding nodes: what is declared, what is active, what is imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from support.cloud import Cloud

from rheodsl import Application, QueryApplicationScope, QueryContext, SignalNode, ir
from rheodsl.errors import UnknownNameError
from rheodsl.retrieval import FindsNodes

pytestmark = pytest.mark.slow

ALL = QueryApplicationScope.ALL
OWN = QueryApplicationScope.CURRENT_APP_ONLY
EXTERNAL = QueryApplicationScope.EXTERNAL_APPS_ONLY
DEV = QueryContext.DEV_CONTEXT


class Catalog(FindsNodes):
    """An application that is imported: it has the nodes of one that is active elsewhere."""

    def __init__(self, source: Application) -> None:
        self.graph = source.graph()

    def _own_signals(self, context: QueryContext) -> Iterable[ir.Signal]:
        return self.graph.signals


class Importing(Application):
    """An application with imports."""

    imported: Sequence[FindsNodes] = ()

    def _upstream(self, context: QueryContext) -> Sequence[FindsNodes]:
        return self.imported


def catalog(name: str, *ids: str) -> Catalog:
    source = Application(name)
    for id in ids:
        source.s3(id, f"s3://{name}-bucket/{id}/{{day:%Y-%m-%d}}")
    return Catalog(source)


def declare(app: Application) -> tuple[SignalNode, SignalNode]:
    team = {"team": "Shipment", "owners": ["ann", "bob"]}
    foo = app.s3("foo", "s3://my-bucket/foo/{region}/{day:%Y-%m-%d}", metadata=team)
    timer = app.add_timer("each_day", "rate(1 day)", "day")
    purpose = {"purpose": "reports"}
    bar = app.create_data("bar", inputs=[foo, timer], compute_targets="output = foo", metadata=purpose)
    return foo, bar


# --- the guide's examples of list_data ---


def test_nothing_is_active_before_the_activation(cloud: Cloud) -> None:
    assert Application("no-platform").list_data() == []
    my_app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    declare(my_app)
    assert my_app.list_data() == []
    assert my_app.get_data("foo") == []
    assert dict(my_app.query("foo")) == {}


def test_what_is_declared_is_found_in_the_dev_context(cloud: Cloud) -> None:
    my_app = Importing("my-app", platform=cloud)  # type: ignore[arg-type]
    upstream_app_1, upstream_app_2 = catalog("up1", "sales", "foo"), catalog("up2", "stock")
    my_app.imported = (upstream_app_1, upstream_app_2)
    foo_ref, bar_ref = declare(my_app)

    my_nodes_so_far = set(my_app.list_data(OWN, DEV))
    assert {foo_ref, bar_ref} == my_nodes_so_far

    visible_upstream_nodes = set(my_app.list_data(EXTERNAL, DEV))
    assert set(upstream_app_1.list_data()) | set(upstream_app_2.list_data()) == visible_upstream_nodes
    assert set(my_app.list_data(ALL, DEV)) == my_nodes_so_far | visible_upstream_nodes


def test_what_is_active_is_found_from_another_place(cloud: Cloud) -> None:
    first = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    foo_ref, bar_ref = declare(first)
    cloud.activate(first)

    my_app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    all_datasets_or_models = my_app.list_data()
    assert all(id in {node.access_spec()["id"] for node in all_datasets_or_models} for id in {"foo", "bar"})
    assert set(all_datasets_or_models) == {foo_ref, bar_ref}
    # nothing is declared in this program so far
    assert not set(my_app.list_data(ALL, DEV))
    declare(my_app)
    assert my_app.list_data(ALL, DEV) == all_datasets_or_models


# --- one by one ---


def test_get_data_finds_exact_ids_everywhere(cloud: Cloud) -> None:
    app = Importing("my-app", platform=cloud)  # type: ignore[arg-type]
    upstream = catalog("up1", "foo")
    app.imported = (upstream,)
    foo, _ = declare(app)
    theirs = upstream.list_data()[0]
    assert app.get_data("foo", context=DEV) == [foo, theirs]
    assert app.get_data("foo", OWN, DEV) == [foo]
    assert app.get_data("foo", EXTERNAL, DEV) == [theirs]
    assert foo != theirs
    assert app.get_data("fo", context=DEV) == []


def test_timers_are_found_by_get_timer_alone(cloud: Cloud) -> None:
    app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    declare(app)
    assert app.get_timer("each_day", context=DEV) == [app["each_day"]]
    assert app.get_timer("foo", context=DEV) == []
    assert app.get_data("each_day", context=DEV) == []
    cloud.activate(app)
    assert app.get_timer("each_day") == [app["each_day"]]
    assert app.get_timer("each_day", EXTERNAL) == []


def test_query_data_finds_parts_of_ids(cloud: Cloud) -> None:
    app = Importing("my-app", platform=cloud)  # type: ignore[arg-type]
    app.imported = (catalog("up1", "shipment_items", "d_unified_cust_shipment_items", "orders", "foo"),)
    found = app.query("shipment")
    assert list(found) == ["d_unified_cust_shipment_items", "shipment_items"]
    assert found == app.query_data("shipment")
    assert repr(found["shipment_items"]["2020-06-21"]) == "shipment_items['2020-06-21']"
    foo, _ = declare(app)
    assert app.query("foo", context=DEV)["foo"] == foo  # the application's own before an imported one
    assert dict(app.query("Shipment")) == {}  # ids are found as they are written


def test_search_data_looks_at_everything_that_is_known(cloud: Cloud) -> None:
    app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    declare(app)

    def found(query: str) -> list[str]:
        return list(app.search_data(query, context=DEV))

    assert found("shipment") == ["foo"]  # metadata
    assert found("BOB") == ["foo"]
    assert found("reports") == ["bar"]
    assert found("purpose") == ["bar"]  # and its names
    assert found("my-bucket") == ["foo"]  # where it lies
    assert found("region") == ["bar", "foo"]  # dimensions
    assert found("region my-bucket shipment") == ["foo"]  # every word
    assert found("region nobody") == []
    assert found("parquet") == ["bar", "foo"]


# --- app[id] ---


def test_app_of_id_falls_back_on_what_is_imported_and_active(cloud: Cloud) -> None:
    first = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    _, bar = declare(first)
    cloud.activate(first)
    app = Importing("my-app", platform=cloud)  # type: ignore[arg-type]
    upstream = catalog("up1", "foo", "theirs")
    app.imported = (upstream,)
    assert app["bar"] == bar
    assert app["each_day"] == first["each_day"]
    assert app["theirs"] == upstream.get_data("theirs")[0]
    changed = app.s3("bar", "s3://my-bucket/bar/{day:%Y-%m-%d}")
    assert app["bar"] == changed  # this program's own declaration comes first
    with pytest.raises(UnknownNameError, match="my-app has no 'baz'"):
        app["baz"]


# --- references as values ---


def test_references_are_values_also_with_metadata_that_has_no_hash() -> None:
    one, two = Application("one"), Application("one")
    (foo, bar), (same, _) = declare(one), declare(two)
    assert foo == same
    assert hash(foo) == hash(same)
    assert len({foo, same, bar, one["foo"]}) == 2
    assert foo != foo["EU"]
    assert foo["EU"] == same["EU"]
    assert foo != Application("x").s3("foo", "s3://my-bucket/foo/{region}/{day:%Y-%m-%d}")  # no metadata


def test_specs_tell_where_data_lies_and_how_it_is_read(cloud: Cloud) -> None:
    app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    declare(app)
    cloud.activate(app)
    [foo] = Application("my-app", platform=cloud).get_data("foo")  # type: ignore[arg-type]
    spec = foo.access_spec()
    assert (spec["id"], spec["bucket"], spec["template"]) == ("foo", "my-bucket", "foo/{}/{}")
    assert (spec["team"], spec["owners"]) == ("Shipment", ["ann", "bob"])
    assert foo.dimension_spec() == {
        "region": {
            "type": "STRING",
            "day": {"type": "DATETIME", "format": "%Y-%m-%d", "granularity": "DAY"},
        }
    }


def test_active_imports_are_those_of_the_activation(cloud: Cloud) -> None:
    upstream = Application("catalog", platform=cloud)  # type: ignore[arg-type]
    raw = upstream.s3("raw", "s3://catalog-bucket/raw/{day:%Y-%m-%d}")
    upstream.create_data("sales", inputs=[raw], compute_targets="output = raw")
    cloud.activate(upstream)

    app = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    remote = app.import_upstream("catalog", "111122223333", "us-east-1")
    sales = remote["sales"]
    app.create_data("bar", inputs=[sales], compute_targets="output = sales")
    assert app.list_data(EXTERNAL) == [sales]  # active there, though the application is not active yet
    assert app.list_data(EXTERNAL, DEV) == [sales]
    assert [node.id for node in app.list_data(context=DEV)] == ["bar", "sales"]

    cloud.activate(app)
    elsewhere = Application("my-app", platform=cloud)  # type: ignore[arg-type]
    assert elsewhere.list_data(EXTERNAL) == [sales]
    assert elsewhere.list_data(EXTERNAL, DEV) == []
    assert elsewhere["sales"] == sales
    assert [node.id for node in elsewhere.list_data(OWN)] == ["bar"]
