"""Route table -> everything that the engine looks up: signals by id, their consumers, nodes, windows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.consumers import Check, Consumer, Node
from rheo_runtime.documents import Draft, RouteDocumentBuilder, Said
from rheo_runtime.join import Join, versions_of
from rheo_runtime.late import lates_of
from rheo_runtime.ledger import Ledger
from rheo_runtime.match import Literals, Matcher
from rheo_runtime.records import CHUNK, Arrivals, Binding
from rheo_runtime.rollup import members_of
from rheo_runtime.values import Partition, Value
from rheo_runtime.windows import Window, asked, layouts


class Program:
    """A route table, compiled.

    ``nodes`` has each route: a node's first one under its id, further alternatives under keys of their own
    (see `wire.Route.key`). ``makers`` has the first ones alone, by the id of the node.
    """

    def __init__(self, table: wire.RouteTable) -> None:
        self.table = table
        self.matcher = Matcher(table)
        self.signal_sources = self.matcher.signal_sources
        self.signals = {signal.id: signal for signal in table.signals}
        self._layouts = layouts(table)
        self.nodes = {route.key: self._node(rank, route) for rank, route in enumerate(table.routes)}
        self.batches = {r.node: (r.batch, r.batch_wait) for r in table.routes if r.batch}
        self.makers = {node.id: node for node in self.nodes.values() if not node.alternative}
        self._ways: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            self._ways.setdefault(node.id, []).append(node)
        self._agree()
        for signal_source in self.signal_sources.values():
            signal_source.layout = self._layouts.get(signal_source.id)
        counted = {i.signal for route in table.routes if route.retrigger == "updated" for i in route.inputs}
        for id in counted:
            self.signal_sources[id].versions = versions_of(self.signals[id])
        self.lates = lates_of(table, self._layouts)
        self.listen(self.nodes.values())

    def _agree(self) -> None:
        """Let the documents of all alternatives of a node mean one thing: they are of one output.

        And let their bindings be told apart: what they mean is what each alternative is known by.
        """
        for ways in self._ways.values():
            if len(ways) == 1:
                continue
            builders = [node.document_builder for node in ways]
            means = wire.digest(sorted(builder.means for builder in builders))
            for builder in builders:
                builder.means = means
            same = Counter(node.join.means for node in ways)
            for node in ways:
                if same[node.join.means] > 1:
                    node.join.means = wire.digest(
                        [node.join.means, sorted(map(_reads, node.join.route.inputs))]
                    )
            for node in ways:
                node.document_builder.way = node.join.means
                node.agree(ways)

    def way(self, node: str, means: str) -> Node | None:
        """Return the node, or that alternative of it, whose bindings mean this; None when nothing does now."""
        return next((way for way in self._ways.get(node, ()) if way.join.means == means), None)

    def ways(self, node: str) -> list[Node]:
        """Return the alternatives of a node, in their order: one for most nodes, none where it is not known."""
        return self._ways.get(node, [])

    def seen(self, ledger: Ledger, signal: str, partition: Partition) -> bool:
        """Say whether a partition is known to exist; False where nobody asks about its signal."""
        layout = self.signal_sources[signal].layout
        if layout is None:
            return False
        row, position = layout.place(partition)
        return ledger.seen(layout.rows, row, position, position) >> position % CHUNK & 1 == 1

    def record(self, ledger: Ledger, signal: str, partition: Partition) -> Arrivals | None:
        """Return what has arrived of a partition at any node; None where that is nothing, or counts no more."""
        consumers = self.signal_sources[signal].consumers.find(partition)
        found = (consumer.record(ledger, partition) for consumer in consumers)
        return next((record for record in found if record is not None), None)

    def spelled(self, ledger: Ledger, draft: Draft) -> Draft:
        """Return an execution that is asked for with the spelling that events gave to its inputs, where it may differ."""
        builder = draft.document_builder
        if not any(builder.spells):
            return draft
        read = zip(builder.join.triggers, draft.binding, strict=True)
        return draft._replace(spelled=tuple(self._said(ledger, source, tip) for source, tip in read))

    def _said(self, ledger: Ledger, source: wire.Input, tip: Partition) -> tuple[str, ...] | Said | None:
        """How events spelled the tip of an input; of a rollup its first member, as which the others are spelled."""
        rolled = members_of(source)
        first = tip if rolled is None else next(iter(rolled.members(tip)), None)
        record = None if first is None else self.record(ledger, source.signal, first)
        if first is None or record is None or record.texts is None:
            return None
        return record.texts if rolled is None else ((first, record.texts),)

    def listen(self, nodes: Iterable[Node]) -> None:
        """Let events come to the inputs of these nodes, and of no others: of all, at first."""
        filters: dict[str, list[tuple[tuple[Value | None, ...], Consumer]]] = {}
        for node in nodes:
            for i, source in enumerate(node.join.triggers):
                consumer = Consumer(node, i)
                branches = source.branches if source.rollup is None else source.rollup.members
                filters.setdefault(source.signal, []).extend(
                    (tuple(rule.value for rule in branch), consumer) for branch in branches
                )
        for signal_source in self.signal_sources.values():
            signal_source.consumers = Literals(
                filters.get(signal_source.id, ()), len(signal_source.signal.dims)
            )
            signal_source.everyone = signal_source.consumers.everyone

    def leave_native(self) -> None:
        """Let no event come to the nodes that Airflow itself starts: they are known, and no more."""
        self.listen(node for node in self.nodes.values() if not node.join.route.native)

    def _node(self, rank: int, route: wire.Route) -> Node:
        join = Join(route, self.signals)
        checks = []
        references = 0
        for source in route.inputs:
            if source.tip is None:
                tip = _at(join.positions[source.alias])
            else:
                tip, references = join.tips[references], references + 1
            if asked(source):
                checks.append(Check(Window(source, self._layouts[source.signal]), tip))
        return Node(rank, join, RouteDocumentBuilder(self.table.app, join, self.signals), tuple(checks))


def _reads(source: wire.Input) -> str:
    """What an input reads, whatever the input is for."""
    branches = [
        [(r.value, r.window and list(r.window.offsets())) for r in branch] for branch in source.branches
    ]
    tip = source.tip and [x.to_json(expr) for expr in source.tip]
    return json.dumps([source.alias, tip, branches, source.mode, source.at_least, source.optional])


def _at(position: int) -> Callable[[Binding], Partition]:
    return lambda binding: binding[position]
