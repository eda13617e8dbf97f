"""What is generated for the examples and committed equals a fresh compile, byte for byte, twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.compiler import compile_graph, difference
from rheodsl.loading import load_app

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(folder.name for folder in (ROOT / "dags_out").iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_committed_files_are_fresh(name: str) -> None:
    app = load_app(ROOT / "examples" / name / "app.py")
    assert difference(compile_graph(app.graph()), ROOT / "dags_out" / app.name) == ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_two_compiles_give_the_same_bytes(name: str) -> None:
    file = ROOT / "examples" / name / "app.py"
    assert compile_graph(load_app(file).graph()) == compile_graph(load_app(file).graph())
