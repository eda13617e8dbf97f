"""The listener's zip: small, the same each time, and whole: it starts with nothing else of ours."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from codegen.cloudformation.listener import lambda_zip, undocumented
from codegen.routes import route_table
from rheodsl import Application

LIMIT = 136_000


def routes() -> str:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    return route_table(app.graph()).dumps()


def test_it_is_small() -> None:
    assert len(lambda_zip(routes())) <= LIMIT


def test_the_same_bytes_each_time() -> None:
    assert lambda_zip(routes()) == lambda_zip(routes())


def test_it_holds_the_run_time_without_airflows_tasks() -> None:
    with zipfile.ZipFile(io.BytesIO(lambda_zip(routes()))) as archive:
        names = archive.namelist()
        assert archive.read("routes.json").decode() == routes()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {"rheo_runtime/__init__.py", "rheo_runtime/listener.py", "rheo_runtime/dynamodb.py"} <= set(names)
    assert [n for n in names if "tasks" in n or not n.startswith(("rheo_runtime/", "routes.json"))] == []
    assert names == sorted(names)


def test_without_docstrings_it_is_the_same_code_at_the_same_lines() -> None:
    for path in sorted((Path(__file__).parents[2] / "rheo_runtime").glob("*.py")):
        source = path.read_text("utf-8")
        assert "Return " not in source or len(undocumented(source)) < len(source)
        assert code(undocumented(source)) == code(source), path


def code(source: str) -> list[tuple[str, int]]:
    """What stands on which line of a module, all but its docstrings."""
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    texts = [
        b[0] for b in bodies if b and isinstance(b[0], ast.Expr) and isinstance(b[0].value, ast.Constant)
    ]
    skipped = {id(part) for text in texts for part in ast.walk(text)}
    return [
        (
            ast.dump(node) if isinstance(node, ast.Name | ast.Constant) else type(node).__name__,
            node.lineno,
        )
        for node in ast.walk(tree)
        if hasattr(node, "lineno") and id(node) not in skipped
    ]


START = """
import sys
from rheo_runtime.listener import from_environment, handler
listener = from_environment({"RHEO_TABLE": "t", "RHEO_MWAA_ENVIRONMENT": "e"})
assert listener.handle({"source": "x", "detail-type": "y", "detail": {}}, lambda: 1e9) == {"batchItemFailures": []}
ours = {m.split(".")[0] for m in sys.modules} - set(sys.stdlib_module_names)
print(*sorted(ours))
"""


def test_it_starts_by_itself(tmp_path: Path) -> None:
    """Without the checkout on the path, and with every module that a start and an event need."""
    with zipfile.ZipFile(io.BytesIO(lambda_zip(routes()))) as archive:
        archive.extractall(tmp_path)
    blocked = "import sys\nfor name in ('rheodsl', 'codegen', 'platforms', 'airflow', 'lark'): sys.modules[name] = None\n"
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PYTHONPATH": str(tmp_path),
        "PYTHONSAFEPATH": "1",
    }
    check = "import rheo_runtime\nassert rheo_runtime.__file__.startswith(" + repr(str(tmp_path)) + ")\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + START + check],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rheo_runtime" in done.stdout.split()
