"""Every error message of the language, whole: code, what, the user's line, and the next step."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rheo_runtime.expr import BadExpr, NotInvertible
from rheo_runtime.values import BadValue
from rheodsl import errors, filters
from rheodsl.errors import GraphWarning, RheoError

from .messages import FOLDER, Case, message_of, read, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places are shown relative to the working directory."""
    monkeypatch.chdir(ROOT)


FILES = sorted(FOLDER.glob("*.txt"))
CASES = [pytest.param(path, case, id=f"{path.stem}: {case.name}") for path in FILES for case in read(path)]


def test_there_are_cases_and_each_has_its_own_name() -> None:
    for path in FILES:
        names = [case.name for case in read(path)]
        assert names
        assert len(set(names)) == len(names)


def test_golden_files_are_written_as_they_are_read(tmp_path: Path) -> None:
    for path in FILES:
        write(tmp_path / path.name, list(read(path)))
        assert (tmp_path / path.name).read_text("utf-8") == path.read_text("utf-8")


@pytest.mark.parametrize(("path", "case"), CASES)
def test_a_message(path: Path, case: Case, request: pytest.FixtureRequest) -> None:
    message = message_of(case.written)
    assert message, "nothing is wrong with this"
    if request.config.getoption("--update-golden"):
        known = [Case(c.name, c.written, message if c == case else c.message) for c in read(path)]
        write(path, known)
        return
    assert message == case.message
    faults = message.split("\n\n")
    for fault in faults[1:] if faults[0].startswith("RD100: ") else faults:
        lines = fault.split("\n")
        assert lines[0].startswith("RD")
        assert any(line.startswith("  at   ") for line in lines), "it says no place"
        assert any(line.startswith("  hint ") for line in lines), "it says no next step"


# ── every message is among them ───────────────────────────────────────────────────────────────────────

# The parsers of small languages have golden texts of their own, in these tests.
ELSEWHERE = {
    "loading": "tests/cli/test_start.py",
    "stopped": "tests/cli/test_start.py",
    "__init__": "tests/language/test_guide_names.py",
    "project": "tests/teams/test_stages.py",
    "error_pages": "tests/language/test_error_pages.py",
    "schedule": "tests/unit/test_schedule_errors.py",
    "cloudwatch/alarm_rule": "tests/unit/test_alarm_rules_errors.py",
    "cloudwatch/metric_math": "tests/unit/test_metric_math_errors.py",
    "testing/dags": "tests/airflow/test_dags.py",
    "testing/compute": "tests/data/test_run_compute.py",
}
# What no user's line brings about: reasons why an event is rejected, and guards of the engine's own rules.
# Their whole texts are in test_values.py and test_expr.py.
OF_EVENTS = (
    "is out of the range of dates",
    "{text!r} is no LONG",
    "is not how {value} is written here",
    "no type rule for",
    "a computed timedelta has no",
)
# What a user never reads by itself.
INTERNAL = {"errors.py", "grammar.py"}
TEXTS = [ROOT / f"rheo_runtime/{name}.py" for name in ("values", "expr/kinds", "expr/inverse")]
# Created in one of these, a text is part of a message.
REASONS: list[type[Any]] = [BadValue, BadExpr, NotInvertible, filters._Empty]


@dataclass(frozen=True)
class Site:
    """A place in the source that makes a message."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


def sites() -> Iterator[Site]:
    root = ROOT / "rheodsl"
    elsewhere = tuple(ELSEWHERE)
    paths = [
        p for p in sorted(root.rglob("*.py")) if not p.relative_to(root).as_posix().startswith(elsewhere)
    ]
    for path in [*paths, *TEXTS]:
        if path.name in INTERNAL:
            continue
        name, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        for node in _makers(ast.parse(source)):
            if not any(text in (ast.get_source_segment(source, node) or "") for text in OF_EVENTS):
                yield Site(name, node.lineno, node.end_lineno or node.lineno)


KNOWN = {n for n, c in vars(errors).items() if isinstance(c, type)} | {r.__name__ for r in REASONS}
KNOWN |= {"AlarmError", "AlarmRuleError", "ScheduleError", "MetricMathError"}


def _makers(node: ast.AST) -> Iterator[ast.expr]:
    """Calls of error classes and of ``fault``, and whatever else is raised."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and (
            _called(child) in KNOWN - {"SourceLocation"} or _called(child) == "fault"
        ):
            yield child
        elif isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            if not hasattr(builtins, _called(child.exc)):
                yield child.exc
        else:
            yield from _makers(child)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


@contextmanager
def recorded() -> Iterator[list[tuple[str, list[tuple[str, int]]]]]:
    """Record each text of an error that is made, and the lines of ours that made it."""
    made: list[tuple[str, list[tuple[str, int]]]] = []
    kept: list[tuple[type[Any], Any]] = []

    def record(cls: type[Any], text: Callable[[tuple[Any, ...], dict[str, Any]], str]) -> None:
        original = cls.__init__
        kept.append((cls, cls.__dict__.get("__init__")))

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            made.append((text(args, kwargs), _lines(sys._getframe(1))))
            original(self, *args, **kwargs)

        cls.__init__ = init

    record(RheoError, lambda args, kwargs: str(args[0]))
    record(GraphWarning, lambda args, kwargs: str(args[1]))
    for reason in REASONS:
        record(reason, lambda args, kwargs: str(args[0]) if args else "\0")  # no text, in no message
    try:
        yield made
    finally:
        for cls, init in kept:
            if init is None:
                del cls.__init__
            else:
                cls.__init__ = init


def _lines(frame: Any) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while frame is not None and len(found) < 12:
        file = frame.f_code.co_filename
        if file.startswith(str(ROOT)):
            found.append((Path(file).relative_to(ROOT).as_posix(), frame.f_lineno))
        frame = frame.f_back
    return found


def test_every_message_is_among_the_golden_texts() -> None:
    """A site counts when a text that it made stands in a message that the case above compares whole."""
    found: set[tuple[str, int]] = set()
    for path in FILES:
        for case in read(path):
            with recorded() as made:
                message = message_of(case.written)
            for text, lines in made:
                if text in message:
                    found.update(lines)
    missing = [
        str(site)
        for site in sites()
        if not any((site.file, line) in found for line in range(site.first, site.last + 1))
    ]
    assert missing == [], f"{len(missing)} messages are in no file of tests/golden/errors"


def test_every_error_has_a_code_of_its_own() -> None:
    codes: dict[str, list[str]] = {}
    for path in sorted((ROOT / "rheodsl").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for item in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "code":
                    codes.setdefault(ast.literal_eval(item.value), []).append(node.name)  # type: ignore[attr-defined]
    assert {code: names for code, names in codes.items() if len(names) > 1} == {}
    assert len(codes) > 12


def test_the_other_messages_have_their_tests() -> None:
    for prefix, test in ELSEWHERE.items():
        assert (ROOT / test).exists()
        assert list((ROOT / "rheodsl").glob(f"{prefix}.py"))


def test_a_site_without_a_case_is_found() -> None:
    source = "def f(work):\n    raise SpecError(\n        'x')\n    work.fault(LinkError, 'y')\n    raise TypeError('z')\n"
    assert [(n.lineno, n.end_lineno) for n in _makers(ast.parse(source))] == [(2, 3), (4, 4)]
