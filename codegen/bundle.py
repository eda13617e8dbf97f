"""Plan -> every generated file of an application, by its path in ``dags_out/<app>/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from codegen import plan as p
from codegen.dag import dag_file
from codegen.dialects import dialect
from codegen.glue_script import glue_script
from codegen.inlined import inlined_module
from codegen.routes import app_bucket as resource_name

STACK_VERSION = 1
# Airflow must not look for DAGs in these.
_IGNORED = "glue/\ninlined/\n"


def files(plan: p.Plan, others: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the text of each file, by its path, sorted.

    ``others`` are files that are made elsewhere (``routes.json``, ``graph.json``) and belong to the
    application too; ``MANIFEST.json`` lists them all.
    """
    chosen = dialect(plan.dialect)
    found: dict[str, str] = dict(others or {})
    for dag in plan.dags:
        found[dag.file] = dag_file(dag, chosen)
        for task in dag.tasks:
            match task:
                case p.SparkTask():
                    found[task.script] = glue_script(dag, task)
                case p.PythonTask():
                    found[task.file] = inlined_module(task)
    found[".airflowignore"] = _IGNORED
    found["stack.json"] = _json(stack(plan))
    found["MANIFEST.json"] = _json(manifest(plan, found))
    return dict(sorted(found.items()))


def stack(plan: p.Plan) -> dict[str, Any]:
    """Return what must exist around the DAGs, for a platform to create.

    ``buckets`` are those whose objects announce partitions. ``schedules`` must be fired by somebody: the
    other timers are in the DAGs. A job's ``script`` is relative to the application's folder, its
    ``arguments`` are defaults, ``timeout`` is in minutes.
    """
    name = resource_name(plan.app)
    jobs = [(dag, task) for dag in plan.dags for task in dag.tasks if isinstance(task, p.SparkTask)]
    return {
        "version": STACK_VERSION,
        "app": plan.app,
        "dialect": plan.dialect,
        "bucket": plan.bucket,
        "table": name,
        "queue": name,
        "buckets": list(plan.buckets),
        "dags": [dag.dag_id for dag in plan.dags],
        "schedules": [{"id": t.id, "expression": t.schedule} for t in plan.timers],
        "glue_jobs": [_job(dag, task) for dag, task in jobs],
    }


def _job(dag: p.DagPlan, task: p.SparkTask) -> dict[str, Any]:
    given = dict(task.parameters)
    job: dict[str, Any] = {
        "name": task.job,
        "script": task.script,
        "glue_version": given.pop("GlueVersion", "5.0"),
        "timeout": given.pop("Timeout", 480),
        "concurrent": dag.max_active_runs,
        "arguments": {"--enable-glue-datacatalog": "true"},
        "reads": sorted({i.location for i in dag.inputs if i.location is not None}),
        "writes": [dag.location],
    }
    if "MaxCapacity" not in given:
        # Glue wants a capacity, or both worker type and number.
        job["worker_type"] = given.pop("WorkerType", "G.1X")
        job["workers"] = given.pop("NumberOfWorkers", 2)
    if given:
        job["parameters"] = given
    if task.libraries:
        job["arguments"]["--extra-jars"] = ",".join(task.libraries)
    if task.permissions:
        job["permissions"] = [{"resources": list(r), "actions": list(a)} for r, a in task.permissions]
    return job


def manifest(plan: p.Plan, found: Mapping[str, str]) -> dict[str, Any]:
    """Return a digest of each file: what a deployment compares."""
    return {
        "app": plan.app,
        "dialect": plan.dialect,
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(found.items())},
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
