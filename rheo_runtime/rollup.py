"""A rollup: the partitions of a signal that lie in one coarser partition, and the coarser one of each.

What a rollup reads is in its members' ascending order, whatever order they came in. The arrivals of the
members that one binding needs stand together as a `Group`: each member counts as an input of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product

from rheo_runtime import values as v
from rheo_runtime import wire
from rheo_runtime.records import Arrivals, Group
from rheo_runtime.values import Partition, Value


def passes(branches: tuple[wire.Branch, ...], partition: Partition) -> wire.Branch | None:
    """Return the first branch whose literal values a partition has, or None."""
    for branch in branches:
        if all(r.value is None or r.value == p for r, p in zip(branch, partition, strict=True)):
            return branch
    return None


class Members:
    """The members of the coarser partitions of one input.

    ``open`` says that a dimension goes whose values nobody gave: what there is follows from arrivals alone.
    """

    def __init__(self, rollup: wire.Rollup, branches: tuple[wire.Branch, ...]) -> None:
        self.grains = rollup.grains
        self.complete = rollup.complete
        self._fine = rollup.members
        self._coarse = branches
        self._known: dict[Partition, tuple[Partition, ...]] = {}
        self.open = any(
            grain == "" and rule.value is None
            for branch in rollup.members
            for grain, rule in zip(rollup.grains, branch, strict=True)
        )

    def coarse(self, partition: Partition) -> Partition | None:
        """Return the coarser partition in which a member lies; None for what the view does not let pass.

        None, too, where that one is out of the range of dates.
        """
        branch = passes(self._fine, partition)
        if branch is None:
            return None
        try:
            found = tuple(
                v.trunc(int(value), rule.kind, grain) if grain else value
                for value, rule, grain in zip(partition, branch, self.grains, strict=True)
                if grain != ""
            )
        except v.BadValue:
            return None
        return found if passes(self._coarse, found) is not None else None

    def members(self, coarse: Partition) -> tuple[Partition, ...]:
        """Return the members of a coarser partition, in ascending order."""
        found = self._known.get(coarse)
        if found is None:
            if len(self._known) > 4096:
                self._known.clear()
            found = self._known[coarse] = tuple(sorted(set(self._members(coarse))))
        return found

    def _members(self, coarse: Partition) -> Iterable[Partition]:
        above = passes(self._coarse, coarse)
        if above is None:
            return
        for branch in self._fine:
            columns: list[Sequence[Value]] = []
            values = iter(zip(coarse, above, strict=True))
            for rule, grain in zip(branch, self.grains, strict=True):
                column: Sequence[Value]
                if grain == "":
                    column = () if rule.value is None else (rule.value,)
                else:
                    value, over = next(values)
                    kind = v.regrained(rule.kind, grain) if grain else over.kind
                    if grain:
                        column = v.members(int(value), kind, rule.kind)
                    else:
                        column = (value,) if v.tester(rule.kind)(value) else ()
                    if rule.value is not None:
                        column = [each for each in column if each == rule.value]
                columns.append(column)
            yield from product(*columns)

    def standing(self, there: Iterable[Partition]) -> set[Partition]:
        """Return the coarser partitions that exist when these members do: where they are complete, the whole ones."""
        found = Counter(coarse for p in there if (coarse := self.coarse(p)) is not None)
        return {each for each, n in found.items() if not self.complete or n == len(self.members(each))}

    def groups(self, found: Sequence[Arrivals]) -> list[Group]:
        """Return the arrivals of members as groups, one for each coarser partition, whole or not."""
        by_coarse: dict[Partition, dict[Partition, Arrivals]] = {}
        for record in found:
            coarse = self.coarse(record.partition)
            if coarse is not None:
                by_coarse.setdefault(coarse, {})[record.partition] = record
        return [
            Group(coarse, tuple([parts.get(member) for member in self.members(coarse)]))
            for coarse, parts in by_coarse.items()
        ]

    def whole(self, found: Sequence[Arrivals]) -> list[Group]:
        """Return the groups of which every member has arrived."""
        return [group for group in self.groups(found) if None not in group.parts]


@cache
def members_of(source: wire.Input) -> Members | None:
    """Return the members of an input, or None for one that is not rolled up."""
    return None if source.rollup is None else Members(source.rollup, source.branches)
