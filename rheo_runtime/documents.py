"""A binding that fired -> its execution document: the paths of every input, as the compute reads them."""

from __future__ import annotations

from typing import Any, NamedTuple

from rheo_runtime import wire
from rheo_runtime.join import Join
from rheo_runtime.records import Binding, Document, execution_id
from rheo_runtime.texts import joined
from rheo_runtime.values import BadValue, Partition
from rheo_runtime.windows import expand

VERSION = 1


# What is kept of a firing: its binding; the output partition; the events' own spellings of the tips, None
# where they are as rendered; the partitions that nearest inputs took, by alias. Plain tuples: see `Used`.
Spelled = tuple[tuple[str, ...] | None, ...]
Chosen = tuple[tuple[str, Partition], ...]
Made = tuple[Binding, Partition, Spelled | None, Chosen]


class Recipe:
    """How the executions of one route are written down."""

    def __init__(self, app: str, join: Join, signals: dict[str, wire.Signal]) -> None:
        self.app = app
        self.join = join
        self.signals = signals
        self.spells = tuple(  # trigger inputs whose paths must show the event's own case
            any(r.kind.insensitive for b in signals[i.signal].branches for r in b) for i in join.triggers
        )

    def document(self, made: Made, generation: int) -> Document:
        """Return the execution document."""
        join, output = self.join, self.join.route.output
        texts = join.output_texts(made[1])
        partition = joined(texts)
        return {
            "version": VERSION,
            "app": self.app,
            "node": join.node,
            "id": execution_id(join.node, partition, generation),
            "partition": partition,
            "generation": generation,
            "output": {
                "dimensions": dict(zip(output.dims, texts, strict=True)),
                "path": None if output.path is None else wire.fill(output.path, texts),
            },
            "inputs": self._inputs(made),
        }

    def _inputs(self, made: Made) -> list[dict[str, Any]]:
        binding, _, spellings, chosen = made
        taken = dict(chosen)
        inputs, triggers, references = [], 0, 0
        for source in self.join.route.inputs:
            spelled = None
            if source.tip is None:
                tip = binding[triggers]
                if spellings is not None:
                    spelled = spellings[triggers]
                triggers += 1
            else:
                tip = self.join.tips[references](binding)
                references += 1
            inputs.append(self._input(source, tip, spelled, taken.get(source.alias)))
        return inputs

    def _input(
        self,
        source: wire.Input,
        tip: Partition,
        spelled: tuple[str, ...] | None,
        chosen: Partition | None,
    ) -> dict[str, Any]:
        signal = self.signals[source.signal]
        partitions = [chosen] if chosen is not None else expand(source.branches, tip)
        return {
            "alias": source.alias,
            "signal": source.signal,
            "dimensions": dict(zip(signal.dims, _spell(signal, tip, spelled), strict=True)),
            "paths": [path for p in partitions if (path := _address(signal, p, spelled)) is not None],
        }


class Draft(NamedTuple):
    """An execution that is to be made because somebody asked, not by events: see `executions.adopt`."""

    recipe: Recipe
    binding: Binding
    output: Partition
    chosen: Chosen = ()
    spelled: Spelled | None = None

    @property
    def maker(self) -> Recipe:
        """Who writes the document."""
        return self.recipe

    @property
    def made(self) -> Made:
        """What it is written from."""
        return self.binding, self.output, self.spelled, self.chosen

    def document(self, generation: int) -> Document:
        """Return the execution document."""
        return self.recipe.document(self.made, generation)


def _spell(signal: wire.Signal, partition: Partition, spelled: tuple[str, ...] | None) -> tuple[str, ...]:
    """The texts of a partition; where case is folded, as the event that named the tip wrote it."""
    texts = signal.texts(partition)
    if spelled is None:
        return texts
    kinds = signal.kinds(partition)
    return tuple(s if kind.insensitive else t for t, s, kind in zip(texts, spelled, kinds, strict=True))


def _address(signal: wire.Signal, partition: Partition, spelled: tuple[str, ...] | None) -> str | None:
    if signal.path is None:
        return None
    try:
        return wire.fill(signal.path, _spell(signal, partition, spelled))
    except BadValue:
        return None  # a window that reaches out of the range of dates: there is no such partition
