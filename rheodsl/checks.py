"""A graph -> its faults that only show when it is seen as a whole."""

from __future__ import annotations

import difflib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from rheodsl import ir
from rheodsl.errors import CycleError, NameError_, RheoError, Warning_
from rheodsl.resolution import Declaration


def check(graph: ir.Graph) -> list[RheoError]:
    """Return all faults of a resolved graph."""
    return list(_same_file(graph))


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


def misspelt(nodes: Iterable[ir.Node], create: Callable[..., object]) -> Iterator[Warning_]:
    """Yield a warning for metadata named almost like a parameter of ``create``, which it is likely meant to be."""
    parameters = [
        p.name for p in inspect.signature(create).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    for node in nodes:
        for name, _ in node.metadata:
            if near := difflib.get_close_matches(name, parameters, 1, 0.85):
                yield Warning_(
                    "RD202",
                    f"{node.id}: {name!r} is kept as metadata; create_data has no such parameter",
                    node.where,
                    f"did you mean {near[0]!r}?",
                )


def in_order(declared: Mapping[str, Declaration], faults: list[RheoError]) -> list[str]:
    """Ids, each after the nodes that it reads; a cycle is a fault."""
    order: list[str] = []
    state: dict[str, int] = {}
    for start in declared:
        stack = [(start, iter(_upstream(declared, start)))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            id, upstream = stack[-1]
            for below in upstream:
                if state.get(below) == 1:
                    path = [i for i, _ in stack]
                    loop = [*path[path.index(below) :], below]
                    faults.append(
                        CycleError(
                            f"nodes wait for one another: {' <- '.join(loop)}",
                            where=declared[id].where,
                            hint="leave one of these inputs out",
                        )
                    )
                elif below not in state:
                    state[below] = 1
                    stack.append((below, iter(_upstream(declared, below))))
                    break
            else:
                state[id] = 2
                order.append(id)
                stack.pop()
    return order


def _upstream(declared: Mapping[str, Declaration], id: str) -> list[str]:
    return [view.id for _, view in declared[id].inputs if view.id in declared]
