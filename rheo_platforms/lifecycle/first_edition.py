"""What the first edition has left waiting -> what waits now.

Its names of indexes did not say what the partitions in them mean: arrivals stand where nothing looks for them any more.
Whoever activates this edition after it lets them stand where they belong. Each keeps its times and its count, so what a
combination has used of it stays used; then each is joined again, as what came in between has found no partner.
"""

from __future__ import annotations

from collections.abc import Iterator

from rheo_runtime.consumers import Consumer
from rheo_runtime.dynamodb import DynamoLedger, Move
from rheo_runtime.engine import Engine
from rheo_runtime.program import Program


def take_up(before: Program, engine: Engine, ledger: DynamoLedger) -> int:
    """Let what waits at inputs that mean what they meant wait on; return how many arrivals that are.

    What is complete now is fired, and the sweep announces it. It may be repeated. ``before`` is what was active.
    """
    moves = dict(_moves(before, engine.program))
    found = [(moves[move], record) for move, record in ledger.rename(list(moves))]
    engine.join_again(found)
    return len(found)


def _moves(before: Program, after: Program) -> Iterator[tuple[Move, Consumer]]:
    for key, node in after.nodes.items():
        was = before.nodes.get(key)
        if was is None:
            continue
        left = {
            now.name: old
            for old, now in zip(was.join.first_edition(before.signals), was.join.arrival_indexes, strict=True)
        }
        for position, index in enumerate(node.join.arrival_indexes):
            if index.name in left:
                consumer = Consumer(node, position)
                yield Move(left[index.name], index, consumer.keys_of), consumer
