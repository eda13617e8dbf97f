"""One random description -> the same graph twice: through the public language, and for `naive`.

Two axes run through every graph: regions (1, 2, 3; NA and EU; na and eu) and time (hours, days in several
formats, months, texts that spell days). A dimension holds one axis in one code. A link compares two
dimensions of an axis at a level that both can reach: dates as dates or texts, numbers through a map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from rheodsl import Application, DimensionType, output

from . import naive

NAMES = {1: "NA", 2: "EU"}  # region 3 has no name: it joins nothing through the map
TEXT = "%d.%m.%Y"


@dataclass(frozen=True)
class Code:
    """How a dimension spells its axis, and the levels at which its values can be compared."""

    axis: str
    level: str
    template: str
    type: DimensionType
    levels: tuple[str, ...]
    # What an inverse can undo: levels from which the own value follows.
    from_levels: tuple[str, ...]

    @property
    def windowed(self) -> bool:
        return self.level in {"int", "hour", "day", "month"}


_R, _D = "region", "time"
_S, _L, _T = DimensionType.STRING, DimensionType.LONG, DimensionType.DATETIME
CODES = {
    "int": Code(_R, "int", ":int", _L, ("int", "name", "lower"), ("int", "name")),
    "name": Code(_R, "name", "", _S, ("name", "lower"), ("name",)),
    "lower": Code(_R, "lower", "", _S, ("lower", "name"), ("lower",)),
    "ymd": Code(_D, "day", ":%Y-%m-%d", _T, ("day", "text", "month", "hour"), ("day", "text")),
    "dmy": Code(_D, "day", ":%d-%m-%Y", _T, ("day", "text", "month"), ("day", "text")),
    "compact": Code(_D, "day", ":%Y%m%d", _T, ("day", "text", "month"), ("day", "text")),
    "hour": Code(_D, "hour", ":%Y-%m-%d-%H", _T, ("hour", "day", "text", "month"), ("hour",)),
    "month": Code(_D, "month", ":%Y-%m", _T, ("month",), ("month",)),
    "text": Code(_D, "text", "", _S, ("text", "day", "month"), ("text", "day")),
}
SHIFTED = {"int", "hour", "day", "month"}


# ── the description ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, repr=False)
class Dim:
    name: str
    code: str

    def __repr__(self) -> str:
        return f"{self.name}:{self.code}"

    @property
    def of(self) -> Code:
        return CODES[self.code]


@dataclass(frozen=True)
class Signal:
    id: str
    dims: tuple[Dim, ...]

    def at(self, axis: str) -> int | None:
        return next((i for i, dim in enumerate(self.dims) if dim.of.axis == axis), None)


@dataclass(frozen=True)
class Window:
    """``[start:count]`` at one dimension; ``count`` None is ``[start:]``."""

    dim: int
    start: int
    count: int | None

    @property
    def index(self) -> slice:
        return slice(self.start or None, self.count)

    @property
    def offsets(self) -> list[int]:
        if self.count is None:
            return [self.start]
        step = 1 if self.count > 0 else -1
        return [self.start + step * i for i in range(abs(self.count))]


@dataclass(frozen=True, repr=False)
class Input:
    name: str
    signal: Signal
    reference: bool = False
    values: tuple[tuple[int, Any], ...] = ()
    window: Window | None = None
    mode: str = "plain"  # or "range_check" or "nearest"

    def __repr__(self) -> str:
        kind = ", ref" if self.reference else ""
        return f"<{self.name} = {self.signal.id}{kind}, {self.values}, {self.window}, {self.mode}>"


@dataclass(frozen=True, repr=False)
class Link:
    """``left + shift == right`` at ``level``; for a reference, ``left`` is the reference's side."""

    left: Input
    right: Input
    axis: str
    level: str
    shift: int
    form: str = "operator"  # or "guide", or "default": not written, for it has the same name on both sides

    def __repr__(self) -> str:
        left, right = (f"{side.name}.{_dim(side, self.axis).name}" for side in (self.left, self.right))
        return f"<{left} {self.shift:+d} == {right} as {self.level}, {self.form}>"


@dataclass(frozen=True)
class Node:
    id: str
    inputs: tuple[Input, ...]
    links: tuple[Link, ...]
    retrigger: str
    # Names of inputs and axes that the output projects on, with the level; none: left to the default.
    projection: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Graph:
    signals: tuple[Signal, ...]
    nodes: tuple[Node, ...]


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def spell(value: Any, code: str) -> str:
    """A value as it stands in a path."""
    template = CODES[code].template
    return value.strftime(template[1:]) if template.startswith(":%") else str(value)


