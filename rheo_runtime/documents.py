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


class Recipe:
    """How the executions of one route are written down."""

    def __init__(self, app: str, join: Join, signals: dict[str, wire.Signal]) -> None:
        self.app = app
        self.join = join
        self.signals = signals
        self.spells = tuple(  # trigger inputs whose paths must show the event's own case
            any(r.kind.insensitive for b in signals[i.signal].branches for r in b) for i in join.triggers
        )


class Draft(NamedTuple):
    """What one execution was fired with; its document is written when somebody asks for it.

    ``texts`` are the events' own spellings of the tips, None where they are as rendered; ``chosen``
    are the partitions that nearest inputs took, by alias.
    """

    recipe: Recipe
    binding: Binding
    output: Partition
    texts: tuple[tuple[str, ...] | None, ...] | None = None
    chosen: tuple[tuple[str, Partition], ...] = ()

    def document(self, generation: int) -> Document:
        """Return the execution document."""
        join = self.recipe.join
        out = join.route.output
        texts = join.output_texts(self.output)
        partition = joined(texts)
        return {
            "version": VERSION,
            "app": self.recipe.app,
            "node": join.node,
            "id": execution_id(join.node, partition, generation),
            "partition": partition,
            "generation": generation,
            "output": {
                "dimensions": dict(zip(out.dims, texts, strict=True)),
                "path": None if out.path is None else wire.fill(out.path, texts),
            },
            "inputs": self._inputs(),
        }

    def _inputs(self) -> list[dict[str, Any]]:
        join, chosen = self.recipe.join, dict(self.chosen)
        inputs, triggers, references = [], 0, 0
        for source in join.route.inputs:
            spelled = None
            if source.tip is None:
                tip = self.binding[triggers]
                if self.texts is not None:
                    spelled = self.texts[triggers]
                triggers += 1
            else:
                tip = join.tips[references](self.binding)
                references += 1
            inputs.append(self._input(source, tip, spelled, chosen.get(source.alias)))
        return inputs

    def _input(
        self,
        source: wire.Input,
        tip: Partition,
        spelled: tuple[str, ...] | None,
        chosen: Partition | None,
    ) -> dict[str, Any]:
        signal = self.recipe.signals[source.signal]
        partitions = [chosen] if chosen is not None else expand(source.branches, tip)
        return {
            "alias": source.alias,
            "signal": source.signal,
            "dimensions": dict(zip(signal.dims, _spell(signal, tip, spelled), strict=True)),
            "paths": [path for p in partitions if (path := _address(signal, p, spelled)) is not None],
        }


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
