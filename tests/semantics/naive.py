"""A node, as plain Python, and a trace of events -> the executions that the contract asks for.

Written from the contract to be obviously right, not fast: every question is asked of the whole trace
again. A partition is a tuple of ints, texts and dates; a tip is what an event names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Partition = tuple[Any, ...]
Tips = Mapping[str, Partition]


@dataclass(frozen=True)
class Event:
    """One delivery: the same ``id`` again is a redelivery."""

    signal: str
    partition: Partition
    id: str


def tip_only(tip: Partition) -> list[Partition]:
    """The window of an input without one."""
    return [tip]


@dataclass(frozen=True)
class Input:
    """``accepts`` is the filter of values; ``window`` extends a tip to the partitions that are read."""

    name: str
    signal: str
    accepts: Callable[[Partition], bool] = lambda _: True
    window: Callable[[Partition], list[Partition]] = tip_only
    range_check: bool = False
    nearest: bool = False
    # How a reference follows from the tips of the triggers; a trigger has None.
    follows: Callable[[Tips], Partition] | None = None


@dataclass(frozen=True)
class Node:
    """``links`` are conditions on the tips of the triggers; ``output`` is the partition that is written."""

    inputs: Sequence[Input]
    links: Sequence[Callable[[Tips], bool]]
    output: Callable[[Tips], Partition]
    retrigger: str = "all"


Stored = frozenset[tuple[str, Partition]]


def executions(node: Node, trace: Sequence[Event], stored: Stored = frozenset()) -> Counter[Partition]:
    """Count the executions for each output partition after all of ``trace``.

    ``stored`` are partitions of signals that exist in storage without an event.
    """
    triggers = [input for input in node.inputs if input.follows is None]
    references = [input for input in node.inputs if input.follows is not None]
    # The arrivals of an input: for each partition, the distinct ids that named it.
    arrivals = [{event.partition: _ids(trace, input, event.partition) for event in trace if _passes(input, event)}
                for input in triggers]  # fmt: skip
    runs: Counter[Partition] = Counter()
    for binding in product(*arrivals):
        tips: dict[str, Partition] = {input.name: tip for input, tip in zip(triggers, binding, strict=True)}
        try:
            if not all(link(tips) for link in node.links):
                continue
            tips |= {input.name: input.follows(tips) for input in references if input.follows}
        except KeyError:  # a value that a map lacks is equal to nothing
            continue
        if all(_ready(input, tips[input.name], trace, stored) for input in node.inputs):
            counts = [len(arrived[tip]) for arrived, tip in zip(arrivals, binding, strict=True)]
            # "all": each firing uses up one arrival of every input. "any": the first firing uses one of
            # every input, and every arrival beyond those fires once.
            due = min(counts) if node.retrigger == "all" else sum(counts) - (len(counts) - 1)
            runs[node.output(tips)] += due
    return runs


def _passes(input: Input, event: Event) -> bool:
    return event.signal == input.signal and input.accepts(event.partition)


def _ids(trace: Sequence[Event], input: Input, partition: Partition) -> set[str]:
    return {event.id for event in trace if _passes(input, event) and event.partition == partition}


def _ready(input: Input, tip: Partition, trace: Sequence[Event], stored: Stored) -> bool:
    existing = {event.partition for event in trace if _passes(input, event)}
    existing |= {
        partition for signal, partition in stored if signal == input.signal and input.accepts(partition)
    }
    wanted = [partition in existing for partition in input.window(tip)]
    if input.range_check:
        return all(wanted)
    if input.nearest:
        return any(wanted)
    return True


# ── the second edition ────────────────────────────────────────────────────────────────────────────────
#
# Here order and time matter (deletions, updates, what is late), so events are taken one by one. Inputs
# join by the names of their dimensions. After every event, every binding of everything that has ever
# arrived is asked again whether it is due.

Names = tuple[str, ...]
Values = dict[str, Any]


@dataclass(frozen=True)
class Deletion:
    """A partition ends to exist."""

    signal: str
    partition: Partition


def itself(partition: Partition) -> Partition:
    """The rollup of an input without one."""
    return partition


def alone(tip: Partition) -> list[Partition]:
    """The members of a partition that is not rolled up."""
    return [tip]


@dataclass(frozen=True)
class Source:
    """One input. ``dims`` are the names of a tip's values, after the rollup.

    ``rolled`` gives the tip in which a partition of the signal lies (None: in none), ``members`` the
    partitions that lie in a tip, ``window`` the tips that are read for one.
    """

    name: str
    signal: str
    dims: Names
    rolled: Callable[[Partition], Partition | None] = itself
    members: Callable[[Partition], list[Partition]] = alone
    window: Callable[[Partition], list[Partition]] = tip_only
    trigger: bool = True
    range_check: bool = False
    at_least: int | None = None
    nearest: bool = False
    optional: bool = False
    complete: bool = True
    is_rollup: bool = False
    # Partitions below the beginning are not awaited.
    awaited: Callable[[Partition], bool] = lambda _: True

    def wanted(self, tip: Partition) -> list[Partition]:
        """Every partition of the signal that the input reads for a tip, there or not."""
        return self.laid([self.members(one) for one in self.window(tip)])

    def laid(self, parts: Sequence[Sequence[Partition]]) -> list[Partition]:
        """The partitions of a window, each as its members, in the order in which they are read."""
        found = [member for part in parts for member in part]
        return sorted(found) if self.is_rollup else found

    @property
    def lists_what_exists(self) -> bool:
        """Whether what is missing is left out of what a run reads."""
        return self.optional or self.at_least is not None or not self.complete


@dataclass(frozen=True)
class Plan:
    """A node: alternatives, each of which is a set of inputs; ``dims`` are those of the output."""

    id: str
    alternatives: Sequence[Sequence[Source]]
    dims: Names
    retrigger: str = "all"


@dataclass(frozen=True)
class Run:
    """One execution: its output and what it reads of each input, in order."""

    output: Partition
    reads: tuple[tuple[str, tuple[Partition, ...]], ...]


Binding = tuple[int, tuple[Partition, ...]]


class Machine:
    """A node that takes events, one after the other, and says what runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.happened: list[Event | Deletion] = []
        self.fired: Counter[Binding] = Counter()
        self.made: set[Partition] = set()

    def take(self, event: Event | Deletion) -> list[Run]:
        """The runs that an event starts."""
        if event in self.happened and isinstance(event, Event):
            return []  # delivered again
        self.happened.append(event)
        runs: list[Run] = []
        if self.plan.retrigger == "updated":
            written = [event]
            for one in written:
                started = [run for binding in self._updated(one) for run in self._fire(binding)]
                written += [
                    Event(self.plan.id, run.output, "") for run in started
                ]  # it may read its own past
                runs += started
            return runs
        while True:
            started = [run for binding in self._bindings() for run in self._due(binding)]
            runs += started
            if not started:
                return runs

    # Which bindings there are.

    def _bindings(self) -> list[Binding]:
        found: list[Binding] = []
        for number, inputs in enumerate(self.plan.alternatives):
            triggers = [source for source in inputs if source.trigger]
            for tips in product(*(self._tips(source) for source in triggers)):
                if _agree(triggers, tips) is not None:
                    found.append((number, tips))
        return found

    def _tips(self, source: Source) -> list[Partition]:
        tips = [source.rolled(event.partition) for event in self._events(source.signal)]
        return sorted({tip for tip in tips if tip is not None})

    def _events(self, signal: str) -> list[Event]:
        return [event for event in self.happened if isinstance(event, Event) and event.signal == signal]

    # Which of them are due.

    def _due(self, binding: Binding) -> list[Run]:
        counts = self._all_counts(binding)
        if 0 in counts or not self._ready(binding):
            return []
        if self.plan.retrigger == "any":
            due = sum(counts) - (len(counts) - 1)
        elif self.plan.retrigger == "all":
            due = min(counts)
        else:
            due = self.fired[binding] if self._output(binding) in self.made else 1
        return [run for _ in range(due - self.fired[binding]) for run in self._fire(binding)]

    def _counts(self, source: Source, tip: Partition) -> list[int]:
        """How often each member has arrived; where the members need not be complete, how often any has."""
        members = source.members(tip)
        ids = [
            {event.id for event in self._events(source.signal) if event.partition == member}
            for member in members
        ]
        if source.complete:
            return [len(of_one) for of_one in ids]
        return [len({(number, id) for number, of_one in enumerate(ids) for id in of_one})]

    def _triggers(self, binding: Binding) -> list[tuple[Source, Partition]]:
        number, tips = binding
        triggers = [source for source in self.plan.alternatives[number] if source.trigger]
        return list(zip(triggers, tips, strict=True))

    def _ready(self, binding: Binding) -> bool:
        values = self._values(binding)
        return all(
            self._satisfied(source, _at(source, values)) for source in self.plan.alternatives[binding[0]]
        )

    def _satisfied(self, source: Source, tip: Partition) -> bool:
        if source.at_least is not None:
            parts = [
                part for part in map(source.members, source.window(tip)) if any(map(source.awaited, part))
            ]
            return len(self._standing(source, tip)) >= min(source.at_least, len(parts))
        wanted = [partition for partition in source.wanted(tip) if source.awaited(partition)]
        there = [partition for partition in wanted if self.exists(source.signal, partition)]
        if source.range_check:
            return len(there) == len(wanted)
        if source.nearest:
            return bool(there) or source.optional
        return True

    def _standing(self, source: Source, tip: Partition) -> list[list[Partition]]:
        """The partitions of a window that exist, each as its members: all of them, where they are complete."""
        found = []
        for part in map(source.members, source.window(tip)):
            there = [member for member in part if self.exists(source.signal, member)]
            if there and (not source.complete or there == part):
                found.append(there)
        return found

    def exists(self, signal: str, partition: Partition) -> bool:
        """Whether a partition exists by now."""
        if signal == self.plan.id:
            return partition in self.made
        named = [e for e in self.happened if e.signal == signal and e.partition == partition]
        return bool(named) and isinstance(named[-1], Event)

    # What happens when one fires.

    def _fire(self, binding: Binding) -> list[Run]:
        values = self._values(binding)
        output = tuple(values[name] for name in self.plan.dims)
        self.fired[binding] += 1
        self.made.add(output)
        reads = {
            source.name: self._reads(source, _at(source, values), number == binding[0])
            for number, inputs in enumerate(self.plan.alternatives)
            for source in inputs
        }
        return [Run(output, tuple(sorted(reads.items())))]

    def _reads(self, source: Source, tip: Partition, named: bool) -> tuple[Partition, ...]:
        wanted = source.wanted(tip)
        there = [partition for partition in wanted if self.exists(source.signal, partition)]
        if source.nearest:
            return tuple(there[:1])
        if source.at_least is not None and named:
            return tuple(source.laid(self._standing(source, tip)))
        return tuple(there if source.lists_what_exists or not named else wanted)

    def _updated(self, event: Event | Deletion) -> list[Binding]:
        """What runs for the first time, or reads what an event has written: of the alternatives of one output one."""
        ready = [b for b in self._bindings() if all(self._all_counts(b)) and self._ready(b)]
        # Those that the event is an arrival of go before those that only read it.
        ready.sort(key=lambda b: not any(_arrives(event, source, tip) for source, tip in self._triggers(b)))
        found: dict[tuple[tuple[str, Any], ...], Binding] = {}
        ran = [self._values(binding) for binding, times in self.fired.items() if times]
        for binding in ready:
            values = self._values(binding)
            if values not in ran or (isinstance(event, Event) and self._reads_it(values, event)):
                found.setdefault(tuple(sorted(values.items())), binding)
        return list(found.values())

    def _reads_it(self, values: Values, event: Event) -> bool:
        return any(
            source.signal == event.signal
            and (
                event.partition in source.wanted(_at(source, values))
                or (source.trigger and _arrives(event, source, _at(source, values)))
            )
            for inputs in self.plan.alternatives
            for source in inputs
        )

    def _all_counts(self, binding: Binding) -> list[int]:
        return [count for source, tip in self._triggers(binding) for count in self._counts(source, tip)]

    def _values(self, binding: Binding) -> Values:
        number, tips = binding
        values = _agree([source for source in self.plan.alternatives[number] if source.trigger], tips)
        assert values is not None
        return values

    def _output(self, binding: Binding) -> Partition:
        values = self._values(binding)
        return tuple(values[name] for name in self.plan.dims)


