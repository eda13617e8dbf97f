"""Modules of the user's own: shipped with the application to wherever its code runs."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.compiler import compile_graph
from codegen.graph_json import graph_file, load_graph
from codegen.modules import module_file
from rheodsl import Application
from rheodsl.errors import GraphError
from rheodsl.loading import load_app
from rheodsl.modules import read_modules

HELPERS = "FACTOR = 2\n\n\ndef twice(n):\n    return FACTOR * n\n"
PACKAGE = {
    "__init__.py": '"""Prices."""\n\nfrom .round import down\n\nVERSION = "1"\n',
    "round.py": "from pricing.deep.rules import STEP\n\n\ndef down(n):\n    return n - n % STEP\n\n\ndef fail():\n    raise ValueError('no price')\n",
    "deep/__init__.py": "",
    "deep/rules.py": "STEP = 5\n",
}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with an application's own modules."""
    (tmp_path / "helpers.py").write_text(HELPERS, "utf-8")
    for path, text in PACKAGE.items():
        (tmp_path / "pricing" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pricing" / path).write_text(text, "utf-8")
    return tmp_path


APP = """
from pathlib import Path
from rheodsl import *

app = Application("shop", modules={modules})
orders = app.s3("orders", "s3://lake/orders/{{day:%Y-%m-%d}}")


def count(input_map, output, params):
    import pricing.round
    from helpers import twice

    print(pricing.round.down(twice(8)))


daily = app.create_data("daily", inputs=[orders], compute_targets={compute})
"""
SPARK = '"from helpers import twice\\noutput = orders.limit(twice(5))"'
WAYS = ['["helpers", "pricing"]', '[Path("helpers.py"), Path("pricing")]', '["helpers", "pricing.round"]']


def application(beside: Path, modules: str, compute: str = SPARK) -> Application:
    (beside / "app.py").write_text(APP.format(modules=modules, compute=compute), "utf-8")
    return load_app(beside / "app.py")


@pytest.mark.parametrize("modules", WAYS)
def test_modules_are_named_in_each_way(beside: Path, modules: str) -> None:
    helpers, pricing = application(beside, modules).graph().modules
    assert (helpers.name, helpers.files) == ("helpers", (("", HELPERS),))
    assert (pricing.name, dict(pricing.files)) == ("pricing", PACKAGE)


def test_a_module_itself(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(beside))
    monkeypatch.chdir(beside)
    assert [m.files for m in read_modules([types.ModuleType("helpers")])] == [(("", HELPERS),)]


def test_jobs_get_them(beside: Path) -> None:
    app = application(beside, WAYS[0])
    files = compile_graph(app.graph())
    assert files["lib/helpers.py"] == HELPERS
    (job,) = json.loads(files["stack.json"])["glue_jobs"]
    paths = job["arguments"]["--extra-py-files"].split(",")
    assert {"s3://rheo-shop/rheo/lib/helpers.py", "s3://rheo-shop/rheo/lib/pricing.py"} < set(paths)
    emr = compile_graph(application(beside, WAYS[0], f"EMR({SPARK})").graph())
    assert "lib/helpers.py" in emr["daily.py"] and "lib/pricing.py" in emr


def test_an_inlined_compute_gets_them(beside: Path) -> None:
    files = compile_graph(application(beside, WAYS[0], "InlinedCompute(count)").graph())
    assert files["lib/helpers.py"] == HELPERS and "lib/pricing.py" in files
    assert "lib/" in files[".airflowignore"].splitlines(), "Airflow looks for no DAG among them"


def test_they_are_a_part_of_what_is_active(beside: Path) -> None:
    """Who attaches has no files: the texts come with the graph, and a change of them is a change."""
    graph = application(beside, WAYS[0]).graph()
    known = load_graph(graph_file(graph))
    assert known.modules == graph.modules
    taken = Application("shop")
    taken._take(known)
    assert compile_graph(taken.graph())["lib/pricing.py"] == compile_graph(graph)["lib/pricing.py"]
    (beside / "helpers.py").write_text("FACTOR = 3\n", "utf-8")
    assert application(beside, WAYS[0]).graph() != graph


@pytest.mark.parametrize(
    ("compute", "line"),
    [(SPARK, 16), ("InlinedCompute(count)", 11), (f"EMR({SPARK})", 16)],
    ids=["spark", "inlined", "emr"],
)
def test_what_is_not_shipped_is_a_fault(beside: Path, compute: str, line: int) -> None:
    with pytest.raises(GraphError) as raised:
        application(beside, '["pricing"]', compute).graph()
    (fault,) = raised.value.faults
    assert fault.what == "daily: the code imports helpers, which is not there where it runs"
    assert fault.hint == "ship it with the application: Application(..., modules=['helpers'])"
    assert fault.where is not None and fault.where.line == line


def test_what_a_module_imports_is_looked_at_too(beside: Path) -> None:
    (beside / "helpers.py").write_text("import other\n" + HELPERS, "utf-8")
    (beside / "other.py").write_text("", "utf-8")
    with pytest.raises(GraphError) as raised:
        application(beside, '["helpers"]').graph()
    assert [fault.what for fault in raised.value.faults] == [
        "modules=helpers: the code imports other, which is not there where it runs"
    ]
    assert application(beside, '["helpers", "other"]').graph()


@pytest.mark.parametrize(
    "text", ["import numpy", "import json, os.path", "from awsglue.job import Job", "import nothing_here"]
)
def test_packages_are_the_environments(beside: Path, text: str) -> None:
    app = application(beside, "[]", f'"{text}\\noutput = orders"')
    assert app.graph().modules == ()


# ── a package in one file ──────────────────────────────────────────────────────────────────────────────


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def shipped(beside: Path, tmp_path: Path) -> Path:
    """The folder of what is shipped, far from the user's own files."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for module in application(beside, WAYS[0]).graph().modules:
        (folder / f"{module.name}.py").write_text(module_file(module), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import pricing; print(pricing.down(13), pricing.VERSION, pricing.__doc__)", "10 1 Prices."),
        ("import pricing.deep.rules as r; print(r.STEP, r.__name__)", "5 pricing.deep.rules"),
        ("from pricing.round import down; import pickle; print(pickle.loads(pickle.dumps(down))(7))", "5"),
        ("from pricing import round, deep; print(round.down(9), deep.__name__)", "5 pricing.deep"),
        ("import helpers; print(helpers.twice(4))", "8"),
    ],
)
def test_a_package_is_imported_from_one_file(shipped: Path, code: str, printed: str) -> None:
    done = python(shipped, code)
    assert (done.stdout.strip(), done.stderr) == (printed, "")


def test_a_traceback_shows_the_packages_own_lines(shipped: Path) -> None:
    done = python(
        shipped,
        "import traceback\nfrom pricing.round import fail\ntry: fail()\nexcept ValueError: traceback.print_exc()",
    )
    assert 'File "pricing/round.py", line 9, in fail\n    raise ValueError' in done.stderr


def test_what_the_package_has_not_is_not_there(shipped: Path) -> None:
    assert "No module named 'pricing.other'" in python(shipped, "import pricing.other").stderr


# ── really run ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_an_inlined_compute_imports_its_own_applications(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two applications in one process, each with a module of the same name."""
    from rheodsl.testing import load_dags, run_dag

    monkeypatch.setattr(sys, "path", list(sys.path))
    for number, factor in enumerate((2, 3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "helpers.py").write_text(HELPERS.replace("FACTOR = 2", f"FACTOR = {factor}"), "utf-8")
        (folder / "pricing").mkdir()
        for path, text in PACKAGE.items():
            (folder / "pricing" / path).parent.mkdir(exist_ok=True)
            (folder / "pricing" / path).write_text(text.replace("STEP = 5", f"STEP = {5 + number}"), "utf-8")
        dags = load_dags(application(folder, WAYS[0], "InlinedCompute(count)"))
        run_dag(dags, "daily", {"day": "2024-01-02"})
        assert {0: "15", 1: "24"}[number] in capsys.readouterr().out


@pytest.mark.slow
def test_spark_imports_them_on_its_workers(beside: Path, rheo_compute: Callable[..., Any]) -> None:
    text = (
        "from pricing.round import down\\nfrom pyspark.sql.functions import udf\\n"
        "output = orders.select(udf(lambda n: down(int(n)), 'int')('price').alias('price'))"
    )
    app = application(beside, WAYS[0], f'"{text}"')
    files = {
        "s3://lake/orders/2024-01-02/a.csv": b"id,price\n1,13\n",
        "s3://lake/orders/2024-01-02/_SUCCESS": b"",
    }
    app = load_app(_csv(beside))
    run = rheo_compute(app, "daily", {"day": "2024-01-02"}, files=files)
    assert (run.error, run.rows) == (None, [{"price": 10}])


def _csv(beside: Path) -> Path:
    file = beside / "app.py"
    file.write_text(file.read_text("utf-8").replace('%m-%d}")', '%m-%d}", format="CSV")'), "utf-8")
    return file
