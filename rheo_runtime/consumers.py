"""A route -> its node, ready to run, and what takes the events of each trigger input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rheo_runtime import wire
from rheo_runtime.documents import RouteDocumentBuilder
from rheo_runtime.join import Finder, Join, Passes
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import ArrivalIndex, Arrivals, Binding, Came, Group, Key, Means, User
from rheo_runtime.rollup import members_of
from rheo_runtime.values import BadValue, Partition, Value, joined
from rheo_runtime.windows import Window, around, reads

_new = tuple.__new__  # of a named tuple, in half the time


class Check:
    """A window that must be looked at before a binding fires, and how its tip follows from the binding."""

    __slots__ = ("tip", "window")

    def __init__(self, window: Window, tip: Callable[[Binding], Partition]) -> None:
        self.window = window
        self.tip = tip


class Read(NamedTuple):
    """A partition that a binding may read by one of its inputs; of a ``nearest`` input, only what it chose."""

    alias: str
    signal: str
    partition: Partition
    nearest: bool


class Node:
    """A route, ready to run.

    ``expires`` says that waiting combinations expire, ``grouped`` that members of a rollup are awaited
    together. ``once`` says that no event makes an output again, ``updates`` that a binding which has run does so
    again when what it reads is written anew. ``guesses`` says that no two of its bindings have one output, and nothing has
    to be looked at before the first firing of one, ``at_once`` that this may be written with its arrivals. ``key``
    is the id, and the number of an ``alternative`` but the first. ``means`` is what its bindings mean, ``shared`` what those of
    alternatives (``ways``) that run again mean together. What firing needs of the join is repeated here: with
    thousands of nodes, each object on the way is one more that is not in the processor's cache.
    """

    __slots__ = (
        "_inputs",
        "all",
        "alternative",
        "at_once",
        "binding",
        "checks",
        "document_builder",
        "expires",
        "grouped",
        "guesses",
        "id",
        "join",
        "key",
        "means",
        "once",
        "output",
        "output_text",
        "rank",
        "shared",
        "tips",
        "updates",
        "ways",
    )  # fmt: skip

    def __init__(
        self, rank: int, join: Join, document_builder: RouteDocumentBuilder, checks: tuple[Check, ...]
    ) -> None:
        self.id = join.node
        self.key = join.route.key
        self.alternative = join.route.alternative
        self.rank = rank
        self.join = join
        self.document_builder = document_builder
        self.checks = checks
        self.grouped = any(members is not None for members in join.rolled)
        self.expires = join.route.pending_ttl is not None
        self.once = join.route.retrigger == "never"
        self.updates = join.route.retrigger == "updated"
        self.all = join.all
        self.guesses = join.alone and not (
            self.alternative or self.once or self.updates or self.expires or self.grouped or checks
        )
        self.at_once = self.guesses and self.all and join.by_key and not join.route.pending_hooks
        self.binding = join.binding
        self.output = join.output
        self.output_text = join.output_text
        self.tips = join.tips
        self._inputs: dict[str, str] = {}
        self.agree([self])

    def user(self, binding: Binding, found: Sequence[Arrivals | Group | None]) -> User:
        """Return the name under which what a binding has used is kept; ``found`` are its arrivals."""
        if not self.grouped:
            return _new(User, (binding, self.means, ()))
        return User(
            binding,
            self.means,
            tuple(
                (name, part.partition)
                for name, record in zip(self.means.inputs, found, strict=True)
                for part in (record.parts if isinstance(record, Group) else (record,))
                if part is not None
            ),
        )

    def reader(self, binding: Binding, reads: Sequence[Read]) -> User:
        """Return the same for a binding that runs again by what it reads.

        Bindings of several alternatives that read the same are one: what one has read, none need make again.
        """
        named = tuple([(self._inputs[read.alias], read.partition) for read in reads])
        if self.shared is None:
            return User(binding, self.means, named)
        return User(((wire.digest(sorted(map(repr, named))),),), self.shared, named)

    def leaves_out(self, binding: Binding) -> bool:
        """Say whether a filter leaves out some partition of a binding: one that came when the filter was another."""
        return any(
            passes is not None and not passes(partition)
            for passes, partition in zip(self.join.passes, binding, strict=True)
        )

    def agree(self, ways: Sequence[Node]) -> None:
        """Know what its bindings mean, beside all alternatives of the node."""
        join = self.join
        now = frozenset(way.join.means for way in ways)
        order = tuple(join.positions.values())
        self.means = Means(join.means, join.inputs, now, order, self.updates)
        together = self.updates and len(now) > 1
        self.shared = Means(wire.digest(sorted(now)), (), order=(0,), updates=True) if together else None
        signals = self.document_builder.signals
        self.ways = tuple(ways)
        self._inputs = {
            i.alias: wire.digest([i.alias, wire.meaning(signals[i.signal])])
            for way in (*ways, self)
            for i in way.join.route.inputs
        }

    def came(self, ledger: Ledger, partition: Partition) -> Came | None:
        """Return the arrivals of a key that are counted with its output alone, if there are such; for monitoring."""
        if not self.at_once:
            return None
        try:
            text = self.output_text(self.output((partition,) * self.join.size))
        except BadValue:
            return None  # it fires nothing
        output, _ = ledger.output(self.id, text, None)
        return None if output is None else output.came

    def reads(self, binding: Binding, ledger: Finder) -> list[Read]:
        """Return every partition that a binding may read, there or not, always in the same order.

        Where arrivals alone tell which members a rollup has, ``ledger`` knows them.
        """
        tips = self.join.tips_of(binding)
        return [
            Read(source.alias, source.signal, partition, source.mode == "nearest")
            for source, tip in zip(self.join.route.inputs, tips, strict=True)
            for partition in (
                self.come(ledger, source, tip) if source.alias in self.join.members else reads(source, tip)
            )
        ]

    def come(self, ledger: Finder, source: wire.Input, tip: Partition) -> list[Partition]:
        """Return what has come of the window of a rollup, where arrivals alone tell which members there are."""
        found = {p for each in around(source, tip) for p in self.join.come(ledger, source.alias, each)}
        return sorted(found)


class Consumer:
    """Trigger input number ``position`` of a node, with all that an arrival there needs.

    ``exact`` says that a partition is its own key. ``pair`` is how the other input of two is looked
    up (slot, index, values -> key, what its filter lets pass); None when the join is another one. ``members`` is None unless the input
    is a rollup. ``partners`` names the input, if any, that can never have a partition to join some values.
    """

    __slots__ = (
        "accepts",
        "alias",
        "arrival_index",
        "exact",
        "keys",
        "members",
        "node",
        "pair",
        "partners",
        "position",
        "signal",
        "values",
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
        self.arrival_index = join.arrival_indexes[position]
        self.exact = self.arrival_index.exact
        self.members = members_of(source)
        self.partners = join.partners[position]
        self.pair: tuple[ArrivalIndex, int, Callable[[Partition], Key], Passes | None] | None = None
        if join.size == 2 and join.holds is None and not node.grouped:
            (step,) = join.plans[position]
            self.pair = (join.arrival_indexes[step.target], step.index, step.key, join.passes[step.target])

    def taken(self, partition: Partition) -> tuple[Value, ...] | None:
        """Return the values by which a partition is joined; None where the input does not take it.

        Raises BadValue where they cannot be told.
        """
        values = partition if self.exact else self.values(partition)
        return None if self.accepts is not None and not self.accepts(partition) else values

    def places(self, values: tuple[Value, ...]) -> tuple[Key, ...]:
        """Return the keys under which an arrival of these values stands in the indexes."""
        return (values,) if self.exact else self.keys(values)

    def keys_of(self, partition: Partition) -> tuple[Key, ...]:
        """Return the keys under which a partition that the input takes stands in the indexes."""
        return self.places(self.values(partition))

    def output(self, partition: Partition) -> str | None:
        """Return the output that an arrival may fire, where its partition alone tells."""
        join = self.node.join
        if self.members is not None or not join.told_by[self.position]:
            return None
        try:
            return join.output_text(join.output((partition,) * join.size))
        except BadValue:
            return None  # it fires nothing

    def record(self, ledger: Ledger, partition: Partition) -> Arrivals | None:
        """Return what has arrived of a partition of the signal; None where that is nothing, or counts no more.

        Of a rollup that runs without some of its members, what counts is kept for all of them together.
        """
        place, index = partition, self.arrival_index
        if self.members is not None:
            coarse = self.members.coarse(partition)
            if coarse is None:
                return None
            if not self.members.complete:
                return self._member(ledger, coarse, partition)
            place = coarse
        try:
            key = self.keys_of(place)[0]
        except BadValue:
            return None  # a link has no value for it: it never joins
        return ledger.arrived(index, key, partition, self.node.came(ledger, partition))

    def _member(self, ledger: Ledger, coarse: Partition, partition: Partition) -> Arrivals | None:
        assert self.members is not None
        if self.members.open:
            found = ledger.find(self.node.join.members[self.alias], 0, coarse)
            return next((r for r in found if r.partition == partition), None)
        try:
            key = self.keys_of(coarse)[0]
        except BadValue:
            return None
        whole = next((r for r in ledger.find(self.arrival_index, 0, key) if r.partition == coarse), None)
        text = joined(self.node.document_builder.signals[self.signal].texts(partition))
        mine = {} if whole is None else {e: t for e, t in whole.times().items() if e.endswith(f"@{text}")}
        if not mine:
            return None
        record = Arrivals(partition, next(iter(mine)), min(mine.values()))
        record.ids, record.n = mine, len(mine)
        return record
