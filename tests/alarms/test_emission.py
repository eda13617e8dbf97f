"""Code that sends metrics: what its task gets, and names that are refused when the application is compiled."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from codegen.compiler import compile_graph
from rheodsl import Application, BatchCompute, InlinedCompute, SparkSQL
from rheodsl.errors import ComputeError


def spark(days: Any) -> Any:
    diagnostics["etl"]["Error"].emit(days.count())  # noqa: F821 - the script has it
    return days


def inlined(input_map: Any, output: Any, params: Any) -> None:
    diagnostics["etl"]["Error"].emit(1)  # noqa: F821 - the task has it


def wrong(input_map: Any, output: Any, params: Any) -> None:
    diagnostics["elt"].emit(1)  # noqa: F821


def application(*computes: Any, metric: bool = True) -> Application:
    app = Application("shop")
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    if metric:
        app.create_metric("etl", {"Error": {}})
        app.create_metric("open")
    app.create_data("daily", inputs=[days], compute_targets=list(computes))
    return app


class Client:
    """boto3's client for CloudWatch, as the script uses it."""

    sent: ClassVar[list[dict[str, Any]]] = []

    def put_metric_data(self, **request: Any) -> None:
        self.sent.append(request)


def diagnostics_of(found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the module beside a script, and the statement of the script that makes ``diagnostics`` of it."""
    (made,) = (
        each
        for each in ast.parse(found["glue/daily.py"]).body
        if ast.unparse(each).startswith("diagnostics = ")
    )
    monkeypatch.setattr("boto3.client", lambda service: Client())
    # Dataclasses look their module up.
    module = ModuleType("rheo_diagnostics")
    monkeypatch.setitem(sys.modules, "rheo_diagnostics", module)
    exec(found["lib/rheo_diagnostics.py"], vars(module))
    known = vars(module) | {"rheo_job": SimpleNamespace(namespace="Rheo/shop")}
    exec(ast.unparse(made), known)
    return known["diagnostics"]


@pytest.mark.parametrize("code", [spark, 'diagnostics["etl"]["Error"].emit(days.count())\noutput = days'])
def test_a_spark_script_carries_what_it_needs(code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compile_graph(application(BatchCompute(code)).graph())
    script = found["glue/daily.py"]
    assert "from rheo_diagnostics import Diagnostics, put_metric_data" in script
    assert "rheo_runtime" not in script + found["lib/rheo_diagnostics.py"]
    diagnostics = diagnostics_of(found, monkeypatch)
    diagnostics["etl"]["Error"].emit(3)
    diagnostics["open"]["Anything"].emit(4)
    assert [(r["Namespace"], r["MetricData"][0]["Value"]) for r in Client.sent[-2:]] == [
        ("Rheo/shop", 3.0),
        ("Rheo/shop", 4.0),
    ]


@pytest.mark.parametrize(
    "code",
    ["output = days", "diagnostics = days.count()\noutput = days", "# diagnostics\noutput = days"],
)
def test_a_script_that_sends_nothing_carries_nothing(code: str) -> None:
    found = compile_graph(application(BatchCompute(code)).graph())
    assert "Diagnostics" not in found["glue/daily.py"]


def test_sql_that_speaks_of_diagnostics_is_sql() -> None:
    found = compile_graph(application(SparkSQL("SELECT diagnostics FROM days")).graph())
    assert "Diagnostics" not in found["glue/daily.py"]


def test_the_metrics_of_python_tasks_are_in_a_file() -> None:
    found = compile_graph(application(InlinedCompute(inlined)).graph())
    assert json.loads(found["metrics.json"])["metrics"]["etl"]["names"] == ["Error"]


def test_an_application_without_metrics_has_no_such_file() -> None:
    found = compile_graph(application("output = days", metric=False).graph())
    assert not {"metrics.json", "alarms.json"} & set(found)


def test_a_python_task_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rheo_airflow.tasks.settings import diagnostics

    found = compile_graph(application(InlinedCompute(inlined)).graph())
    (tmp_path / "metrics.json").write_text(found["metrics.json"])
    monkeypatch.setattr("boto3.client", lambda service: Client())
    diagnostics(tmp_path)["etl"].emit(7)
    assert Client.sent[-1]["MetricData"][0]["Value"] == 7.0
    with pytest.raises(KeyError, match="it has: none"):
        diagnostics(tmp_path / "elsewhere")["etl"]


@pytest.mark.parametrize(
    ("code", "metric", "text"),
    [
        (
            'diagnostics["elt"]["Error"].emit(1)\noutput = days', True,
            "RD111: daily: the code sends 'elt', which is no metric of shop\n"
            "  at   test_emission.py:{line}\n  hint its own metrics: etl, open",
        ),
        (
            'diagnostics["etl"]["Eror"].emit(1)\noutput = days', True,
            "RD111: daily: the code sends 'Eror' of 'etl', which its declaration does not allow\n"
            "  at   test_emission.py:{line}\n  hint it allows Error",
        ),
        (
            'diagnostics["etl"].emit(1)\noutput = days', False,
            "RD111: daily: the code sends metrics, and shop declares none of its own\n"
            "  at   test_emission.py:{line}\n"
            '  hint declare it: app.create_metric("errors")',
        ),
    ],
)  # fmt: skip
def test_names_are_checked_when_the_application_is_compiled(code: str, metric: bool, text: str) -> None:
    with pytest.raises(ComputeError) as caught:
        compile_graph(application(BatchCompute(code), metric=metric).graph())
    where = caught.value.where
    assert where is not None
    assert str(caught.value) == text.replace("{line}", str(where.line))


def test_names_in_functions_are_checked_too() -> None:
    with pytest.raises(ComputeError, match="'elt', which is no metric of shop"):
        compile_graph(application(InlinedCompute(wrong)).graph())
