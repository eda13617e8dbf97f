"""Plan -> every generated file of an application, by its path in ``dags_out/<app>/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from codegen import plan as p
from codegen import targets
from codegen.dag import dag_file
from codegen.dialects import dialect
from codegen.hooks import pending_dags, pending_files
from codegen.routes import app_bucket as resource_name

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
        found[dag.file] = dag_file(dag, chosen)
        found |= pending_files(dag, chosen)
        for task in dag.all_tasks:
            found |= targets.files(task, dag)
    found[".airflowignore"] = _ignored(found)
    found["stack.json"] = _json(stack(plan))
    found["MANIFEST.json"] = _json(manifest(plan, found))
    return dict(sorted(found.items()))


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
        "dags": [id for dag in plan.dags for id in (dag.dag_id, *pending_dags(dag))],
        "schedules": [{"id": t.id, "expression": t.schedule} for t in plan.timers],
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
    found: dict[str, list[Any]] = {"glue_jobs": []}
    for dag in plan.dags:
        for task in dag.all_tasks:
            for kind, entries in targets.resources(task, dag).items():
                listed = found.setdefault(kind, [])
                listed += [entry for entry in entries if entry not in listed]
    return found


def _ignored(found: Mapping[str, str]) -> str:
    folders = {path.split("/")[0] for path in found if "/" in path}
    return "".join(f"{folder}/\n" for folder in sorted(_NO_DAGS | folders))


def manifest(plan: p.Plan, found: Mapping[str, str]) -> dict[str, Any]:
    """Return a digest of each file: what a deployment compares."""
    return {
        "app": plan.app,
        "dialect": plan.dialect,
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(found.items())},
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
