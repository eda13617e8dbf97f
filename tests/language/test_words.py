"""Every callable of the language refuses a keyword that it does not know, with the nearest one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest

import rheodsl as dsl
from rheodsl import Application, RheoError
from rheodsl.expressions import DimensionExpr
from rheodsl.testing import Simulator

CLASSES = (
    *(vars(dsl)[n] for n in dsl.__all__ if inspect.isclass(vars(dsl).get(n))),
    DimensionExpr,
    Simulator,
)
# What passes others on to somebody: fields of a request by their own names, arguments of a script.
PASSES_ON = {
    "BatchCompute",
    "SparkSQL",
    "EMR",
    "AWSBatchJob",
    "SageMakerTrainingJob",
    "SageMakerTransformJob",
}
# It is written into jobs too, and is plain Python there.
IN_JOBS = {"compact_table"}
# The application calls the methods of descriptions of data, not the user.
OPEN = {*PASSES_ON, *IN_JOBS, "IInlinedCompute", "View.rollup", "View", "GlueBatchCompute", "Glue", "Spark"}


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dsl.__all__:
        each = getattr(dsl, name)
        if inspect.isfunction(each):
            yield name, each
    for cls in CLASSES:
        if issubclass(cls, Enum | Exception):
            continue
        if "__init__" in vars(cls):
            yield cls.__name__, cls
        for base in cls.__mro__:
            if base.__module__.startswith("rheodsl"):
                for name, method in vars(base).items():
                    if inspect.isfunction(method) and not name.startswith("_"):
                        yield f"{base.__name__}.{name}", method


NAMED = {
    name: each
    for name, each in callables()
    if name not in OPEN
    and not name.startswith(("External.", "S3Dataset.", "S3.", "GlueTable.", "SNS."))
    and len(inspect.signature(each).parameters) > (not inspect.isclass(each) and "." in name)
}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_keyword_that_nobody_knows_is_an_error_everywhere(name: str) -> None:
    with pytest.raises(RheoError, match="has no option 'such_a_word'") as told:
        NAMED[name](such_a_word=1)
    assert told.value.hint


@pytest.mark.parametrize(
    ("say", "word"),
    [
        (lambda app, view: view.late(afer=1), "after"),
        (lambda app, view: view[:-2].range_check(at_leats=2), "at_least"),
        (lambda app, view: dsl.Calendar("MON-FRI", holyday=[]), "holidays"),
        (lambda app, view: dsl.Batch(wiat=1), "wait"),
        (lambda app, view: dsl.CsvFormat(delimter=";"), "delimiter"),
        (lambda app, view: dsl.RouteRetention(output_days=3), "output_in_days"),
        (lambda app, view: dsl.RoutePendingNodeHook(on_expire=None), "on_expiration"),
        (lambda app, view: Application("x", strct=True), "strict"),
        (lambda app, view: dsl.Athena("SELECT 1", workgrop="a"), "workgroup"),
        (lambda app, view: dsl.StepFunctions("a:stateMachine:b", inputt=1), "input"),
        (lambda app, view: dsl.row_count(mn=1), "min"),
        (lambda app, view: dsl.Slack("x", conection="a"), "connection"),
        (lambda app, view: app.execute(view, dryrun=True), "dry_run"),
        (lambda app, view: app.backfill(view, "a", "b", dryrun=True), "dry_run"),
        (lambda app, view: Simulator(app, nw=1), "now"),
        (lambda app, view: Simulator(app).send(view, eventid="a"), "event_id"),
        (lambda app, view: view.day.shift(month=1), "months"),
        (lambda app, view: dsl.date_of(view.day.year, mont=1), "month"),
    ],
)
def test_the_nearest_word_is_told(app: Any, say: Callable[[Any, Any], Any], word: str) -> None:
    view = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    with pytest.raises(RheoError) as told:
        say(app, view)
    assert told.value.hint == f"did you mean {word!r}?"
    assert told.value.where is not None
    assert told.value.where.file == __file__


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"day": {"type": "DATETIME", "fromat": "%Y"}}, "format"),
        ({"region": {"type": "STRING", "insensitve": True, "day": {"type": "DATETIME"}}}, "insensitive"),
        ({"day": {"typ": "DATETIME"}}, "type"),
        ({"day": {"type": "DATETIME", "granularty": "DAY"}}, "granularity"),
    ],
)
def test_an_attribute_of_a_dimension_that_is_misspelt(app: Any, spec: Any, word: str) -> None:
    with pytest.raises(RheoError, match="has no attribute") as told:
        app.marshal_external_data(dsl.S3Dataset(None, "lake", "orders"), "orders", spec)
    assert told.value.hint == f"did you mean {word!r}?"
    with pytest.raises(RheoError) as told:
        dsl.DimensionSpec().add_dimension(dsl.Dimension("day", dsl.DATETIME, {"fromat": "%Y"}))
    assert told.value.hint == "did you mean 'format'?"


def test_an_attribute_in_a_filter_that_is_misspelt(app: Any) -> None:
    spec = {"region": {"type": "STRING", "hour": {"type": "DATETIME", "format": "%Y-%m-%d-%H"}}}
    filter = {"NA": {"*": {"timezon": "America/New_York"}}}
    with pytest.raises(RheoError, match="dimension 'hour' has no attribute 'timezon'") as told:
        app.marshal_external_data(dsl.S3Dataset(None, "lake", "orders"), "orders", spec, filter)
    assert told.value.hint == "did you mean 'timezone'?"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"retry_cout": 2}, "retry_count"),
        ({"retries": 3}, "retry_count"),
        ({"worker_type": "G.1X"}, "WorkerType"),
        ({"numberofworkers": 3}, "NumberOfWorkers"),
        ({"timeout": 3}, "Timeout"),
        ({"extra_permision": []}, "extra_permissions"),
    ],
)
def test_an_option_of_a_job_that_is_almost_one(options: dict[str, Any], word: str) -> None:
    with pytest.raises(RheoError) as told:
        dsl.Glue("output = o", **options)
    assert f"did you mean {word}?" in (told.value.hint or "")


def test_an_option_of_emr_that_is_almost_one() -> None:
    with pytest.raises(RheoError, match="EMR Serverless has no option 'release_label'"):
        dsl.EMR("output = o", release_label="x")
    assert dsl.EMR("output = o", region="EU", release="x").args == (("region", "EU"), ("release", "x"))


def test_a_language_that_is_none() -> None:
    with pytest.raises(RheoError, match="lang is 'Pyhton'") as told:
        dsl.Glue("output = o", lang="Pyhton")  # type: ignore[arg-type]
    assert told.value.hint


def test_a_weekday_that_is_none(app: Any) -> None:
    with pytest.raises(RheoError, match="week_start is 'SUNDAYS'"):
        app.s3("o", "s3://lake/o/{week:%G-W%V}", dimensions={"week": {"week_start": "SUNDAYS"}})
