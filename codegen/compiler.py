"""Graph -> the folder of files that Airflow, Glue and the listener read, in ``dags_out/<app>/``."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from codegen import plan as p
from codegen import targets
from codegen.cloudformation.alarms import alarm_files
from codegen.dag import dag_file
from codegen.dialects import Dialect, dialect
from codegen.graph_json import graph_file
from codegen.hooks import pending_dags, pending_files
from codegen.kept import KEPT
from codegen.planning import build_plan, plan_node
from codegen.pump import pump_dags, pump_files
from codegen.routes import route_table, route_text
from codegen.spark_script import first_line_shown
from codegen.targets.athena import AthenaTask
from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.errors import ComputeError, RheoError, SourceLocation
from rheodsl.loading import uncollected

STACK_VERSION = 1
# Airflow must not look for DAGs in these.
_NO_DAGS = {"glue", "inlined"}


def files(plan: p.Plan, others: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the text of each file, by its path, sorted.

    ``others`` are files that are made elsewhere (``routes.json``, ``graph.json``) and belong to the
    application too; ``MANIFEST.json`` lists them all.
    """
    chosen = dialect(plan.dialect)
    found: dict[str, str] = dict(others or {})
    for dag in plan.dags:
        found |= KEPT.of(f"files {chosen.name}", (dag,), partial(_files, dag, chosen))
    found |= pump_files(plan, chosen)
    found[".airflowignore"] = _ignored(found)
    found["stack.json"] = _json(stack(plan))
    found["MANIFEST.json"] = _json(manifest(plan, found))
    return dict(sorted(found.items()))


def _files(dag: p.DagPlan, chosen: Dialect) -> dict[str, str]:
    found = {dag.file: dag_file(dag, chosen), **pending_files(dag, chosen)}
    for task in dag.all_tasks:
        found |= targets.files(task, dag)
    return found


def faults(graph: ir.Graph, dialect_name: str = "mwaa-3.3") -> list[RheoError]:
    """Return what keeps the nodes of a graph from being generated: the first fault of each node."""
    bucket, chosen = resource_name(graph.app), dialect(dialect_name)
    found: list[RheoError] = []
    for node in graph.nodes:
        try:
            dag = plan_node(graph, node, bucket)
            _files(dag, chosen)
            _needed(dag)
        except RheoError as fault:
            found.append(fault)
        except Exception as fault:  # noqa: BLE001 - what nobody thought of is still a fault of one node
            found.append(
                ComputeError(
                    f"{node.id} cannot be generated: {type(fault).__name__}: {fault}",
                    where=node.where,
                    hint="look at its compute targets, hooks and checks; where they are right, Rheo is wrong",
                )
            )
    return found


def places(plan: p.Plan) -> dict[str, SourceLocation]:
    """Return where the user's code of each generated file begins."""
    found = {}
    for dag in plan.dags:
        for task in dag.all_tasks:
            match task:
                case p.ScriptTask(script=path, lang="PYTHON" | "SCALA") if (
                    where := first_line_shown(task.code)
                ) is not None:
                    found[path] = where
                case p.ScriptTask(script=path) | p.PythonTask(file=path) | AthenaTask(file=path):
                    if task.code is not None and task.code.where is not None:
                        found[path] = task.code.where
    return found


def stack(plan: p.Plan) -> dict[str, Any]:
    """Return what must exist around the DAGs, for a platform to create.

    ``buckets`` are those whose objects announce partitions. ``retention`` says after how many days objects
    of the application's own bucket are deleted. ``schedules`` must be fired by somebody: the
    other timers are in the DAGs. A job's ``script`` is relative to the application's folder, its
    ``arguments`` are defaults, ``timeout`` is in minutes.
    """
    name = resource_name(plan.app)
    return {
        "version": STACK_VERSION,
        "app": plan.app,
        "dialect": plan.dialect,
        "bucket": plan.bucket,
        "table": name,
        "queue": name,
        "buckets": list(plan.buckets),
        "dags": [id for dag in plan.dags for id in (dag.dag_id, *pending_dags(dag))]
        + pump_dags(plan, dialect(plan.dialect)),
        "schedules": [
            {"id": t.id, "expression": t.schedule, **({"timezone": t.timezone} if t.timezone else {})}
            for t in plan.timers
        ],
        **_retention(plan),
        **_resources(plan),
    }


