"""Ready executions of the nodes that have a batch -> batches, each to be carried out by one run.

A listener gives what it fires to a run that it starts when that is full; so an execution has one write for its firing and
for its run. What a listener has left, and what became ready otherwise, the sweep starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from rheo_runtime.airflow_client import batch_run_id
from rheo_runtime.records import READY, Document, Execution, Output, is_given

T = TypeVar("T")

LONGEST = 100_000  # bytes of the names in one batch: what it is started for is one item of the ledger

# Node -> the most executions of a batch, and how many seconds the first of them may wait for others.
Batches = Mapping[str, tuple[int, int]]


class Batch(NamedTuple):
    """Executions of one node; ``run`` is the one that they were given to, if any."""

    documents: Sequence[Document]
    run: str | None = None


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Return items in pieces of at most ``size``.

    >>> chunks([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def is_full(count: int, names: int, size: int) -> bool:
    """Say whether a batch of so many executions, whose names are so many bytes, takes no more."""
    return count >= size or names >= LONGEST


@dataclass
class _Filling:
    run: str
    since: float
    given: int = 0  # to executions of which it is not known yet whether they have fired
    names: int = 0  # bytes
    documents: list[Document] = field(default_factory=list)

    def is_full(self, size: int) -> bool:
        return is_full(self.given + len(self.documents), self.names, size)


class Filler:
    """The runs that one listener fills, and nobody else.

    Parameters
    ----------
    batches
        The nodes that have a batch.
    name
        A name that no other listener has, nor this one when it was started before.
    """

    def __init__(self, batches: Batches, name: str) -> None:
        self._batches = batches
        self._name = name
        self._made = 0
        self._open: dict[str, _Filling] = {}
        self._full: list[_Filling] = []
        self._given: dict[str, _Filling] = {}  # by execution

    def give(self, node: str, execution: str, now: float) -> str:
        """Return the run that is to have an execution which is about to fire."""
        size, wait = self._batches[node]
        filling = self._open.get(node)
        if filling is None or filling.is_full(size) or (wait and now - filling.since >= wait):
            if filling is not None and filling.is_full(size):
                self._full.append(filling)
            self._made += 1
            filling = self._open[node] = _Filling(batch_run_id(self._name, self._made), now)
        filling.given += 1
        filling.names += len(execution.encode())
        self._given[execution] = filling
        return filling.run

    def fired(self, documents: Iterable[Document]) -> None:
        """Note which executions have fired, of all that were given to a run since this was noted last."""
        for document in documents:
            if (filling := self._given.get(document["id"])) is not None:
                filling.documents.append(document)
        for filling in self._given.values():
            filling.given = 0
        self._given.clear()

    def full(self) -> list[Batch]:
        """Return the batches that need not wait for others, and leave them; to be asked for when a call of the listener ends."""
        for node, filling in list(self._open.items()):
            size, wait = self._batches[node]
            if filling.is_full(size) or not wait:
                self._full.append(self._open.pop(node))
        full, self._full = self._full, []
        return [Batch(filling.documents, filling.run) for filling in full if filling.documents]


def ripe(outputs: Iterable[Output], batches: Batches, now: float) -> list[Batch]:
    """Return the batches of what is READY that are full, or whose first has waited."""
    ready: dict[str, list[Execution]] = {}
    for output in outputs:
        active = output.active
        if active is not None and active.state == READY and output.node in batches:
            ready.setdefault(output.node, []).append(active)
    return [batch for node, waiting in ready.items() for batch in _ripe(waiting, *batches[node], now)]


def given(outputs: Iterable[Output], batches: Batches, now: float, ready: float) -> dict[str, list[Output]]:
    """Return the outputs of runs of batches, by run, which listeners do not fill any more.

    ``ready`` is how many seconds a listener may take to write what it has given to a run, and to start that.
    """
    found: dict[str, list[Output]] = {}
    for output in outputs:
        if output.active is not None and is_given(output.active):
            found.setdefault(str(output.active.run_id), []).append(output)

    def first(of: list[Output]) -> float:
        return min(output.active.moved for output in of if output.active)

    return {
        run: of for run, of in found.items() if now - first(of) >= batches.get(of[0].node, (0, 0))[1] + ready
    }


def _ripe(waiting: list[Execution], size: int, wait: int, now: float) -> Iterator[Batch]:
    chosen: list[Execution] = []
    names = 0
    for execution in sorted(waiting, key=lambda execution: execution.moved):
        chosen.append(execution)
        names += len(execution.document["id"].encode())
        if is_full(len(chosen), names, size):
            yield Batch([each.document for each in chosen])
            chosen, names = [], 0
    if chosen and now - chosen[0].moved >= wait:
        yield Batch([each.document for each in chosen])
