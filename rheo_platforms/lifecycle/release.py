"""Application -> what an activation brings out: its files, its plan, its graph, and what they were generated for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from codegen import compiler
from codegen import plan as p
from codegen.cloudformation.listener import lambda_zip
from codegen.cloudformation.stack import Template, build_parts, build_template, compact
from codegen.graph_json import load_graph
from codegen.planning import build_plan
from rheo_platforms import airflow_files
from rheodsl import ir

MANIFEST = "MANIFEST.json"
# What says which application is active. All else may lie there before it is.
SWITCH = ("graph.json", "routes.json", "stack.json", "alarms.json")
# What is kept of a release beside its files, where there is an account: see `Release.stock`.
_TEMPLATE, _PARTS, _LISTENER, _RUNTIME = "template.json", "parts/", "listener.zip", "runtime/"


@dataclass(frozen=True)
class Release:
    """A compiled application. ``kept`` is its `stock`, when it was not compiled now."""

    app: str
    files: Mapping[str, str]
    graph: ir.Graph
    plan: p.Plan
    kept: Mapping[str, bytes] = field(default_factory=dict)

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
        return cls(graph.app, compiler.compile_plan(plan, graph), graph, plan)

    @classmethod
    def again(cls, files: Mapping[str, str], kept: Mapping[str, bytes]) -> Release:
        """Return a release of before: its files as they were then, and all else."""
        graph, stack = load_graph(files["graph.json"]), json.loads(files["stack.json"])
        plan = build_plan(graph, dialect_name=stack["dialect"], bucket=stack["bucket"])
        return cls(graph.app, files, graph, plan, kept)

    @property
    def manifest(self) -> str:
        """The text of the manifest, which stands for all files."""
        return self.files[MANIFEST]

    @cached_property
    def stack(self) -> dict[str, Any]:
        """What ``stack.json`` says."""
        found: dict[str, Any] = json.loads(self.files["stack.json"])
        return found

    @cached_property
    def template(self) -> Template:
        """The CloudFormation template. Raises TemplateError."""
        if _TEMPLATE in self.kept:
            found: Template = json.loads(self.kept[_TEMPLATE])
            return found
        return build_template(self.plan, self.graph)

    @cached_property
    def parts(self) -> dict[str, Template]:
        """The templates that the main one nests, by their names: none but for very large applications."""
        if _TEMPLATE in self.kept:
            return {name: json.loads(text) for name, text in _below(self.kept, _PARTS).items()}
        return build_parts(self.plan, self.graph)

    @cached_property
    def listener(self) -> bytes:
        """The zip of the listener."""
        return self.kept.get(_LISTENER) or lambda_zip(self.files["routes.json"])

    @cached_property
    def runtime(self) -> dict[str, str]:
        """What the DAG files import of Rheo, by its paths."""
        if _TEMPLATE in self.kept:
            return {path: text.decode() for path, text in _below(self.kept, _RUNTIME).items()}
        return airflow_files.sources()

    @cached_property
    def runtime_id(self) -> str:
        """A name of `runtime`: another one for each content."""
        return _digest({path: text.encode() for path, text in self.runtime.items()})[:16]

    def stock(self) -> dict[str, bytes]:
        """Return what an account needs of the release beside its files, by its paths. Raises TemplateError."""
        return {
            _TEMPLATE: compact(self.template).encode(),
            _LISTENER: self.listener,
            **{f"{_PARTS}{name}": compact(part).encode() for name, part in self.parts.items()},
            **{f"{_RUNTIME}{path}": text.encode() for path, text in self.runtime.items()},
        }

    def digest(self, stock: Mapping[str, bytes]) -> str:
        """Return what stands for the release with its stock: the same for the same content."""
        return _digest({**stock, MANIFEST: self.manifest.encode()})

    @property
    def dags(self) -> frozenset[str]:
        """The paths of the DAG files; all else is what they read."""
        return frozenset(path for path in self.files if path.endswith(".py") and "/" not in path)

    def timers(self) -> tuple[str, ...]:
        """Return the DAGs that Airflow starts by the clock: no listener stands before them."""
        return tuple(dag.dag_id for dag in self.plan.dags if isinstance(dag.schedule, p.OnCron))


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {path.removeprefix(folder): text for path, text in files.items() if path.startswith(folder)}


def _digest(files: Mapping[str, bytes]) -> str:
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def one_at_a_time(graph: ir.Graph) -> ir.Graph:
    """Return a graph whose nodes have one run at a time."""
    nodes = (replace(node, options=replace(node.options, max_active_runs=1)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def digests(manifest: str) -> dict[str, str]:
    """Return the digest of each file that a manifest lists; none for an empty text."""
    found: dict[str, str] = json.loads(manifest)["files"] if manifest else {}
    return found