def _retention(plan: p.Plan) -> dict[str, list[Any]]:
    """Which objects of the application's own bucket are deleted after how many days."""
    rules = [
        {"prefix": f"{dag.location.removeprefix(f's3://{plan.bucket}/')}/", "days": dag.retention}
        for dag in plan.dags
        if dag.retention is not None
    ]
    return {"retention": rules} if rules else {}


def _resources(plan: p.Plan) -> dict[str, list[Any]]:
    """What the tasks need, each thing once."""
    found: dict[str, dict[str, Any]] = {"glue_jobs": {}}
    for dag in plan.dags:
        for kind, entry, text in KEPT.of("resources", (dag,), partial(_needed, dag)):
            found.setdefault(kind, {}).setdefault(text, dict(entry))
    return {kind: list(listed.values()) for kind, listed in found.items()}


def _needed(dag: p.DagPlan) -> list[tuple[str, dict[str, Any], str]]:
    """What the tasks of a node need: of which kind, and as text, to tell one from another."""
    return [
        (kind, dict(entry), _sorted(entry))
        for task in dag.all_tasks
        for kind, entries in targets.resources(task, dag).items()
        for entry in entries
    ]


_sorted = json.JSONEncoder(sort_keys=True).encode


def _ignored(found: Mapping[str, str]) -> str:
    folders = {path.split("/")[0] for path in found if "/" in path}
    return "".join(f"{folder}/\n" for folder in sorted(_NO_DAGS | folders))


def manifest(plan: p.Plan, found: Mapping[str, str]) -> dict[str, Any]:
    """Return a digest of each file: what a deployment compares."""
    return {
        "app": plan.app,
        "dialect": plan.dialect,
        "files": {
            path: KEPT.of("digest", (text,), partial(_digest, text)) for path, text in sorted(found.items())
        },
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def compile_graph(graph: ir.Graph, *, dialect: str = "mwaa-3.3", bucket: str | None = None) -> dict[str, str]:
    """Return the text of each generated file by its path; the same bytes for the same graph.

    Raises ComputeError for a target that cannot be generated.
    """
    KEPT.turn()
    with uncollected():
        return compile_plan(build_plan(graph, dialect_name=dialect, bucket=bucket), graph)


def compile_plan(plan: p.Plan, graph: ir.Graph) -> dict[str, str]:
    """Return the text of each generated file of a graph that is planned already."""
    others = {
        "routes.json": route_text(route_table(graph, plan.bucket)),
        "graph.json": graph_file(graph, places(plan)),
        **alarm_files(graph),
    }
    return files(plan, others)


def write(found: dict[str, str], folder: Path) -> list[str]:
    """Make ``folder`` hold exactly these files; return the paths that changed, removed ones included."""
    with uncollected():
        changed = list(stale(found, folder))
        for path in changed:
            file = os.path.join(folder, path)
            if path in found:
                put(file, found[path])
            else:
                os.unlink(file)
    return changed


def put(file: Path | str, text: str) -> None:
    """Write a file whole: Airflow may be reading the one whose place it takes."""
    folder, name = os.path.split(file)
    part = os.path.join(folder, f".{name}.part")
    try:
        descriptor = os.open(part, _ANEW, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(part, _ANEW, 0o666)
    with open(descriptor, "wb") as written:
        written.write(text.encode())
    os.replace(part, file)


_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def stale(found: dict[str, str], folder: Path) -> Iterator[str]:
    """Yield the paths at which ``folder`` differs from these files, in order."""
    there = dict(_there(str(folder), ""))
    for path in sorted(found.keys() | there.keys()):
        if path not in there or path not in found:
            yield path
            continue
        with open(there[path], "rb", buffering=0) as file:
            if file.read() != found[path].encode():
                yield path


def _there(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    """The files below a folder: the path of each from there, and where it is."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            if entry.is_dir():
                yield from _there(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield f"{prefix}{entry.name}", entry.path


def difference(found: dict[str, str], folder: Path) -> str:
    """Return what a compile would change in ``folder``, as a unified diff."""
    lines: list[str] = []
    for path in stale(found, folder):
        file = folder / path
        old = file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []
        new = found.get(path, "").splitlines(keepends=True)
        lines += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(lines)
