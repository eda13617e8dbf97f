"""Route table -> everything that the engine looks up: signals by id, their takers, nodes, windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rheo_runtime import wire
from rheo_runtime.documents import Recipe
from rheo_runtime.join import Join
from rheo_runtime.match import Literals, Matcher
from rheo_runtime.records import Binding, Key, Slot
from rheo_runtime.values import Partition, Value
from rheo_runtime.windows import CHECKED, Window, layouts


class Check:
    """A window that must be looked at before a binding fires, and how its tip follows from the binding."""

    __slots__ = ("tip", "window")

    def __init__(self, window: Window, tip: Callable[[Binding], Partition]) -> None:
        self.window = window
        self.tip = tip


class Node:
    """A route, ready to run.

    ``expires`` says that waiting combinations expire, ``spells`` that an input folds case, so that
    paths need the events' own spelling. What firing needs of the join is repeated here: with
    thousands of nodes, each object on the way is one more that is not in the processor's cache.
    """

    __slots__ = (
        "all", "binding", "checks", "expires", "id", "join", "output", "output_text", "rank", "recipe",
        "spells", "tips",
    )  # fmt: skip

    def __init__(self, rank: int, join: Join, recipe: Recipe, checks: tuple[Check, ...]) -> None:
        self.id = join.node
        self.rank = rank
        self.join = join
        self.recipe = recipe
        self.checks = checks
        self.expires = join.route.pending_ttl is not None
        self.spells = any(recipe.spells)
        self.all = join.all
        self.binding = join.binding
        self.output = join.output
        self.output_text = join.output_text
        self.tips = join.tips


class Taker:
    """Trigger input number ``position`` of a node, with all that an arrival there needs.

    ``exact`` says that a partition is its own key. ``pair`` is how the other input of two is looked
    up (slot, index, values -> key); None when the join is another one.
    """

    __slots__ = (
        "accepts", "alias", "exact", "keys", "node", "pair", "position", "signal", "slot", "values",
    )  # fmt: skip

    def __init__(self, node: Node, position: int) -> None:
        join = node.join
        source = join.triggers[position]
        self.node = node
        self.position = position
        self.alias = source.alias
        self.signal = source.signal
        self.values = join.values[position]
        self.accepts = join.accepts[position]
        self.keys = join.keys[position]
        self.slot = join.slots[position]
        self.exact = self.slot.exact
        self.pair: tuple[Slot, int, Callable[[Partition], Key]] | None = None
        if join.size == 2 and join.holds is None:
            (step,) = join.plans[position]
            self.pair = (join.slots[step.target], step.index, step.key)


class Program:
    """A route table, compiled."""

    def __init__(self, table: wire.RouteTable) -> None:
        self.table = table
        self.matcher = Matcher(table)
        self.feeds = self.matcher.feeds
        self.signals = {signal.id: signal for signal in table.signals}
        self._layouts = layouts(table)
        self.nodes = {route.node: self._node(rank, route) for rank, route in enumerate(table.routes)}
        for feed in self.feeds.values():
            feed.layout = self._layouts.get(feed.id)
        self.listen(self.nodes.values())

    def listen(self, nodes: Iterable[Node]) -> None:
        """Let events come to the inputs of these nodes, and of no others: of all, at first."""
        filters: dict[str, list[tuple[tuple[Value | None, ...], Taker]]] = {}
        for node in nodes:
            for i, source in enumerate(node.join.triggers):
                taker = Taker(node, i)
                filters.setdefault(source.signal, []).extend(
                    (tuple(rule.value for rule in branch), taker) for branch in source.branches
                )
        for feed in self.feeds.values():
            feed.takers = Literals(filters.get(feed.id, ()), len(feed.signal.dims))
            feed.everyone = feed.takers.everyone

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
