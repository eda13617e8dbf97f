"""Edges -> where each vertex stands: layers from left to right, few crossings, little bending.

The usual steps of a layered drawing: longest paths give the layers, barycentres the order within each,
and least squares the heights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 12
SLIM = 0.4  # the room that a passing edge takes in a layer; a vertex takes 1

Point = tuple[float, float]
Edge = tuple[str, str]
Bend = tuple[str, str, int]  # where an edge passes through a layer
Item = str | Bend


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, in units of one layer and of one vertex's height.

    ``bends`` are the points by which an edge passes through the layers between its ends.
    """

    places: dict[str, Point]
    bends: dict[Edge, tuple[Point, ...]]


def arrange(vertices: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Return the places of all vertices; the same for the same graph.

    Vertices without any edge stand in rows below the others.

    >>> arrange(["a", "b", "c"], [("a", "c"), ("b", "c")]).places
    {'a': (0, 0.0), 'b': (0, 1.0), 'c': (1, 0.5)}
    """
    pairs = sorted({(a, b) for a, b in edges if a != b})
    joined = {end for pair in pairs for end in pair}
    forward = _acyclic([v for v in vertices if v in joined], pairs)
    drawing = _Drawing(_layers([v for v in vertices if v in joined], forward), forward)
    drawing.order()
    heights = drawing.heights()
    lowest = max(heights.values(), default=-1.0)
    places: dict[str, Point] = {v: (drawing.layers[v], heights[v]) for v in vertices if v in joined}
    width = max(2, len(drawing.rows))
    for n, alone in enumerate(v for v in vertices if v not in joined):
        places[alone] = (n % width, lowest + 1.5 + n // width)
    bends = {
        (a, b): tuple(
            (layer, heights[a, b, layer]) for layer in range(drawing.layers[a] + 1, drawing.layers[b])
        )
        for a, b in forward
    }
    # An edge that closes a circle is drawn straight back.
    return Layout(places, {pair: bends.get(pair, ()) for pair in pairs})


def _acyclic(vertices: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """Leave out the edges that lead back to where a search is on its way from."""
    after: dict[str, list[str]] = {v: [] for v in vertices}
    for a, b in edges:
        after[a].append(b)
    state: dict[str, int] = {}  # 1: on the way, 2: done
    kept: list[Edge] = []
    for start in vertices:
        if start in state:
            continue
        state[start] = 1
        path = [(start, iter(after[start]))]
        while path:
            here, rest = path[-1]
            following = next(rest, None)
            if following is None:
                state[here] = 2
                path.pop()
            elif state.get(following) != 1:
                kept.append((here, following))
                if following not in state:
                    state[following] = 1
                    path.append((following, iter(after[following])))
    return kept


def _layers(vertices: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Put each vertex behind all that lead to it; a source stands right before the first that needs it."""
    before: dict[str, list[str]] = {v: [] for v in vertices}
    after: dict[str, list[str]] = {v: [] for v in vertices}
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    layers: dict[str, int] = {}
    ready = [v for v in vertices if not before[v]]
    missing = {v: len(before[v]) for v in vertices}
    for v in ready:  # grows while it is read
        layers[v] = max((layers[b] + 1 for b in before[v]), default=0)
        for w in after[v]:
            missing[w] -= 1
            if not missing[w]:
                ready.append(w)
    for v in vertices:
        if not before[v]:
            layers[v] = min(layers[w] for w in after[v]) - 1
    return layers


@dataclass
class _Drawing:
    """The layers, with an item for each layer that an edge passes."""

    layers: Mapping[str, int]
    edges: Sequence[Edge]
    rows: list[list[Item]] = field(default_factory=list)
    up: dict[Item, list[Item]] = field(default_factory=dict)
    down: dict[Item, list[Item]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(max(self.layers.values(), default=-1) + 1)]
        for v, layer in self.layers.items():
            self._add(v, layer)
        for a, b in self.edges:
            passed: list[Item] = [(a, b, layer) for layer in range(self.layers[a] + 1, self.layers[b])]
            for item, layer in zip(passed, range(self.layers[a] + 1, self.layers[b]), strict=True):
                self._add(item, layer)
            for left, right in pairwise([a, *passed, b]):
                self.down[left].append(right)
                self.up[right].append(left)

    def _add(self, item: Item, layer: int) -> None:
        self.rows[layer].append(item)
        self.up[item] = []
        self.down[item] = []

    def order(self) -> None:
        """Order each layer by the mean position of the neighbours; keep the order that crosses least."""
        self._by_depth()
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            forward = sweep % 2 == 0
            for i in range(1, len(self.rows)) if forward else range(len(self.rows) - 2, -1, -1):
                near = self.up if forward else self.down
                place = {item: n for n, item in enumerate(self.rows[i - 1 if forward else i + 1])}
                now = {item: n for n, item in enumerate(self.rows[i])}
                mean = {
                    item: sum(place[o] for o in near[item]) / len(near[item]) if near[item] else now[item]
                    for item in self.rows[i]
                }
                self.rows[i].sort(key=lambda item: (mean[item], now[item]))
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _by_depth(self) -> None:
        """Start from the order in which a walk along the edges meets the items: parts stay together."""
        met: dict[Item, int] = {}
        for start in (item for row in self.rows for item in row):
            stack = [start]
            while stack:
                item = stack.pop()
                if item not in met:
                    met[item] = len(met)
                    stack += reversed([*self.up[item], *self.down[item]])
        for row in self.rows:
            row.sort(key=met.__getitem__)

    def _crossings(self) -> int:
        return sum(self._crossings_after(i) for i in range(len(self.rows) - 1))

    def _crossings_after(self, i: int) -> int:
        """Count the inversions among the right ends, by a tree of sums."""
        place = {item: n for n, item in enumerate(self.rows[i + 1])}
        size = len(place) + 1
        sums, total, seen = [0] * size, 0, 0
        for item in self.rows[i]:
            ends = sorted(place[o] for o in self.down[item])
            for end in ends:
                before, n = 0, end + 1
                while n:
                    before += sums[n]
                    n &= n - 1
                total += seen - before
            for end in ends:
                n = end + 1
                while n < size:
                    sums[n] += 1
                    n += n & -n
            seen += len(ends)
        return total

    def heights(self) -> dict[Item, float]:
        """Return how high each item stands: near its neighbours, in its order, with room around it."""
        heights: dict[Item, float] = {}
        for row in self.rows:
            heights |= zip(row, _spread([0.0] * len(row), row), strict=True)
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for row in self.rows if forward else reversed(self.rows):
                wanted = []
                for item in row:
                    near = (
                        [*self.up[item], *self.down[item]]
                        if sweep > 3
                        else (self.up if forward else self.down)[item]
                    )
                    wanted.append(sum(heights[o] for o in near) / len(near) if near else heights[item])
                heights |= zip(row, _spread(wanted, row), strict=True)
        top = min(heights.values(), default=0.0)
        return {item: round(height - top, 3) for item, height in heights.items()}


def _spread(wanted: Sequence[float], row: Sequence[Item]) -> list[float]:
    """Return the heights nearest to those wanted (least squares) that keep the order and the room."""
    room = [0.0]
    for above, below in pairwise(row):
        room.append(room[-1] + (_size(above) + _size(below)) / 2)
    blocks: list[tuple[float, int]] = []  # mean, how many: neighbours that want to overlap share one
    for want, offset in zip(wanted, room, strict=False):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, room, strict=False)]


def _size(item: Item) -> float:
    return 1.0 if isinstance(item, str) else SLIM