def step(value: Any, level: str, by: int) -> Any:
    """A value moved by whole units."""
    if level == "int":
        return value + by
    if level == "hour":
        return value + timedelta(hours=by)
    if level == "day":
        return value + timedelta(days=by)
    month = value.year * 12 + value.month - 1 + by
    return date(month // 12, month % 12 + 1, 1)


def lift(value: Any, own: str, level: str) -> Any:
    """A value of level ``own`` at another level that it can reach."""
    if own == level:
        return value
    match own, level:
        case "int", "name":
            return NAMES[value]
        case "int", "lower":
            return NAMES[value].lower()
        case "name", "lower":
            return value.lower()
        case "lower", "name":
            return value.upper()
        case (("hour" | "day"), "text"):
            return value.strftime(TEXT)
        case "hour", "day":
            return value.date()
        case "day", "hour":
            return datetime(value.year, value.month, value.day)
        case (("hour" | "day"), "month"):
            return date(value.year, value.month, 1)
        case "text", "day":
            return datetime.strptime(value, TEXT).date()
        case "text", "month":
            return lift(lift(value, "text", "day"), "day", "month")
        case "name", "int":
            return {name: number for number, name in NAMES.items()}[value]
    raise AssertionError((own, level))


def lifted(expression: Any, own: str, level: str) -> Any:
    """The same, in the language."""
    if own == level:
        return expression
    match own, level:
        case "int", "name":
            return expression.map(NAMES)
        case "int", "lower":
            return expression.map(NAMES).lower()
        case "name", "lower":
            return expression.lower()
        case "lower", "name":
            return expression.upper()
        case (("hour" | "day"), "text"):
            return expression.fmt(TEXT)
        case "hour", "day":
            return expression.trunc("day")
        case "day", "hour":
            return expression.at("hour")
        case (("hour" | "day"), "month"):
            return expression.trunc("month")
        case "text", "day":
            return expression.parse(TEXT)
        case "text", "month":
            return expression.parse(TEXT).trunc("month")
    raise AssertionError((own, level))


# ── through the language ──────────────────────────────────────────────────────────────────────────────


def declare(graph: Graph) -> tuple[Application, dict[str, Any]]:
    """Declare the graph; return the application and its signals."""
    app = Application("laws")
    signals = {signal.id: app.s3(signal.id, _path(signal)) for signal in graph.signals}
    for node in graph.nodes:
        views = {input.name: _view(signals[input.signal.id], input) for input in node.inputs}
        links = [_link(link, views) for link in node.links if link.form != "default"]
        names = {f"o{i}": part for i, part in enumerate(node.projection)}
        options: dict[str, Any] = {}
        if names:
            options["output_dimension_spec"] = _spec(list(names.items()))
            options["output_dim_links"] = [
                getattr(output, name) == _at(_input(node, input), axis, level, views)
                for name, (input, axis, level) in names.items()
            ]
        app.create_data(
            node.id, inputs=list(views.values()), input_dim_links=links, retrigger=node.retrigger, **options
        )
    return app, signals


def send(signals: dict[str, Any], graph: Graph, event: naive.Event) -> Any:
    """The view that names an event's partition."""
    signal = next(signal for signal in graph.signals if signal.id == event.signal)
    view = signals[signal.id]
    for dim, value in zip(signal.dims, event.partition, strict=True):
        view = view[spell(value, dim.code)]
    return view


def _path(signal: Signal) -> str:
    return "/".join([f"s3://lake/{signal.id}", *(f"{{{dim.name}{dim.of.template}}}" for dim in signal.dims)])


def _view(node: Any, input: Input) -> Any:
    view = node
    values = dict(input.values)
    for i, dim in enumerate(input.signal.dims):
        if i in values:
            view = view[spell(values[i], dim.code)]
        elif input.window is not None and input.window.dim == i:
            view = view[input.window.index]
        else:
            view = view["*"]
    if input.reference:
        view = view.ref
    if input.mode == "range_check":
        view = view.range_check(True)
    if input.mode == "nearest":
        view = view.nearest()
    return view.alias(input.name)


def _at(input: Input, axis: str, level: str, views: dict[str, Any]) -> Any:
    dim = _dim(input, axis)
    return lifted(views[input.name](dim.name), dim.of.level, level)


def _link(link: Link, views: dict[str, Any]) -> Any:
    if link.form == "guide":
        left, right = _dim(link.left, link.axis), _dim(link.right, link.axis)
        source, own = views[link.left.name](left.name), left.of.level
        return (
            views[link.right.name](right.name),
            lambda dim: _shifted(lifted(dim, own, link.level), link),
            source,
        )
    return _shifted(_at(link.left, link.axis, link.level, views), link) == _at(
        link.right, link.axis, link.level, views
    )


def _shifted(expression: Any, link: Link) -> Any:
    return expression + link.shift if link.shift else expression


def _spec(names: list[tuple[str, tuple[str, str, str]]]) -> dict[str, Any]:
    (name, (_, _, level)), *rest = names
    code = CODES[LEVEL_CODE[level]]
    attributes: dict[str, Any] = {"type": code.type}
    if code.type is _T:
        attributes["format"] = code.template[1:]
    return {name: attributes | (_spec(rest) if rest else {})}


LEVEL_CODE = {
    "int": "int",
    "name": "name",
    "lower": "lower",
    "day": "ymd",
    "hour": "hour",
    "month": "month",
    "text": "text",
}


def _dim(input: Input, axis: str) -> Dim:
    return next(dim for dim in input.signal.dims if dim.of.axis == axis)


def _input(node: Node, name: str) -> Input:
    return next(input for input in node.inputs if input.name == name)


# ── for the naive evaluator ───────────────────────────────────────────────────────────────────────────


def plainly(node: Node) -> naive.Node:
    """The node for `naive.executions`; its outputs are texts, as in the path."""
    return naive.Node(
        inputs=[
            naive.Input(
                name=input.name,
                signal=input.signal.id,
                accepts=lambda partition, wanted=input.values: all(
                    partition[i] == value for i, value in wanted
                ),
                window=lambda tip, input=input: windows(input, tip),
                range_check=input.mode == "range_check",
                nearest=input.mode == "nearest",
                follows=_follows(node, input) if input.reference else None,
            )
            for input in node.inputs
        ],
        links=[_holds(link) for link in node.links if not link.left.reference],
        output=lambda tips: _output(node, tips),
        retrigger=node.retrigger,
    )


def windows(input: Input, tip: naive.Partition) -> list[naive.Partition]:
    """The partitions that an input reads for a tip."""
    if input.window is None:
        return [tip]
    at, level = input.window.dim, input.signal.dims[input.window.dim].of.level
    return [(*tip[:at], step(tip[at], level, by), *tip[at + 1 :]) for by in input.window.offsets]


def _value(input: Input, axis: str, level: str, tips: naive.Tips) -> Any:
    at = input.signal.at(axis)
    assert at is not None
    return lift(tips[input.name][at], input.signal.dims[at].of.level, level)


def _holds(link: Link) -> Callable[[naive.Tips], bool]:
    def holds(tips: naive.Tips) -> bool:
        left = _value(link.left, link.axis, link.level, tips)
        right = _value(link.right, link.axis, link.level, tips)
        return bool((step(left, link.level, link.shift) if link.shift else left) == right)

    return holds


def _follows(node: Node, reference: Input) -> Callable[[naive.Tips], naive.Partition]:
    def follows(tips: naive.Tips) -> naive.Partition:
        partition = []
        values = dict(reference.values)
        for i, dim in enumerate(reference.signal.dims):
            if i in values:
                partition.append(values[i])
                continue
            link = next(link for link in node.links if link.left == reference and link.axis == dim.of.axis)
            value = _value(link.right, link.axis, link.level, tips)
            value = step(value, link.level, -link.shift) if link.shift else value
            partition.append(lift(value, link.level, dim.of.level))
        return tuple(partition)

    return follows


def _output(node: Node, tips: naive.Tips) -> naive.Partition:
    if node.projection:
        return tuple(
            spell(_value(_input(node, name), axis, level, tips), LEVEL_CODE[level])
            for name, axis, level in node.projection
        )
    first = next(input for input in node.inputs if not input.reference)
    texts = []
    for dim in first.signal.dims:
        # Equality with the first input that has a dimension of that name.
        source = next(input for input in node.inputs if dim.name in [d.name for d in input.signal.dims])
        at = [d.name for d in source.signal.dims].index(dim.name)
        texts.append(spell(tips[source.name][at], source.signal.dims[at].code))
    return tuple(texts)
