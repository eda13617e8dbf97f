"""Application -> what an activation brings out: its files, its plan, its graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from codegen import compiler
from codegen import plan as p
from codegen.planning import build_plan
from codegen.template import Template, build_parts, build_template
from rheodsl import ir

MANIFEST = "MANIFEST.json"
# What says which application is active. All else may lie there before it is.
SWITCH = ("graph.json", "routes.json", "stack.json", "alarms.json")


@dataclass(frozen=True)
class Release:
    """A compiled application."""

    app: str
    files: Mapping[str, str]
    graph: ir.Graph
    plan: p.Plan

    @classmethod
    def of(cls, graph: ir.Graph, *, dialect: str, bucket: str) -> Release:
        """Compile a graph.

        Parameters
        ----------
        dialect
            Which Airflow it is for.
        bucket
            The application's own bucket.

        Raises ComputeError for a target that cannot be generated.
        """
        plan = build_plan(graph, dialect_name=dialect, bucket=bucket)
        files = compiler.compile_graph(graph, dialect=dialect, bucket=bucket)
        return cls(graph.app, files, graph, plan)

    @property
    def manifest(self) -> str:
        """The text of the manifest, which stands for everything."""
        return self.files[MANIFEST]

    @cached_property
    def stack(self) -> dict[str, Any]:
        """What ``stack.json`` says."""
        found: dict[str, Any] = json.loads(self.files["stack.json"])
        return found

    @cached_property
    def template(self) -> Template:
        """The CloudFormation template. Raises TemplateError."""
        return build_template(self.plan, self.graph)

    @cached_property
    def parts(self) -> dict[str, Template]:
        """The templates that the main one nests, by their names: none but for very large applications."""
        return build_parts(self.plan, self.graph)

    @property
    def dags(self) -> frozenset[str]:
        """The paths of the DAG files; all else is what they read."""
        return frozenset(path for path in self.files if path.endswith(".py") and "/" not in path)

    def timers(self) -> tuple[str, ...]:
        """Return the DAGs that Airflow starts by the clock: no listener stands before them."""
        return tuple(dag.dag_id for dag in self.plan.dags if isinstance(dag.schedule, p.OnCron | p.OnDelta))


def one_at_a_time(graph: ir.Graph) -> ir.Graph:
    """Return a graph whose nodes have one run at a time."""
    nodes = (replace(node, options=replace(node.options, max_active_runs=1)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def digests(manifest: str) -> dict[str, str]:
    """Return the digest of each file that a manifest lists; none for an empty text."""
    found: dict[str, str] = json.loads(manifest)["files"] if manifest else {}
    return found
