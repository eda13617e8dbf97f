"""An execution document -> the signals that inlined code receives, as the guide shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rheo_runtime.records import Document


@dataclass(frozen=True, slots=True)
class Signal:
    """An input, or the output, of a running execution.

    ``dimensions`` are the texts of its partition (of the tip, where it has a window).
    """

    alias: str
    id: str
    dimensions: Mapping[str, str]
    paths: tuple[str, ...]

    def get_materialized_resource_paths(self) -> list[str]:
        """Return the paths of its partitions, the tip first.

        A signal without data, such as a timer, has its name and partition for a path.

        >>> Signal("t", "daily", {"day": "2013-01-01"}, ()).get_materialized_resource_paths()
        ['daily/2013-01-01']
        """
        return list(self.paths) or ["/".join([self.id, *self.dimensions.values()])]


def inputs(document: Document) -> dict[str, Signal]:
    """Return the inputs by alias, in declared order."""
    return {
        entry["alias"]: Signal(entry["alias"], entry["signal"], entry["dimensions"], tuple(entry["paths"]))
        for entry in document["inputs"]
    }


def output(document: Document) -> Signal:
    """Return the output."""
    entry = document["output"]
    paths = () if entry["path"] is None else (entry["path"],)
    return Signal("output", document["node"], entry["dimensions"], paths)