def _agree(sources: Sequence[Source], tips: Sequence[Partition]) -> Values | None:
    """The values of all dimensions, if equal names have equal values."""
    values: Values = {}
    for source, tip in zip(sources, tips, strict=True):
        for name, value in zip(source.dims, tip, strict=True):
            if values.setdefault(name, value) != value:
                return None
    return values


def _arrives(event: Event | Deletion, source: Source, tip: Partition) -> bool:
    return event.signal == source.signal and source.rolled(event.partition) == tip


def _at(source: Source, values: Values) -> Partition:
    return tuple(values[name] for name in source.dims)


@dataclass(frozen=True)
class Late:
    """What tells of the tips of a view that are not complete at their time.

    ``tips`` are all that are counted, each with the moment at which it is judged.
    """

    signal: str
    of: Source
    tips: Sequence[tuple[Partition, Any]]

    def told(self, machine: Machine, after: Any, until: Any) -> list[Event]:
        """The events of the moments after one, up to another; the machine has taken what came before."""
        due = sorted((moment, tip) for tip, moment in self.tips if after < moment <= until)
        return [
            Event(self.signal, tip, f"late/{tip}")
            for _, tip in due
            if not all(machine.exists(self.of.signal, partition) for partition in self.of.wanted(tip))
        ]
