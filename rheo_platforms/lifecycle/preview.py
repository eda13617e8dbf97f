"""A program at two stages, and what runs at one of them -> the other one: only what differs, and what comes after it.

What is unchanged is an input from the stage that runs, as another application's output is: heard of, read, never
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from codegen.graph_json import graph_file
from rheo_platforms.lifecycle import changes
from rheodsl import ir
from rheodsl.checks import check
from rheodsl.errors import GraphError, StateError
from rheodsl.sharing import as_upstream


def affected(active: ir.Graph, wanted: ir.Graph) -> frozenset[str]:
    """Return the ids of the nodes that activating ``wanted`` would change or add, and of all that follow them.

    A node whose input is a signal that changed is changed; of modules it is not known which nodes import them, so
    that all are where one changed.
    """
    if active.modules != wanted.modules:
        return frozenset(node.id for node in wanted.nodes)
    old, new = graph_file(active), graph_file(wanted)
    changed = {
        each.name
        for kind in ("signals", "nodes")
        for each in changes.entities(old, new, kind)
        if each.action != changes.REMOVED
    }
    found = {id for id in changed if wanted.has_node(id)}
    reads = {node.id: set(_before(wanted, node)) for node in wanted.nodes}
    while more := {id for id, inputs in reads.items() if id not in found and inputs & (found | changed)}:
        found |= more
    return frozenset(found)


def preview_graph(
    active: ir.Graph, wanted: ir.Graph, staged: ir.Graph, runs: ir.Partner, bucket: str
) -> ir.Graph:
    """Return what a preview deploys.

    Parameters
    ----------
    active
        What runs at the stage that is the base.
    wanted
        The program as it would be there.
    staged
        The program at the preview's stage.
    runs, bucket
        Where the base lives, and its bucket.

    Raises StateError when nothing differs, GraphError when the rest cannot be read from the base.
    """
    ids = affected(active, wanted)
    nodes = tuple(node for node in staged.nodes if node.id in ids)
    if not nodes:
        raise StateError(
            f"no node of {staged.app} differs from {active.app}",
            hint="there is nothing to look at: change something first",
        )
    signals: dict[str, ir.Signal] = {}
    waiting = [*ids, *(id for node in nodes for id in _inputs(node)), *(s.id for s in staged.own_metrics)]
    while waiting:
        id = waiting.pop()
        if id in signals:
            continue
        signal = staged.signal(id)
        if isinstance(signal.source, ir.NodeSource) and id not in ids:
            signal = as_upstream(active.signal(id), active.app, bucket)
        signals[id] = signal
        if isinstance(signal.source, ir.LateSource | ir.ChecksSource):
            waiting.append(signal.source.of)
        if isinstance(signal.source, ir.ChecksSource) and signal.source.of not in ids:
            signals[id] = replace(signal, source=replace(signal.source, app=active.app))
    read = {s.source.app for s in signals.values() if isinstance(s.source, ir.UpstreamSource)}
    graph = replace(
        staged,
        signals=tuple(sorted(signals.values(), key=lambda signal: signal.id)),
        nodes=nodes,
        warnings=(),
        dashboards=(),
        upstreams=tuple(sorted(each for each in {*staged.upstreams, runs} if each.app in read)),
        downstreams=(),
    )
    if faults := check(graph):
        raise GraphError(graph.app, faults)
    return graph


def _inputs(node: ir.Node) -> Iterable[str]:
    return {each.signal for each in (*node.inputs, *(i for way in node.alternatives for i in way.inputs))}


def _before(graph: ir.Graph, node: ir.Node) -> Iterator[str]:
    """The signals that a node reads, and those that these come from."""
    for id in _inputs(node):
        yield id
        source = graph.signal(id).source
        if isinstance(source, ir.LateSource | ir.ChecksSource):
            yield source.of
