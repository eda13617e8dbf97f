"""Output -> its status: what an overview of many partitions shows of each."""

from __future__ import annotations

from typing import NamedTuple

from rheo_runtime.records import Output


class Status(NamedTuple):
    """What state the latest execution of an output partition is in."""

    node: str
    partition: str
    state: str


def status_of(output: Output) -> Status:
    """Return the status of an output: of its active execution, else of the one that ended last.

    >>> status_of(Output("daily", "2020-03-18", 1, 0)).state
    ''
    """
    latest = output.active or next(iter(output.ended), None)
    return Status(output.node, output.partition, "" if latest is None else latest.state)
