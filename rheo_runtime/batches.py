"""Ready executions of the nodes that have a batch -> batches, each to be announced as one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from rheo_runtime.records import ANNOUNCED, READY, Document, Execution, Output

T = TypeVar("T")

# Node -> the most executions of a batch, and how many seconds the first of them may wait for others.
Batches = Mapping[str, tuple[int, int]]


class Batch(NamedTuple):
    """Executions of one node; ``run`` is the one that was started for them before, if any."""

    documents: Sequence[Document]
    run: str | None = None


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Return items in pieces of at most ``size``.

    >>> chunks([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def full(documents: Sequence[Document], size: int, wait: int) -> list[Batch]:
    """Return what need not wait for others of executions that are ready just now.

    >>> [len(batch.documents) for batch in full([{}] * 5, 2, 60)], [len(b.documents) for b in full([{}] * 5, 2, 0)]
    ([2, 2], [2, 2, 1])
    """
    return [Batch(found) for found in chunks(documents, size) if len(found) == size or not wait]


def due(
    outputs: Iterable[Output], batches: Batches, now: float, overdue: Callable[[Execution], bool]
) -> list[Batch]:
    """Return what is to be announced now: full batches, those whose first has waited, and what no run has claimed.

    ``overdue`` says of an announced execution that it should have been claimed by now. Such ones are announced
    as the batch that they were.
    """
    ready: dict[str, list[Execution]] = {}
    told: dict[tuple[str, str], list[Execution]] = {}
    for output in outputs:
        active = output.active
        if active is None or output.node not in batches:
            continue
        if active.state == ANNOUNCED and overdue(active) and active.run_id is not None:
            told.setdefault((output.node, active.run_id), []).append(active)
        elif active.state == READY or (active.state == ANNOUNCED and overdue(active)):
            ready.setdefault(output.node, []).append(active)
    found = [batch for node, waiting in ready.items() for batch in _ripe(waiting, *batches[node], now)]
    return found + [Batch(_documents(waiting), run) for (_, run), waiting in told.items()]


def _ripe(waiting: list[Execution], size: int, wait: int, now: float) -> Iterator[Batch]:
    for chosen in chunks(sorted(waiting, key=lambda execution: execution.moved), size):
        if len(chosen) == size or now - chosen[0].moved >= wait:
            yield Batch(_documents(chosen))


def _documents(executions: Iterable[Execution]) -> list[Document]:
    return [execution.document for execution in executions]
