"""Application -> text at a stage of its way to Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pprint import pformat

from codegen.compiler import compile_graph
from codegen.graph_json import graph_file
from codegen.planning import build_plan
from rheodsl import ir
from rheodsl.application import Application
from rheodsl.describe import describe
from rheodsl.errors import UnknownNameError


def _graph(app: Application, node: str | None) -> str:
    return describe(_only(app.graph(), node))


def _plan(app: Application, node: str | None) -> str:
    plan = build_plan(app.graph())
    dags = [dag for dag in plan.dags if node in (None, dag.node)]
    _only(app.graph(), node)
    return "\n".join(pformat(dag, width=110, sort_dicts=True) for dag in dags) + "\n"


def _dag(app: Application, node: str | None) -> str:
    _only(app.graph(), node)
    found = compile_graph(app.graph())
    wanted = [f"{n.id}.py" for n in app.graph().nodes if node in (None, n.id)]
    return "\n\n".join(f"# ---- {path}\n{found[path]}" for path in wanted)


def _only(graph: ir.Graph, node: str | None) -> ir.Graph:
    if node is None:
        return graph
    nodes = tuple(n for n in graph.nodes if n.id == node)
    if not nodes:
        known = ", ".join(n.id for n in graph.nodes) or "none"
        raise UnknownNameError(f"{graph.app} has no node {node!r}", hint=f"its nodes: {known}")
    read = {i.signal for i in nodes[0].inputs}
    return replace(graph, nodes=nodes, signals=tuple(s for s in graph.signals if s.id in read))


def _data(app: Application, node: str | None) -> object:
    return json.loads(graph_file(_only(app.graph(), node)))


def _planned(app: Application, node: str | None) -> object:
    _only(app.graph(), node)
    return [dag for dag in build_plan(app.graph()).dags if node in (None, dag.node)]


def _files(app: Application, node: str | None) -> object:
    _only(app.graph(), node)
    found = compile_graph(app.graph())
    return {f"{n.id}.py": found[f"{n.id}.py"] for n in app.graph().nodes if node in (None, n.id)}


STAGES: dict[str, Callable[[Application, str | None], str]] = {"graph": _graph, "plan": _plan, "dag": _dag}
# The same as data.
DATA: dict[str, Callable[[Application, str | None], object]] = {
    "graph": _data, "plan": _planned, "dag": _files,
}  # fmt: skip
