"""One random description that mixes old and new operators -> an application, and the plan of `naive.Machine`.

All signals of a graph stand on one grid of time values (days, weeks, steps, a calendar, hours of a zone)
and perhaps on regions; inputs join by the names of their dimensions, which are the default links.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import rheodsl as dsl
from rheodsl import Application, RheoError, output
from rheodsl.testing import Simulator

from . import naive
from .grids import GRIDS, Grid
from .helpers import s3_deleted, s3_event

REGIONS = ("EU", "NA")
NODE = "node"
AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Use:
    """An input: the number of its signal, and what is asked of it."""

    signal: int
    regional: bool
    back: int = 1
    mode: str = "open"  # or "checked", "at least", "nearest"
    enough: int = 2
    kind: str = "trigger"  # or "reference", "optional"
    complete: bool = True

    @property
    def name(self) -> str:
        return f"i{self.signal}"


@dataclass(frozen=True)
class Mixed:
    """A node on one grid.

    ``to`` is the coarser value to which every input is rolled up; ``gone`` says that regions are too.
    ``own`` adds the node's own past, ``late`` the alternative that the first input is late. ``begins`` says that the first
    value that events name is the first of the dimension.
    """

    grid: str
    regional: tuple[bool, ...]
    alternatives: tuple[tuple[Use, ...], ...]
    to: str | None = None
    gone: bool = False
    retrigger: str = "all"
    own: bool = False
    late: bool = False
    begins: bool = False

    @property
    def of(self) -> Grid:
        return GRIDS[self.grid]

    @property
    def uses(self) -> list[Use]:
        return [use for uses in self.alternatives for use in uses]

    @property
    def start(self) -> datetime:
        """When the clock begins: with the first value that events name."""
        first = self.of.few[0]
        if isinstance(first, datetime):
            return first
        return (
            datetime(first.year, first.month, first.day) if isinstance(first, date) else datetime(2024, 1, 1)
        )


# ── through the language ──────────────────────────────────────────────────────────────────────────────


def declare(mixed: Mixed) -> Application:
    app = Application("mixed")
    signals = [_signal(app, mixed, number) for number in range(len(mixed.regional))]
    views = [[_view(signals[use.signal], mixed, use) for use in uses] for uses in mixed.alternatives]
    inputs: list[Any]
    if mixed.late:
        inputs = [views[0][0] | views[0][0].late(after=AFTER)]
    elif len(views) == 1:
        inputs = views[0]
    else:
        inputs = [_either([_both(conjunction) for conjunction in views])]
    if mixed.own:
        past = output["*"][-1:] if _dims(mixed, mixed.alternatives[0][0]) == ("region", "t") else output[-1:]  # type: ignore[index]
        inputs.append(past.ref.range_check(True))
    options: Any = {} if mixed.retrigger == "all" else {"retrigger": mixed.retrigger}
    app.create_data(NODE, inputs=inputs, **options)
    return app


def _both(views: list[Any]) -> Any:
    first, *rest = views
    for view in rest:
        first = first & view
    return first


def _either(views: list[Any]) -> Any:
    first, *rest = views
    for view in rest:
        first = first | view
    return first


def _signal(app: Any, mixed: Mixed, number: int) -> Any:
    grid = mixed.of
    attributes: dict[str, Any] = dict(grid.attributes)
    if "calendar" in attributes:
        days, holidays = attributes["calendar"]
        attributes["calendar"] = dsl.Calendar(days, holidays=list(holidays))
    if mixed.own or mixed.begins:
        first = grid.few[0]
        plain = (
            isinstance(first, int) or grid.template == "levels"
        )  # text is spelled as the granularity has it
        attributes["min"] = (first if isinstance(first, int) else str(first)) if plain else grid.spell(first)
    regional = mixed.regional[number]
    if grid.template == "levels":
        region, options = (
            "{region}/" if regional else "",
            {"dimensions": {"t": attributes}} if attributes else {},
        )
        levels = "year={t:%Y}/month={t:%m}/day={t:%d}"
        return app.s3(f"s{number}", f"s3://lake/s{number}/{region}{levels}", **options)
    kind = (
        {"type": dsl.LONG} if grid.template == ":int" else {"type": dsl.DATETIME, "format": grid.template[1:]}
    )
    spec: dict[str, Any] = {"t": kind | attributes}
    if regional:
        spec = {"region": {"type": dsl.STRING, **spec}}
    places = ["{}"] * (2 if regional else 1)
    data = dsl.S3Dataset("111122223333", "lake", f"s{number}", *places)
    return app.marshal_external_data(data, f"s{number}", spec)


def _view(signal: Any, mixed: Mixed, use: Use) -> Any:
    view = signal
    rolls: dict[str, Any] = {}
    if mixed.gone and use.regional:
        rolls["region"] = list(REGIONS)
    if mixed.to is not None:
        rolls["t"] = mixed.to
    if rolls:
        view = view.rollup(**rolls, **({} if use.complete else {"complete": False}))
    if use.back > 1:
        if "region" in _dims(mixed, use):
            view = view["*"]
        view = view[: -use.back]
    if use.kind == "reference":
        view = view.ref
    if use.kind == "optional":
        view = view.optional()
    if use.mode == "checked":
        view = view.range_check(True)
    if use.mode == "at least":
        view = view.range_check(at_least=use.enough)
    if use.mode == "nearest":
        view = view.nearest()
    return view.alias(use.name)


def raw(mixed: Mixed, event: naive.Event | naive.Deletion, second: int) -> dict[str, Any]:
    """The event as AWS brings it; in which ``second`` of the trace it was first."""
    *region, value = event.partition
    key = "/".join([event.signal, *region, mixed.of.spell(value), "_SUCCESS"])
    # As old as the clock, so that nothing is forgotten.
    time = (mixed.start + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(event, naive.Deletion):
        return s3_deleted("lake", key, time=time)
    return s3_event("lake", key, etag=event.id, time=time)


def path(mixed: Mixed, use: Use, partition: naive.Partition) -> str:
    *region, time = partition
    return "/".join([f"s3://lake/s{use.signal}", *region, mixed.of.spell(time)])


def plain(text: object) -> str:
    """A label without what stands around its fields, which is a matter of spelling; numbers stay."""
    if isinstance(text, int) or str(text).lstrip("-").isdigit():
        return str(text)
    for name in ("year=", "month=", "day="):
        text = str(text).replace(name, "")
    return "".join(char for char in str(text) if char.isalnum())


def shown(mixed: Mixed, partition: naive.Partition) -> tuple[str, ...]:
    """An output partition of the plan, to be compared with what a run shows."""
    *region, time = partition
    return (*region, plain(time if mixed.to is not None else mixed.of.spell(time)))


def shown_by(run: Any) -> tuple[str, ...]:
    *region, time = run.output.values()
    return (*region, plain(time))


# ── for the naive evaluator ───────────────────────────────────────────────────────────────────────────


def plan(mixed: Mixed) -> naive.Plan:
    alternatives = [[_source(mixed, use) for use in uses] for uses in mixed.alternatives]
    dims = _dims(mixed, mixed.alternatives[0][0])
    if mixed.own:
        alternatives[0].append(_past(mixed, dims))
    if mixed.late:
        alternatives.append([naive.Source(_late_name(mixed), _late_name(mixed), ("t",), window=lambda _: [])])
    return naive.Plan(NODE, alternatives, dims, mixed.retrigger)


def late(mixed: Mixed) -> naive.Late | None:
    """What is judged when, where the graph has something that may be late."""
    if not mixed.late:
        return None
    grid, to, start = mixed.of, mixed.to, mixed.start.replace(tzinfo=UTC)
    values = grid.values if to is None else grid.coarse_values(to)
    spans = [(value, *(grid.span(value) if to is None else grid.coarse_span(to, value))) for value in values]
    tips = [((value,), end + AFTER) for value, begin, end in spans if begin >= start]
    return naive.Late(_late_name(mixed), _source(mixed, mixed.alternatives[0][0]), tips)


def _late_name(mixed: Mixed) -> str:
    return f"{mixed.alternatives[0][0].name}_late"


def _dims(mixed: Mixed, use: Use) -> naive.Names:
    return ("region", "t") if use.regional and not mixed.gone else ("t",)


def _source(mixed: Mixed, use: Use) -> naive.Source:
    gone = mixed.gone and use.regional
    return naive.Source(
        name=use.name,
        signal=f"s{use.signal}",
        dims=_dims(mixed, use),
        rolled=_rolled(mixed, gone),
        members=_members(mixed, gone),
        window=_window(mixed, use.back),
        trigger=use.kind == "trigger",
        range_check=use.mode == "checked",
        at_least=use.enough if use.mode == "at least" else None,
        nearest=use.mode == "nearest",
        optional=use.kind == "optional",
        complete=use.complete,
        is_rollup=gone or mixed.to is not None,
    )


def _past(mixed: Mixed, dims: naive.Names) -> naive.Source:
    grid = mixed.of
    return naive.Source(
        name=NODE,
        signal=NODE,
        dims=dims,
        window=lambda tip: [(*tip[:-1], grid.near(tip[-1], -1))],
        trigger=False,
        range_check=True,
        awaited=lambda partition: bool(partition[-1] >= grid.few[0]),
    )


def _rolled(mixed: Mixed, gone: bool) -> Callable[[naive.Partition], naive.Partition | None]:
    def rolled(partition: naive.Partition) -> naive.Partition | None:
        *region, time = partition
        if (gone and region[0] not in REGIONS) or ((mixed.own or mixed.begins) and time < mixed.of.few[0]):
            return None
        coarse = time if mixed.to is None else mixed.of.coarser[mixed.to](time)
        return (*([] if gone else region), coarse)

    return rolled


def _members(mixed: Mixed, gone: bool) -> Callable[[naive.Partition], list[naive.Partition]]:
    def members(tip: naive.Partition) -> list[naive.Partition]:
        *region, coarse = tip
        times = [coarse] if mixed.to is None else mixed.of.members(mixed.to, coarse)
        if mixed.own or mixed.begins:
            times = [time for time in times if time >= mixed.of.few[0]]
        regions = [[name] for name in REGIONS] if gone else [region]
        return [(*names, time) for names, time in product(regions, times)]

    return members


def _window(mixed: Mixed, back: int) -> Callable[[naive.Partition], list[naive.Partition]]:
    begin = mixed.of.few[0] if mixed.own or mixed.begins else mixed.of.values[0]
    first = begin if mixed.to is None else mixed.of.coarser[mixed.to](begin)

    def window(tip: naive.Partition) -> list[naive.Partition]:
        *region, time = tip
        line = list(mixed.of.values) if mixed.to is None else mixed.of.coarse_values(mixed.to)
        at = line.index(time)
        return [(*region, line[at - n]) for n in range(back) if line[at - n] >= first]

    return window


# ── what is built ─────────────────────────────────────────────────────────────────────────────────────


def needs(mixed: Mixed) -> set[str]:
    """The operators of the second edition that a graph uses."""
    found = {f"grid: {mixed.grid}"} - {"grid: days"}
    found |= {"rollup"} if mixed.to is not None or mixed.gone else set()
    found |= {"either"} if len(mixed.alternatives) > 1 or mixed.late else set()
    found |= {"late"} if mixed.late else set()
    found |= {"own past"} if mixed.own else set()
    found |= {mixed.retrigger} - {"all", "any"}
    found |= {"at least" for use in mixed.uses if use.mode == "at least"}
    found |= {"optional" for use in mixed.uses if use.kind == "optional"}
    return found


_DAYS = (Use(0, False),)
_THREE = (Use(0, False, back=3, mode="checked"),)
SMALLEST: dict[str, Mixed] = {
    **{f"grid: {name}": Mixed(name, (False,), (_THREE,)) for name in GRIDS if name != "days"},
    "rollup": Mixed("days", (True,), ((Use(0, True),),), gone=True),
    "either": Mixed("days", (False, False), (_DAYS, (Use(1, False),))),
    "late": Mixed("days", (False,), (_DAYS,), late=True),
    "own past": Mixed("days", (False,), (_DAYS,), own=True),
    "updated": Mixed("days", (False,), (_DAYS,), retrigger="updated"),
    "never": Mixed("days", (False,), (_DAYS,), retrigger="never"),
    "at least": Mixed("days", (False,), ((Use(0, False, back=3, mode="at least"),),)),
    "optional": Mixed("days", (False, False), ((Use(0, False), Use(1, False, kind="optional")),)),
    "deletion": Mixed("days", (False,), ((Use(0, False, back=2, mode="checked"),),)),
}


def is_built(feature: str) -> bool:
    """Whether an operator can be declared and does at all what it is for, in the smallest graph and trace."""
    mixed = SMALLEST[feature]
    try:
        sim = Simulator(declare(mixed), now=mixed.start.replace(tzinfo=UTC))
    except (RheoError, TypeError, AttributeError, ValueError):
        return False
    machine, steps = naive.Machine(plan(mixed)), _smallest_trace(mixed)
    if feature == "deletion":
        steps.insert(1, naive.Deletion("s0", steps[0].partition))
    return all(
        len(sim.send(raw(mixed, step, second))) == len(machine.take(step))
        for second, step in enumerate(steps)
    )


def _smallest_trace(mixed: Mixed) -> list[Any]:
    return [
        naive.Event(f"s{number}", (*region, value), f"e{number}")
        for value in mixed.of.few
        for number, regional in enumerate(mixed.regional)
        for region in ([(name,) for name in REGIONS] if regional else [()])
    ]


def built() -> frozenset[str]:
    """The operators that random graphs may use today."""
    return frozenset(filter(is_built, SMALLEST))
