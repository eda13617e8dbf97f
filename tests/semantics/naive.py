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
