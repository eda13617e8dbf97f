"""What is written for the sample applications, byte for byte, in both dialects."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from sample_apps import shop, timers
from service_app import services

from codegen.bundle import files
from codegen.dialects import DIALECTS
from codegen.planning import build_plan
from rheodsl import Application

APPS: dict[str, Callable[[], Application]] = {"shop": shop, "timers": timers, "services": services}


def generate(app: Application, dialect: str) -> dict[str, str]:
    return files(build_plan(app.graph(), dialect_name=dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", APPS)
def test_files_are_as_agreed(name: str, dialect: str, golden: Callable[[str, str], None]) -> None:
    for file, text in generate(APPS[name](), dialect).items():
        golden(f"{dialect}/{name}/{file}", text)


@pytest.mark.parametrize("name", APPS)
def test_the_same_bytes_each_time(name: str) -> None:
    assert generate(APPS[name](), "mwaa-3.3") == generate(APPS[name](), "mwaa-3.3")


@pytest.mark.parametrize("name", APPS)
def test_every_python_file_parses(name: str) -> None:
    python = {f: t for f, t in generate(APPS[name](), "mwaa-3.3").items() if f.endswith(".py")}
    assert python
    for file, text in python.items():
        assert ast.parse(text, file)
        assert "rheodsl" not in text
