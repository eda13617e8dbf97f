"""A graph -> its faults that only show when it is seen as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from rheo_runtime.wire import checks_signal
from rheodsl import ir
from rheodsl.declaration import Declaration
from rheodsl.errors import ComputeError, CycleError, InvalidNameError, RheoError
from rheodsl.modules import imports_missing
from rheodsl.texts import check_texts


def check(graph: ir.Graph) -> list[RheoError]:
    """Return all faults of a resolved graph."""
    texts = [fault for node in graph.nodes for fault in check_texts(node)]
    return [*_same_file(graph), *_no_checks(graph), *texts, *imports_missing(graph)]


def _no_checks(graph: ir.Graph) -> Iterator[RheoError]:
    """Signals of checks that nobody makes, and ids that such signals have."""
    for signal in graph.signals:
        source = signal.source
        if not isinstance(source, ir.ChecksSource) or source.app:
            continue
        if not graph.has_node(source.of) or not graph.node(source.of).checks:
            readers = [n for n in graph.nodes if any(i.signal == signal.id for i in n.inputs)]
            yield ComputeError(
                f"{readers[0].id if readers else signal.id}: {source.of} has no checks, so they never end",
                where=readers[0].where if readers else signal.where,
                hint=f"give {source.of} some: checks=[row_count(1)]",
            )
    for node in graph.nodes:
        id = checks_signal(node.id)
        if node.checks and graph.has_signal(id) and not isinstance(graph.signal(id).source, ir.ChecksSource):
            yield InvalidNameError(
                f"the id {id!r} is that of the checks of {node.id}",
                where=graph.signal(id).where,
                hint="choose another id",
            )


def _same_file(graph: ir.Graph) -> Iterator[RheoError]:
    """Ids that differ by case or punctuation alone would be one file on some disks."""
    files: dict[str, list[ir.Node]] = defaultdict(list)
    for node in graph.nodes:
        files[node.id.lower().replace("-", "_").replace(".", "_")].append(node)
    for nodes in files.values():
        if len(nodes) > 1:
            names = " and ".join(repr(n.id) for n in nodes)
            yield InvalidNameError(
                f"{names} would be written to one file",
                where=nodes[1].where,
                hint="choose ids that differ in letters",
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
    sources = ((view.id, view.signal.source) for _, view in declared[id].inputs)
    read = [source.of if isinstance(source, ir.ChecksSource) else name for name, source in sources]
    return [each for each in read if each in declared]
