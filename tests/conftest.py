"""What all tests share: golden files, few random examples, and an Airflow that is quiet."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from support.examples import load_default_profile
from xdist.scheduler import LoadFileScheduling

# Airflow reads it when it is imported first, and logs to standard output: examples would not print what they say.
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")

GOLDEN = Path(__file__).parent / "golden"

# Much of moto, or cfn-lint: a test with one of these is slow; so is a file that says it is.
SLOW_FIXTURES = {"cloud", "cloudwatch", "dynamodb", "lint"}
SLOW = re.compile(r"^pytestmark = \[?pytest\.mark\.slow\b", re.MULTILINE)

ONE_STACK = "tests/stack/"  # see its conftest.py

load_default_profile()

# What describes the services of AWS, which each session would read and parse anew: the endpoints of all take a fifth of a second.
_MODELS: dict[Any, Any] = {}


def _create_loader(search_path: str | None = None) -> Any:
    loader = botocore.loaders.create_loader(search_path)
    if search_path is None:
        loader._cache = _MODELS
    return loader


botocore.session.create_loader = _create_loader


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file that is slow as a whole when the quick ones are asked for: Airflow alone takes five seconds."""
    if config.option.markexpr != "not slow" or collection_path.is_relative_to(GOLDEN):
        return None
    if collection_path.is_file():
        return True if _slow_as_a_whole(collection_path) else None
    files = [*collection_path.rglob("test_*.py")]
    return True if files and all(map(_slow_as_a_whole, files)) else None


def _slow_as_a_whole(path: Path) -> bool:
    return path.name.startswith("test_") and bool(SLOW.search(path.read_text("utf-8")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by what it needs, and the laws that are tried on random examples; what takes longest comes first."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("random")
    items.sort(key=lambda item: not item.nodeid.startswith(ONE_STACK))


def pytest_collection_finish() -> None:
    """Look seldom for what refers to itself, and never among what was imported: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_unconfigure() -> None:
    """Let what was kept be freed at the end: libraries tell of what is not."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the files that share a stack to one worker, so that they do; else a file to whoever is free."""
    return _ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


class _ByFile(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return ONE_STACK if nodeid.startswith(ONE_STACK) else super()._split_scope(nodeid)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with ``tests/golden/<name>``, byte for byte."""
    update = request.config.getoption("--update-golden")

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            return
        assert path.exists(), f"{path} is missing: run pytest --update-golden and read what it writes"
        assert text == path.read_text("utf-8"), f"{name} has changed: make golden, and read the difference"

    return check


@pytest.fixture(autouse=True)
def clients() -> Iterator[None]:
    """Let each test have clients of its own: what they reach, and what watches them, ends with it."""
    yield
    if settings := sys.modules.get("rheo_airflow.tasks.settings"):
        settings._client.cache_clear()
        settings.account.cache_clear()


@pytest.fixture
def watch() -> Iterator[Any]:
    """What tasks of generated DAGs call meanwhile, all of which the template of their application has to allow."""
    from support.worker import watched  # it imports Airflow

    with watched() as watch:
        yield watch
    assert watch.refused() == []
