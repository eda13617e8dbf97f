"""Application -> the folder of files that Airflow, Glue and the listener read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from codegen.alarms import alarm_files
from codegen.bundle import files
from codegen.graph_file import graph_file
from codegen.planning import build_plan
from codegen.routes import route_table
from rheodsl import ir
from rheodsl.application import Application


def compile_app(app: Application, *, dialect: str = "mwaa-3.3", bucket: str | None = None) -> dict[str, str]:
    """Return the text of each generated file by its path; the same bytes for the same application.

    Raises GraphError for a faulty application, ComputeError for a target that cannot be generated.
    """
    return compile_graph(app.graph(), dialect=dialect, bucket=bucket)


def compile_graph(graph: ir.Graph, *, dialect: str = "mwaa-3.3", bucket: str | None = None) -> dict[str, str]:
    """Return the text of each generated file of a graph by its path; raises as `compile_app` does."""
    plan = build_plan(graph, dialect_name=dialect, bucket=bucket)
    others = {
        "routes.json": route_table(graph, plan.bucket).dumps(),
        "graph.json": graph_file(graph),
        **alarm_files(graph),
    }
    return files(plan, others)


def write(found: dict[str, str], folder: Path) -> list[str]:
    """Make ``folder`` hold exactly these files; return the paths that changed, removed ones included."""
    changed = list(stale(found, folder))
    for path in changed:
        file = folder / path
        if path not in found:
            file.unlink()
            continue
        put(file, found[path])
    return changed


def put(file: Path, text: str) -> None:
    """Write a file whole: Airflow may be reading the one whose place it takes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, "utf-8", newline="\n")
    os.replace(part, file)


def stale(found: dict[str, str], folder: Path) -> Iterator[str]:
    """Yield the paths at which ``folder`` differs from these files, in order."""
    there = {
        file.relative_to(folder).as_posix(): file
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    for path in sorted(found.keys() | there.keys()):
        if path not in there or path not in found or there[path].read_text("utf-8") != found[path]:
            yield path


def difference(found: dict[str, str], folder: Path) -> str:
    """Return what a compile would change in ``folder``, as a unified diff."""
    lines: list[str] = []
    for path in stale(found, folder):
        file = folder / path
        old = file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []
        new = found.get(path, "").splitlines(keepends=True)
        lines += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(lines)
