"""The same output of two stages -> in what they differ: rows, columns, and some of the rows that only one has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SHOWN = 5
Row = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """In what two sets of rows differ; ``sample`` holds rows that one side alone has, "-" or "+" before each."""

    rows: tuple[int, int]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    differing: tuple[int, int]
    sample: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def same(self) -> bool:
        """Whether both have the same rows, in whichever order."""
        return not any(self.only) and not any(self.differing)

    def lines(self, one: str, other: str) -> Iterator[str]:
        """Yield what differs, for people; ``one`` and ``other`` name the sides."""
        if self.same:
            yield f"{one} and {other} have the same {self.rows[0]:,} rows"
            return
        for sign, name, rows, columns, count in zip(
            "-+", (one, other), self.rows, self.only, self.differing, strict=True
        ):
            alone = f", columns that the other has not: {', '.join(columns)}" if columns else ""
            yield f"{sign} {name}: {rows:,} rows, {count:,} of them only here{alone}"
        for sign, row in self.sample:
            yield f"  {sign} " + ", ".join(f"{name}={value}" for name, value in row.items())


def compare_rows(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare rows, whose order does not matter, by the columns that both have.

    >>> found = compare_rows([{"a": 1, "b": 2}, {"a": 3, "b": 4}], [{"a": 3, "b": 4}, {"a": 1, "b": 5}])
    >>> found.differing, found.sample
    ((1, 1), (('-', {'a': 1, 'b': 2}), ('+', {'a': 1, 'b': 5})))
    """
    sides = ([dict(row) for row in one], [dict(row) for row in other])
    columns = tuple(list(dict.fromkeys(name for row in side for name in row)) for side in sides)
    empty = not all(sides)  # a side without rows does not tell its columns
    shared = [name for name in columns[0] or columns[1] if empty or name in columns[1]]
    counts = [Counter(map(_key(shared), side)) for side in sides]
    left, right = counts[0] - counts[1], counts[1] - counts[0]
    sample = [
        (sign, {name: value for name, (_, value) in zip(shared, row, strict=True)})
        for sign, rows in (("-", left), ("+", right))
        for row in sorted(rows.elements(), key=repr)[:SHOWN]
    ]
    only = tuple(
        () if empty else tuple(name for name in columns[i] if name not in columns[1 - i]) for i in (0, 1)
    )
    return Comparison(
        (len(sides[0]), len(sides[1])),
        (only[0], only[1]),
        (left.total(), right.total()),
        tuple(sample),
    )


def _key(names: list[str]) -> Any:
    """What a row is compared by: values that are equal and of one type are one."""

    def key(row: Mapping[str, Any]) -> Row:
        return tuple((type(row.get(name)).__name__, _plain(row.get(name))) for name in names)

    return key


def _plain(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:  # a list, or a struct
        return repr(value)
    return "NaN" if value != value else value
