"""A graph -> its faults that only show when it is seen as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rheodsl import ir
from rheodsl.errors import NameError_, RheoError

# MWAA's InvokeRestApi takes paths of at most 64 characters: /dags/<dag id>/dagRuns.
MAX_DAG_ID = 48


def dag_id(app: str, node: str) -> str:
    """Return the id of a node's DAG.

    >>> dag_id("flights", "delay_trend")
    'flights.delay_trend'
    """
    return f"{app}.{node}"


def check(graph: ir.Graph) -> list[RheoError]:
    """Return all faults of a resolved graph."""
    return [*_long_ids(graph), *_same_file(graph)]


def _long_ids(graph: ir.Graph) -> Iterator[RheoError]:
    for node in graph.nodes:
        id = dag_id(graph.app, node.id)
        if len(id) > MAX_DAG_ID:
            yield NameError_(
                f"the DAG id {id!r} has {len(id)} characters; MWAA's API takes {MAX_DAG_ID}",
                where=node.where,
                hint="shorten the node's id or the application's name",
            )


def _same_file(graph: ir.Graph) -> Iterator[RheoError]:
    """Ids that differ by case or punctuation alone would be one file on some disks."""
    files: dict[str, list[ir.Node]] = defaultdict(list)
    for node in graph.nodes:
        files[node.id.lower().replace("-", "_").replace(".", "_")].append(node)
    for nodes in files.values():
        if len(nodes) > 1:
            names = " and ".join(repr(n.id) for n in nodes)
            yield NameError_(
                f"{names} would be written to one file",
                where=nodes[1].where,
                hint="choose ids that differ in letters",
            )
