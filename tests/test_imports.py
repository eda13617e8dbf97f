"""The packages' source -> who imports whom, how long files are, and what no file may mention."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("rheodsl", "rheo_runtime", "codegen", "platforms")
FOLDERS = (*PACKAGES, "tests", "examples", "benchmarks", "docs", "dags_out", ".ci")
CODE = {".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".cfg", ".ini", ".sh", ".html", ".lark", ""}

LONG, TOO_LONG = 300, 400

# What a module may import beside the standard library and its own package. The first pattern that
# fits the module's path counts. A name allows all below it; "late" ones stand inside functions only.
CONTRACT = ("rheo_runtime.values", "rheo_runtime.expr", "rheo_runtime.wire")
AWS = ("boto3", "botocore")
# The names under which the listener finds what the generated files declare.
NAMES = tuple(f"rheo_runtime.trigger.{name}" for name in ("dag_id", "asset_uri", "told_as"))
RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    # The simulator and its plugin run the engine of the cloud on a compiled graph.
    # Runs generated DAGs where Airflow is installed.
    ("rheodsl/testing_dags.py", ("rheo_runtime", "codegen"), ("airflow", "boto3", "moto")),
    ("rheodsl/testing*", ("rheo_runtime", "codegen"), ()),
    ("rheodsl/pytest_plugin.py", ("rheo_runtime", "codegen", "pytest", "_pytest"), ()),
    # The names of the platforms belong to the language; what is behind them is loaded when it is used.
    ("rheodsl/platform.py", CONTRACT, ("platforms",)),
    ("rheodsl/aws.py", CONTRACT, ("platforms",)),
    ("rheodsl/*", (*CONTRACT, "lark"), ()),
    # Inside an Airflow worker.
    ("rheo_runtime/tasks*", ("airflow", *AWS), ()),
    # Inside Airflow's web server; the rest of the page is plain.
    ("rheo_runtime/ui/plugin.py", ("airflow",), ("fastapi",)),
    ("rheo_runtime/ui/web.py", ("fastapi", "starlette"), ()),
    ("rheo_runtime/ui/files.py", (), AWS),
    # The doors to AWS.
    ("rheo_runtime/dynamo*", AWS, ()),
    ("rheo_runtime/trigger*", AWS, ()),
    ("rheo_runtime/listener*", AWS, ()),
    ("rheo_runtime/storage*", AWS, ()),
    ("rheo_runtime/*", (), ()),
    # A command starts the platform that it names.
    ("codegen/cli*", (*CONTRACT, "rheodsl", "lark", "typer", "click", "rich"), ("platforms",)),
    ("codegen/*", (*CONTRACT, *NAMES, "rheodsl", "lark"), ()),
)


@dataclass(frozen=True)
class Import:
    """A name imported at a line; ``late`` inside a function, ``typing`` for the type checker alone."""

    name: str
    line: int
    late: bool = False
    typing: bool = False


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


MODULES = [path for package in PACKAGES for path in modules(package)]


def imports(source: str, package: str = "") -> Iterator[Import]:
    """Yield every import of a module; ``package`` is what its relative imports are relative to."""
    yield from _imports(ast.parse(source), package, late=False, typing=False)


def _imports(node: ast.AST, package: str, *, late: bool, typing: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, late, typing)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*parents, *([node.module] if node.module else [])])
        # `from rheo_runtime import join` imports a module, `from lark import Lark` a name.
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", node.lineno, late, typing)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for inside in node.body:
            yield from _imports(inside, package, late=late, typing=True)
        for inside in node.orelse:
            yield from _imports(inside, package, late=late, typing=typing)
    else:
        late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, late=late, typing=typing)


def violations(path: str, source: str) -> list[str]:
    """Return what a module at ``path`` (from the root) imports against the rule."""
    found: list[str] = []
    own = path.split("/")[0]
    if own == "platforms":
        return found
    _, allowed, late = next(rule for rule in RULES if fnmatch(path, rule[0]))
    for item in imports(source, ".".join(Path(path).parent.parts)):
        top = item.name.split(".")[0]
        names = (own, *allowed, *(late if item.late else ()))
        stub = item.typing and top.startswith("types_")
        if stub or top in sys.stdlib_module_names or any(f"{item.name}.".startswith(f"{n}.") for n in names):
            continue
        found.append(f"{path}:{item.line} imports {item.name}")
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    assert violations(relative(path), path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rheodsl/views.py", "import boto3"),
        ("rheodsl/views.py", "def f():\n    from platforms import local"),
        ("rheodsl/views.py", "from rheo_runtime import join"),
        ("rheodsl/views.py", "from rheo_runtime.match import match"),
        ("rheodsl/views.py", "if TYPE_CHECKING:\n    from codegen.routes import route_table"),
        ("rheodsl/views.py", "from .. import codegen"),
        ("rheo_runtime/join.py", "import rheodsl"),
        ("rheo_runtime/join.py", "import boto3"),
        ("rheo_runtime/join.py", "import lark"),
        ("rheo_runtime/dynamo.py", "import airflow"),
        ("codegen/plan.py", "from rheo_runtime.tasks import claim"),
        ("codegen/plan.py", "import typer"),
        ("codegen/cli.py", "import platforms.local"),
        ("codegen/plan.py", "import rheodslx"),
    ],
)
def test_the_rule_catches_a_forbidden_import(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rheodsl/views.py", "from rheo_runtime import expr as x\nimport lark.tree\nfrom . import ir"),
        ("rheodsl/testing.py", "from rheo_runtime.join import join\nfrom codegen.routes import route_table"),
        ("rheo_runtime/tasks/claim.py", "from airflow.sdk import task"),
        ("rheo_runtime/join.py", "if TYPE_CHECKING:\n    from types_boto3_s3 import S3Client"),
        ("codegen/cli.py", "def up():\n    from platforms.local import stack"),
        ("platforms/aws/deploy.py", "import boto3\nimport codegen.plan"),
    ],
)
def test_the_rule_lets_the_rest_pass(path: str, source: str) -> None:
    assert violations(path, source) == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_is_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines < TOO_LONG, f"{relative(path)} has {lines} lines: split it by noun"


@pytest.mark.filterwarnings("default")
def test_long_modules_are_reported() -> None:
    for path in MODULES:
        lines = len(path.read_text("utf-8").splitlines())
        if lines > LONG:
            warnings.warn(f"{relative(path)} has {lines} lines (aim: {LONG})", stacklevel=1)


def test_every_module_says_what_it_is() -> None:
    sources = {relative(path): path.read_text("utf-8") for path in MODULES}
    full = {path: ast.parse(source) for path, source in sources.items() if source.strip()}
    assert [path for path, tree in full.items() if not ast.get_docstring(tree)] == []


# A checkout in somebody's home or work folder, and where somebody's packages come from.
MACHINE = re.compile(
    r"(?<![\w}.-])/(?:work|root|home/\w+|Users/\w+)/|/tmp/brief"
    r"|/opt/(?:pypi|wheels)|files\.pythonhosted\.|registry\.npmjs\.|(?<!emit)-index-url|--find-links"
)
ALLOWED = {"tests/test_imports.py"}


def project_files() -> list[Path]:
    below = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file()]
    top = [p for p in ROOT.iterdir() if p.is_file()]
    kept = [p for p in (*below, *top) if p.suffix in CODE and "__pycache__" not in p.parts]
    # What tools leave behind, such as .hypothesis, is no part of the project.
    return sorted(
        p for p in kept if not any(part.startswith(".") for part in p.relative_to(ROOT).parts[1:-1])
    )


def test_no_file_mentions_a_machine() -> None:
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if (match := MACHINE.search(line)) and relative(path) not in ALLOWED:
                found.append(f"{relative(path)}:{number}: {match[0]}")
    assert found == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cd /work/main", True),
        ('PATH = "/root/.venv"', True),
        ("file:///root/bucket", True),
        ("--hash https://files.pythonhosted.org/x.whl", True),
        ("s3://bucket/work/day", False),
        ("tests/work/plan.py", False),
        ("pip install --index-url https://example.com", True),
        ("uv pip compile --no-emit-index-url", False),
    ],
)
def test_a_machine_is_recognised(line: str, expected: bool) -> None:
    assert bool(MACHINE.search(line)) is expected
