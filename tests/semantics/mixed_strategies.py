"""Random graphs of `mixed`, of the operators that are built, and random traces for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from .grids import GRIDS
from .mixed import REGIONS, Mixed, Use, built
from .naive import Deletion, Event


@dataclass(frozen=True)
class Advance:
    """Time passes."""

    by: timedelta


Step = Event | Deletion | Advance


@cache
def everything_built() -> frozenset[str]:
    """The operators that are built, looked for once."""
    return built()


@st.composite
def uses(
    draw: st.DrawFn,
    signal: int,
    regional: bool,
    features: frozenset[str],
    *,
    first: bool,
    rolled: bool,
    own: bool,
) -> Use:
    """An input; the first of an alternative is a trigger."""
    kind = "trigger"
    if not first and draw(st.booleans()):
        kind = "optional" if "optional" in features and draw(st.booleans()) else "reference"
    if own and draw(st.booleans()):
        return Use(signal, regional, kind=kind)
    back = draw(st.sampled_from([1, 1, 2, 3]))
    modes = ["open"] if kind == "optional" else ["open", "open", "checked"]
    if back > 1 and not rolled:
        modes += ["nearest"]
    if back > 1 and kind != "optional" and "at least" in features:
        modes += ["at least"]
    mode = draw(st.sampled_from(modes))
    enough = draw(st.integers(2, back)) if back > 1 else 2
    whole = not (
        rolled and kind == "trigger" and back == 1 and mode == "open" and draw(st.integers(0, 3)) == 0
    )
    return Use(signal, regional, back, mode, enough, kind, whole)


@st.composite
def graphs(draw: st.DrawFn, features: frozenset[str] | None = None) -> Mixed:
    """A node over up to three signals, of the operators that are named, or of those that are built."""
    features = everything_built() if features is None else features
    grids = [name for name in GRIDS if name == "days" or f"grid: {name}" in features]
    grid = GRIDS[draw(st.sampled_from(grids))]
    shape = draw(st.sampled_from(["plain", "plain", "rollup", "either", "late", "own past"]))
    if shape != "plain" and shape not in features:
        shape = "plain"
    if shape == "late" and ((grid.length is None and not grid.coarser) or "either" not in features):
        shape = "plain"
    coarse = [name for name in grid.coarser if name != "month"]  # too many days for a trace
    rolling = "rollup" in features and (shape == "rollup" or (shape == "either" and draw(st.booleans())))
    to = draw(st.sampled_from(coarse)) if coarse and rolling and draw(st.booleans()) else None
    gone = rolling and (to is None or draw(st.booleans()))
    retriggers = ["all", "any", *sorted({"never", "updated"} & features)]
    if shape == "late":
        use = draw(
            uses(0, False, features, first=True, rolled=False, own=False).filter(
                lambda u: u.mode in ("open", "checked")
            )
        )
        # An open window is late where its own partition is.
        use = use if use.mode == "checked" else Use(0, False)
        rolling = grid.length is None or (coarse and "rollup" in features and draw(st.booleans()))
        to = draw(st.sampled_from(coarse)) if rolling else None
        return Mixed(
            grid.name, (False,), ((use,),), to, retrigger=draw(st.sampled_from(retriggers)), late=True
        )
    count = draw(st.integers(1, 3))
    if gone:
        regional = tuple(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    elif draw(st.booleans()):
        regional = (True, *draw(st.lists(st.booleans(), min_size=count - 1, max_size=count - 1)))
    else:
        regional = (False,) * count
    own, rolled = shape == "own past", gone or to is not None
    begins = not own and draw(st.integers(0, 3)) == 0
    if shape == "either" and count > 1:
        # Each alternative begins with a signal that has all the dimensions.
        regional = (regional[0],) * count
        cut = draw(st.integers(1, count - 1))
        parts = [range(cut), range(cut, count)]
        alternatives = tuple(
            tuple(
                Use(n, regional[n], back, mode)
                for n in part
                for back, mode in [
                    draw(st.sampled_from([(1, "open"), (2, "open"), (2, "checked"), (3, "at least")]))
                ]
            )
            for part in parts
        )
        return Mixed(
            grid.name, regional, alternatives, to, gone, draw(st.sampled_from(retriggers)), begins=begins
        )
    inputs = tuple(
        draw(uses(n, regional[n], features, first=n == 0, rolled=rolled, own=own)) for n in range(count)
    )
    if any(use.mode == "nearest" for use in inputs):
        retriggers = [each for each in retriggers if each != "updated"]
    return Mixed(
        grid.name, regional, (inputs,), to, gone, draw(st.sampled_from(retriggers)), own, begins=begins
    )


@st.composite
def traces(
    draw: st.DrawFn, mixed: Mixed, features: frozenset[str] | None = None, max_size: int = 14
) -> list[Step]:
    """Events in any order, deliveries of old ones, whole rollups, deletions, and time."""
    features = everything_built() if features is None else features
    grid = mixed.of
    numbers = range(len(mixed.regional))
    regions = st.sampled_from([*REGIONS, *REGIONS, "JP"])

    def partition(number: int, time: Any) -> tuple[Any, ...]:
        return (draw(regions), time) if mixed.regional[number] else (time,)

    named: list[tuple[str, tuple[Any, ...]]] = []
    for _ in range(draw(st.integers(3, max_size))):
        number = draw(st.sampled_from(numbers))
        named.append((f"s{number}", partition(number, draw(st.sampled_from(grid.few)))))
    if mixed.to is not None or mixed.gone:
        named += draw(_bursts(mixed))
    if mixed.own:  # one after the other, from the beginning on
        named += [
            (f"s{number}", ("NA", time) if mixed.regional[number] else (time,))
            for time in grid.few[:3]
            for number in numbers
        ]
    steps: list[Step] = [Event(signal, where, f"e{n}") for n, (signal, where) in enumerate(named)]
    steps += draw(st.lists(st.sampled_from(steps), max_size=4))
    steps = list(draw(st.permutations(steps))) if len(steps) < 40 else steps
    if "deletion" in features and _may_delete(mixed):
        for _ in range(draw(st.integers(0, 2))):
            signal, where = draw(st.sampled_from(named))
            steps.insert(draw(st.integers(0, len(steps))), Deletion(signal, where))
    if mixed.late:
        for _ in range(draw(st.integers(1, 4))):
            by = timedelta(hours=draw(st.integers(1, 60)), minutes=7)
            steps.insert(draw(st.integers(0, len(steps))), Advance(by))
    return steps


def _may_delete(mixed: Mixed) -> bool:
    return not mixed.late and not mixed.own


@st.composite
def _bursts(draw: st.DrawFn, mixed: Mixed) -> list[tuple[str, tuple[Any, ...]]]:
    """All members of one rolled-up partition of some signals, perhaps but one."""
    grid, found = mixed.of, []
    time = draw(st.sampled_from(grid.few))
    times = [time] if mixed.to is None else grid.members(mixed.to, grid.coarser[mixed.to](time))
    for number, regional in enumerate(mixed.regional):
        regions = [(name,) for name in REGIONS] if regional else [()]
        members = [(f"s{number}", (*region, value)) for region in regions for value in times]
        members = list(draw(st.permutations(members))) if len(members) < 12 else members
        found += members[: len(members) - draw(st.sampled_from([0, 0, 0, 1]))]
    return found
