"""What is written for the sample applications, byte for byte, in both dialects."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_apps import batches, shop, timers
from service_app import services
from support.goldens import KEPT, difference

from codegen.compiler import compile_graph, files, write
from codegen.dialects import DIALECTS
from codegen.planning import build_plan
from rheodsl import Application, BatchCompute
from rheodsl.stages import chosen

ROOT = Path(__file__).parents[2]
APPS: dict[str, Callable[[], Application]] = {
    "shop": shop,
    "timers": timers,
    "services": services,
    "batches": batches,
}


def generate(app: Application, dialect: str) -> dict[str, str]:
    return files(build_plan(app.graph(), dialect_name=dialect))


def agreed(name: str, dialect: str) -> dict[str, str]:
    """The files of an application but for modules that are shipped as they are."""
    found = {}
    for file, text in generate(APPS[name](), dialect).items():
        if file.startswith("lib/rheo_") and (module := ROOT / file.removeprefix("lib/")).exists():
            assert text == module.read_text("utf-8"), "shipped as it is"
        else:
            found[file] = text
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", APPS)
def test_files_are_as_agreed(name: str, dialect: str, golden: Callable[[str, str], None]) -> None:
    """Those of one dialect whole; those of another are the same but for what its golden file tells."""
    found = agreed(name, dialect)
    if dialect == KEPT:
        for file, text in found.items():
            golden(f"{dialect}/{name}/{file}", text)
    else:
        golden(f"{dialect}/{name}.diff", difference(agreed(name, KEPT), found))


@pytest.mark.parametrize("name", APPS)
def test_what_computes_is_the_same_at_each_stage(name: str) -> None:
    """DAGs, jobs and places are called after the stage; scripts, queries, functions and modules are not."""
    plain = generate(APPS[name](), KEPT)
    with chosen("pr-1"):
        staged = generate(APPS[name](), KEPT)
    computes = {path for path in plain if "/" in path}
    assert computes >= {"lib/rheo_spark.py"}
    assert {path for path in staged if staged[path] != plain[path]}.isdisjoint(computes)
    assert f"{name}--pr-1" in staged["stack.json"]


def test_a_script_that_sends_metrics_is_the_same_at_each_stage() -> None:
    def measured() -> Application:
        app = Application("measured")
        app.create_metric("errors")
        orders = app.s3("orders", "s3://shop/orders/{day:%Y-%m-%d}")
        code = 'diagnostics["errors"]["bad"].emit(1)\noutput = orders'
        app.create_data("daily", [orders], compute_targets=BatchCompute(code))
        return app

    plain = generate(measured(), KEPT)["glue/daily.py"]
    with chosen("pr-1"):
        assert generate(measured(), KEPT)["glue/daily.py"] == plain
    assert '"namespace": rheo_job.namespace' in plain


@pytest.mark.parametrize("name", APPS)
def test_the_same_bytes_each_time(name: str) -> None:
    assert generate(APPS[name](), "mwaa-3.3") == generate(APPS[name](), "mwaa-3.3")


def test_a_compile_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    found = compile_graph(services().graph())
    assert write(found, tmp_path) == sorted(found)
    times = {path: (tmp_path / path).stat().st_mtime_ns for path in found}
    assert write(compile_graph(services().graph()), tmp_path) == []
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in found} == times
    (tmp_path / "model.py").write_text("changed", "utf-8")
    assert write(found, tmp_path) == ["model.py"]


@pytest.mark.parametrize("name", APPS)
def test_every_python_file_parses(name: str) -> None:
    python = {f: t for f, t in generate(APPS[name](), "mwaa-3.3").items() if f.endswith(".py")}
    assert python
    for file, text in python.items():
        assert ast.parse(text, file)
        assert "rheodsl" not in text
