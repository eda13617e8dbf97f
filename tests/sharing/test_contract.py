"""What a plan tells those that read outputs of another application, before it breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deployed import Cloud

from codegen.contract import ContractChange, changes, told, upstream_changes
from rheodsl import Application, ir

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
