"""A binding that fired -> its execution document: the paths of every input, as the compute reads them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

from rheo_runtime import wire
from rheo_runtime.join import Join
from rheo_runtime.records import Binding, Document, execution_id
from rheo_runtime.templates import template
from rheo_runtime.values import STRING, BadValue, Partition, escape, joined, unescape
from rheo_runtime.windows import reads

VERSION = 1
# Why a reference that need not be optional has nothing: all of it lies below the first value of its dimension.
BEGINS_LATER = "begins later"


# What is kept of a firing: its binding; the output partition; the events' own spellings of the tips, and of a rollup's
# members, None where they are as rendered; the partitions that were read of those that might be, by alias. Plain
# tuples: see `Used`.
Said = tuple[tuple[Partition, tuple[str, ...] | None], ...]
Spelled = tuple[tuple[str, ...] | Said | None, ...]
Chosen = tuple[tuple[str, tuple[Partition, ...]], ...]
Made = tuple[Binding, Partition, Spelled | None, Chosen]


class RouteDocumentBuilder:
    """How the executions of one route are written down.

    ``means`` is a short name of what its documents mean: inputs, output, and the dimensions of each; ``spelling`` of
    what the output's texts mean. ``way`` names the alternative, of a node that has several, by what its bindings mean.
    """

    def __init__(self, app: str, join: Join, signals: dict[str, wire.Signal]) -> None:
        self.app = app
        self.join = join
        self.signals = signals
        output = join.route.output
        inputs = sorted((i.alias, wire.meaning(signals[i.signal])) for i in join.route.inputs)
        self.means = wire.digest([inputs, output.dims, [wire.kind_meaning(kind) for kind in output.kinds]])
        self.way = ""
        self.spelling = wire.spelling(output.dims, output.kinds)
        self.spells = tuple(map(_may_be_spelled, [signals[i.signal] for i in join.triggers]))

    def document(self, made: Made, generation: int) -> Document:
        """Return the execution document."""
        join, output = self.join, self.join.route.output
        texts = join.output_texts(made[1])
        partition = joined(texts)
        document = {
            "version": VERSION,
            "app": self.app,
            "node": join.node,
            "id": execution_id(join.node, partition, generation),
            "partition": partition,
            "generation": generation,
            "means": self.means,
            "output": {
                "dimensions": dict(zip(output.dims, texts, strict=True)),
                "path": None if output.path is None else template(output.path).fill(made[1], output.kinds),
                "means": self.spelling,
            },
            "inputs": self._inputs(made),
        }
        if not self.way:
            return document
        number = join.route.alternative
        return {**document, "way": self.way, **({"alternative": number} if number else {})}

    def _inputs(self, made: Made) -> list[dict[str, Any]]:
        binding, _, spellings, chosen = made
        taken = dict(chosen)
        inputs, references = [], 0
        for source in self.join.route.inputs:
            spelled = None
            if source.tip is None:
                position = self.join.positions[source.alias]
                tip = binding[position]
                if spellings is not None:
                    spelled = spellings[position]
            else:
                tip = self.join.tips[references](binding)
                references += 1
            inputs.append(self._input(source, tip, spelled, taken.get(source.alias)))
        return inputs

    def _input(
        self,
        source: wire.Input,
        tip: Partition,
        spelled: tuple[str, ...] | Said | None,
        chosen: tuple[Partition, ...] | None,
    ) -> dict[str, Any]:
        signal = self.signals[source.signal]
        partitions = reads(source, tip) if chosen is None else chosen
        spelling = None
        if spelled is not None:
            said = spelled if source.rollup is not None else ((tip, spelled),)
            spelling = Spelling(signal, cast("Said", said))
        texts = source.texts(signal, tip)
        if spelling is not None and source.rollup is None:
            texts = spelling.folded
        document = {
            "alias": source.alias,
            "signal": source.signal,
            "dimensions": dict(zip(source.dims(signal), texts, strict=True)),
            "paths": [path for p in partitions if (path := _address(signal, p, spelling)) is not None],
        }
        if partitions or source.tip is None or (signal.path is None and not source.optional):
            return document
        return {**document, "absent": True if source.optional else BEGINS_LATER}


class Draft(NamedTuple):
    """An execution that is to be made because somebody asked, not by events: see `executions.adopt`."""

    document_builder: RouteDocumentBuilder
    binding: Binding
    output: Partition
    chosen: Chosen = ()
    spelled: Spelled | None = None

    @property
    def builder(self) -> RouteDocumentBuilder:
        """Who writes the document."""
        return self.document_builder

    @property
    def made(self) -> Made:
        """What it is written from."""
        return self.binding, self.output, self.spelled, self.chosen

    def document(self, generation: int) -> Document:
        """Return the execution document."""
        return self.document_builder.document(self.made, generation)


def _may_be_spelled(signal: wire.Signal) -> bool:
    """Whether events may spell a partition in another way than it is written: in another case, or escaped."""
    kinds = [rule.kind for branch in signal.branches for rule in branch]
    objects = [e.template for e in signal.events if isinstance(e, wire.S3Events)]
    folders = any("={" in template for template in objects)  # as Hive and Spark name them
    return any(kind.insensitive for kind in kinds) or any(
        not kind.escaped and (folders if kind.type == STRING else _is_escaped(kind.format or ""))
        for kind in kinds
        if objects
    )


def _is_escaped(format: str) -> bool:
    """Whether Hive escapes what stands between the fields of a date."""
    between = "".join(re.split("%.", format))
    return escape(between) != between


class Spelling:
    """How the folders of an input are spelled, as its event told: in another case, or escaped as Hive does."""

    def __init__(self, signal: wire.Signal, said: Said) -> None:
        self._signal = signal
        self._said = dict(said)
        tip, spelled = next((p, texts) for p, texts in said if texts is not None)
        self._tip = tip
        self._spelled = spelled
        texts, kinds = signal.texts(tip), signal.kinds(tip)
        # The dimensions that it escaped.
        self._escaped = {
            i
            for i, (text, said, kind) in enumerate(zip(texts, spelled, kinds, strict=True))
            if text != said and not (kind.insensitive and text == said.lower())
        }
        self.folded = tuple(
            (unescape(said) if i in self._escaped else said) if kind.insensitive else text
            for i, (text, said, kind) in enumerate(zip(texts, spelled, kinds, strict=True))
        )

    def texts(self, partition: Partition) -> tuple[str, ...]:
        """Return the texts of a partition: its own event's, else the first one's where its values are, or escaped as it."""
        if partition in self._said:
            return self._said[partition] or self._signal.texts(partition)
        return tuple(
            said if value == own else escape(text) if i in self._escaped else text
            for i, (value, own, said, text) in enumerate(
                zip(partition, self._tip, self._spelled, self._signal.texts(partition), strict=True)
            )
        )


def _address(signal: wire.Signal, partition: Partition, spelling: Spelling | None) -> str | None:
    try:
        return signal.address(partition, None if spelling is None else spelling.texts(partition))
    except BadValue:
        return None  # a window that reaches out of the range of dates: there is no such partition
