"""Route table -> everything that the engine looks up: signals by id, their takers, nodes, windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rheo_runtime import wire
from rheo_runtime.documents import Recipe
from rheo_runtime.join import Join
from rheo_runtime.match import Literals, Matcher
from rheo_runtime.records import Binding
from rheo_runtime.values import Partition
from rheo_runtime.windows import CHECKED, Layout, Window, layouts


class Check:
    """A window that must be looked at before a binding fires, and how its tip follows from the binding."""

    __slots__ = ("tip", "window")

    def __init__(self, window: Window, tip: Callable[[Binding], Partition]) -> None:
        self.window = window
        self.tip = tip


class Node:
    """A route, ready to run.

    ``expires`` says that waiting combinations expire, ``spells`` that an input folds case, so that
    paths need the events' own spelling.
    """

    __slots__ = ("checks", "expires", "id", "join", "rank", "recipe", "spells")

    def __init__(self, rank: int, join: Join, recipe: Recipe, checks: tuple[Check, ...]) -> None:
        self.id = join.node
        self.rank = rank
        self.join = join
        self.recipe = recipe
        self.checks = checks
        self.expires = join.route.pending_ttl is not None
        self.spells = any(recipe.spells)


class Taker(NamedTuple):
    """Trigger input number ``position`` of a node."""

    node: Node
    position: int
    alias: str


class Feed:
    """A signal as the engine sees it: where its partitions stand, and who takes them.

    ``layout`` is None when nobody asks which partitions exist; ``takers`` gives, for a partition,
    the inputs whose filters let it pass.
    """

    __slots__ = ("layout", "signal", "spells", "takers")

    def __init__(
        self, signal: wire.Signal, layout: Layout | None, inputs: list[tuple[Taker, wire.Input]]
    ) -> None:
        self.signal = signal
        self.layout = layout
        self.spells = any(rule.kind.insensitive for branch in signal.branches for rule in branch)
        filters = [
            (tuple(rule.value for rule in branch), taker)
            for taker, source in inputs
            for branch in source.branches
        ]
        self.takers = Literals(filters, len(signal.dims)).find


class Program:
    """A route table, compiled."""

    def __init__(self, table: wire.RouteTable) -> None:
        self.table = table
        self.matcher = Matcher(table)
        self.signals = self.matcher.signals
        self._layouts = layouts(table)
        self.nodes: dict[str, Node] = {}
        takers: dict[str, list[tuple[Taker, wire.Input]]] = {name: [] for name in self.signals}
        for rank, route in enumerate(table.routes):
            node = self._node(rank, route)
            self.nodes[route.node] = node
            for i, source in enumerate(node.join.triggers):
                takers[source.signal].append((Taker(node, i, source.alias), source))
        self.feeds = {
            name: Feed(signal, self._layouts.get(name), takers[name]) for name, signal in self.signals.items()
        }

    def _node(self, rank: int, route: wire.Route) -> Node:
        join = Join(route, self.signals)
        checks = []
        triggers = references = 0
        for source in route.inputs:
            if source.tip is None:
                tip, triggers = _at(triggers), triggers + 1
            else:
                tip, references = join.tips[references], references + 1
            if source.mode in CHECKED:
                checks.append(Check(Window(source, self._layouts[source.signal]), tip))
        return Node(rank, join, Recipe(self.table.app, join, self.signals), tuple(checks))


def _at(position: int) -> Callable[[Binding], Partition]:
    return lambda binding: binding[position]
