"""What a plan tells those that read outputs of another application, before it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.cloud import Cloud

from codegen.contract import ContractChange, changes, column_changes, told, upstream_changes
from rheodsl import (
    Application,
    AWSBatchJob,
    BatchCompute,
    PrestoSQL,
    Sns,
    SparkSQL,
    ir,
    not_null,
    scala_script,
)

PARTNER = ir.Partner("repo", "111122223333", "us-east-1")


def repo(
    path: str = "s3://lake/{region}/{day:%Y-%m-%d}", node: str = "foo", **options: object
) -> Application:
    app = Application("repo")
    raw = app.s3("raw", path)
    app.create_data(node, [raw], compute_targets="output = raw", **options)  # type: ignore[arg-type]
    app.authorize_downstream("jane", "111122223333", "us-east-1")
    return app


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (repo(), []),
        (repo("s3://lake/{day:%Y-%m-%d}"), ["! foo: its dimensions were region, day, and are day"]),
        (
            repo("s3://lake/{region}/{day:%d-%m-%Y}"),
            ["! foo: its dimension day had format '%Y-%m-%d', now '%d-%m-%Y'"],
        ),
        (
            repo("s3://lake/{region:int}/{day:%Y-%m-%d}"),
            ["! foo: its dimension region had type 'STRING', now 'LONG'"],
        ),
        (repo(node="bar"), ["! foo: it is gone"]),
        (
            repo(dataset_format="CSV", delimiter="|"),
            ["~ foo: its files were PARQUET, and are CSV (with header, '|')"],
        ),
    ],
    ids=["nothing", "dimension", "format", "type", "gone", "files"],
)
def test_what_readers_are_told(new: Application, said: list[str]) -> None:
    assert [str(change) for change in changes(repo().graph(), new.graph())] == said


def shop(orders: str | None, daily: str | None = None, **more: Any) -> ir.Graph:
    """Two data sets and what reads them, in each language."""
    app = Application("shop")
    raw = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV", schema=orders)
    rates = app.s3(
        "rates", "s3://lake/rates/{day:%Y-%m-%d}", format="CSV", schema="currency string, rate double"
    )
    open_ = app.s3("open", "s3://lake/open/{day:%Y-%m-%d}", format="CSV")
    made = app.create_data(
        "daily", [raw], compute_targets=SparkSQL("SELECT id FROM orders"), schema=daily, **more
    )
    for name, inputs, compute in (
        ("athena", [raw], PrestoSQL('SELECT sum("Price") AS s FROM orders')),
        ("star", [raw], SparkSQL("SELECT o.* FROM orders o")),
        ("counted", [raw], SparkSQL("SELECT count(*) AS n, 2 * 3 AS six FROM orders")),
        (
            "joined",
            [raw, rates],
            SparkSQL("SELECT price * rate AS p FROM orders JOIN rates USING (currency)"),
        ),
        ("mixed", [raw, open_], SparkSQL("SELECT price FROM orders JOIN open USING (id)")),
        ("spark", [raw], "output = orders.groupBy('id').agg(expr('sum(price) AS s'))"),
        ("frame", [raw], "output = orders"),
        ("scala", [raw], BatchCompute(scala_script('orders.select("price")'))),
        ("batch", [raw], AWSBatchJob("job:1", "q")),
        ("after", [made], SparkSQL("SELECT total FROM daily")),
    ):
        app.create_data(name, inputs, compute_targets=compute)
    app.create_data("told", [raw], compute_targets=Sns("arn:aws:sns:us-east-1:1:done", "done"))
    return app.graph()


WAS = "id string, price double, currency string"
SURE = ["athena", "joined", "scala", "spark"]
MAYBE = ["batch", "frame", "mixed", "star"]


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ("id string, currency string", "its column price (double) goes"),
        (
            "id string, PRICE decimal(10, 2), currency string",
            "its column price was double, and is decimal(10, 2)",
        ),
    ],
)
def test_who_reads_a_column_that_goes_or_changes_its_type(now: str, what: str) -> None:
    found = column_changes(shop(WAS), shop(now))
    assert {(c.signal, c.what.partition("; ")[0]) for c in found} == {("orders", what)}
    said = {c.what.partition("; ")[2].partition(" ")[0]: c for c in found}
    assert [name for name, c in sorted(said.items()) if c.breaks] == SURE
    assert [name for name, c in sorted(said.items()) if not c.breaks] == MAYBE
    assert str(said["athena"]).endswith("; athena reads it (its query names it)")
    assert str(said["star"]).endswith("; star may read it (its query takes all columns (*))")
    assert str(said["batch"]).endswith("; batch may read it (what it reads is not known)")
    assert str(said["mixed"]).endswith("names a column of that name, of this input or of another)")


@pytest.mark.parametrize(
    "now",
    [WAS, "price double, id varchar(3), currency text, more int", None],
    ids=["the same", "spelled otherwise, and one more", "not declared any more"],
)
def test_what_changes_for_nobody(now: str | None) -> None:
    assert column_changes(shop(WAS), shop(now)) == ()


def test_outputs_of_nodes_and_their_own_checks() -> None:
    checks = [not_null("total"), "SELECT * FROM output WHERE total < 0"]
    old, new = shop(WAS, "id string, total double", checks=checks), shop(WAS, "id string", checks=checks)
    assert [str(change) for change in column_changes(old, new)] == [
        "! daily: its column total (double) goes; after reads it (its query names it)",
        "! daily: its column total (double) goes; its own checks name it",
    ]


def test_a_plan_tells_own_nodes_and_other_applications() -> None:
    old, new = repo(schema="id string, price double").graph(), repo(schema="id string").graph()
    assert [str(change) for change in told(old, new, lambda partner: None)] == [
        "! foo: its column price (double) goes"
    ]
    active, changed = shop(WAS), shop("id string, currency string")
    assert told(active, changed, lambda partner: None) == column_changes(active, changed)
    assert told(None, changed, lambda partner: None) == ()


def test_the_downstream_is_told_which_of_its_nodes_reads_a_column(cloud: Cloud) -> None:
    cloud.activate(repo(schema="id string, price double"))
    app = Application("jane", platform=cloud)  # type: ignore[arg-type]
    remote = app.import_upstream("repo", "111122223333", "us-east-1")
    app.create_data("etl", [remote["foo"]], compute_targets=SparkSQL("SELECT price FROM foo"))
    active = app.graph()
    cloud.activate(repo(schema="id string"))
    assert [str(change) for change in told(active, active, graphs(cloud))] == [
        "! repo.foo: its column price (double) goes",
        "! repo.foo: its column price (double) goes; etl reads it (its query names it)",
    ]


def downstream(cloud: Cloud) -> Application:
    app = Application("jane", platform=cloud)  # type: ignore[arg-type]
    remote = app.import_upstream("repo", "111122223333", "us-east-1")
    app.create_data("etl", [remote["foo"]], compute_targets="output = foo")
    return app


def graphs(cloud: Cloud) -> Callable[[ir.Partner], ir.Graph | None]:
    return lambda partner: cloud.upstream(partner).graph()


def test_the_downstream_is_told_before_it_is_activated_anew(cloud: Cloud) -> None:
    cloud.activate(repo())
    app = downstream(cloud)
    active = app.graph()
    assert told(active, active, graphs(cloud)) == ()
    cloud.activate(repo("s3://lake/{region}/{day:%Y-%m}"))
    [change] = told(active, active, graphs(cloud))
    assert (change.signal, change.breaks) == ("repo.foo", True)
    assert change.what.startswith("its dimension day had format '%Y-%m-%d', now '%Y-%m'")
    # Its program, run again, sees the new dimension: what is active does not.
    fresh = downstream(cloud).graph()
    assert told(None, fresh, graphs(cloud)) == ()
    assert told(active, fresh, graphs(cloud)) == (change,)


def test_an_upstream_that_is_no_longer_active() -> None:
    signal = repo().graph().signal("foo")
    read = ir.Signal("foo", signal.dims, signal.branches, ir.UpstreamSource("repo", "rheo-repo"))
    graph = ir.Graph("jane", (read,), (), upstreams=(PARTNER,))
    assert upstream_changes(graph, None, "repo") == (ContractChange("repo.foo", "repo is not active"),)


def test_an_application_that_nobody_may_read_has_no_contract() -> None:
    alone = ir.Graph("repo", (), ())
    assert told(repo().graph(), alone, lambda partner: None) == ()
    assert [c.signal for c in told(repo().graph(), repo(node="bar").graph(), lambda partner: None)] == ["foo"]
