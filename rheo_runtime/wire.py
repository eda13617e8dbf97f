"""The route table: what the compiler tells the listener, as frozen types and versioned JSON.

`RouteTable` is the whole contract between build time and run time. No code, no pickles: paths are
templates, links and outputs are expressions of `rheo_runtime.expr`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime.values import Kind, Partition, Value, render

VERSION = 1


class WireError(ValueError):
    """A document that is no route table of a version we read."""


@dataclass(frozen=True, slots=True)
class Window:
    """The partitions of one dimension around the tip: ``shift``, then ``count`` values in its direction.

    ``count`` is negative for a window that goes back (``[:-7]`` is ``Window(0, -7)``), positive for
    one that goes forward, and never 0. ``[-1:]`` is ``Window(-1, 1)``.
    """

    shift: int
    count: int

    def offsets(self) -> range:
        """Return the distances from the tip, in units, in the order of reading.

        >>> list(Window(-1, -3).offsets())
        [-1, -2, -3]
        """
        step = 1 if self.count > 0 else -1
        return range(self.shift, self.shift + self.count, step)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one dimension of one branch of a filter lets pass, and how its text reads there.

    ``kind`` holds the attributes that apply in this branch (a timezone for each region, say).
    ``value`` None lets any value pass.
    """

    kind: Kind
    value: Value | None = None
    window: Window | None = None


# One alternative of a filter: a rule for each dimension, in declared order.
Branch = tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class S3Events:
    """Objects below ``s3://bucket/``: a key matches ``template`` segment by segment.

    ``template`` is the whole key of a partition's folder (``orders/region={}/day={}``); each ``{}``
    captures the text of the next dimension. ``completion`` are the names of the objects that announce
    a partition; empty means that any object directly in the folder does. ``account`` is the bucket's
    owner, where that is declared: events that name another are refused.
    """

    bucket: str
    template: str
    completion: tuple[str, ...] = ("_SUCCESS",)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class GlueEvents:
    """Partitions of a Glue Data Catalog table, in the order of its partition keys."""

    database: str
    table: str


@dataclass(frozen=True, slots=True)
class TimerEvents:
    """A timer's fires: the fire time, moved by ``shift`` units, truncated to the granularity."""

    timer: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class AlarmEvents:
    """State changes of a CloudWatch alarm: dimensions state and time."""

    alarm: str


@dataclass(frozen=True, slots=True)
class SnsEvents:
    """Messages of an SNS topic: JSON whose fields named like the dimensions hold their texts."""

    topic: str


@dataclass(frozen=True, slots=True)
class SignalEvents:
    """Signals sent by name, ``rheo.signal``: a node's output, or any signal fed by hand."""

    app: str


Events = S3Events | GlueEvents | TimerEvents | AlarmEvents | SnsEvents | SignalEvents


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that emits partitions.

    ``path`` is the template of a partition's address (``s3://bucket/orders/{}/{}``), with one ``{}``
    for each dimension; None for a signal without data, a timer or an alarm.
    """

    id: str
    dims: tuple[str, ...]
    branches: tuple[Branch, ...]
    events: tuple[Events, ...]
    path: str | None = None

    def kinds(self, partition: Partition) -> tuple[Kind, ...]:
        """Return the kinds of the branch that lets ``partition`` pass (the first branch's when none does)."""
        for branch in self.branches:
            if all(r.value is None or r.value == p for r, p in zip(branch, partition, strict=True)):
                return tuple(r.kind for r in branch)
        return tuple(r.kind for r in self.branches[0])

    def texts(self, partition: Partition) -> tuple[str, ...]:
        """Return the text of each coordinate, as it stands in the path."""
        return tuple(map(render, partition, self.kinds(partition)))

    def address(self, partition: Partition) -> str | None:
        """Return the path of a partition, or None for a signal without data."""
        return None if self.path is None else fill(self.path, self.texts(partition))


def fill(template: str, texts: tuple[str, ...]) -> str:
    """Return ``template`` with each ``{}`` replaced by the next text.

    >>> fill("s3://b/orders/{}/{}", ("1", "2020-03-18"))
    's3://b/orders/1/2020-03-18'
    """
    parts = template.split("{}")
    return parts[0] + "".join(text + part for text, part in zip(texts, parts[1:], strict=True))


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node.

    ``branches`` is the filter, windows included. ``mode`` is "" (read what exists), "range_check"
    or "nearest". ``tip`` is None for a trigger; for a reference it gives each dimension of its tip
    as an expression over the trigger inputs.
    """

    alias: str
    signal: str
    branches: tuple[Branch, ...]
    mode: str = ""
    tip: tuple[x.Expr, ...] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The output partition: names, how each reads, and each as an expression over the trigger inputs."""

    dims: tuple[str, ...]
    kinds: tuple[Kind, ...]
    values: tuple[x.Expr, ...]
    path: str | None


@dataclass(frozen=True, slots=True)
class Route:
    """How events become executions of one node. Times to live are in seconds.

    ``links`` are equations between expressions over the inputs; ``retrigger`` is "all" or "any".
    ``pending_hooks`` are the names of the hooks that are told of inputs that wait. ``native`` says that
    Airflow itself starts the node, by a timer: events that a listener gets do not.
    """

    node: str
    inputs: tuple[Input, ...]
    links: tuple[tuple[x.Expr, x.Expr], ...]
    output: Output
    retrigger: str = "all"
    arrival_ttl: int = 90 * 86400
    pending_ttl: int | None = None
    pending_hooks: tuple[str, ...] = ()
    native: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All signals and routes of an application, sorted by id."""

    app: str
    signals: tuple[Signal, ...]
    routes: tuple[Route, ...]

    def dumps(self) -> str:
        """Return the table as JSON text, the same text for the same table."""
        # One line for each signal and route: quick to write, and a change is a one-line diff.
        return (
            f'{{"version": {VERSION}, "app": {json.dumps(self.app)},\n'
            f'"signals": [{_lines(self.signals)}],\n"routes": [{_lines(self.routes)}]}}\n'
        )

    def for_listener(self) -> RouteTable:
        """Return the table without the nodes that Airflow itself starts."""
        return replace(self, routes=tuple(route for route in self.routes if not route.native))

    def of_any_account(self) -> RouteTable:
        """Return the table without the owners of buckets: for a machine where they belong to nobody."""

        def unowned(event: Events) -> Events:
            return replace(event, account=None) if isinstance(event, S3Events) else event

        signals = [replace(s, events=tuple(map(unowned, s.events))) for s in self.signals]
        return replace(self, signals=tuple(signals))

    @staticmethod
    def loads(text: str) -> RouteTable:
        """Return the table that `dumps` wrote; raises WireError for another version or other text."""
        try:
            data = json.loads(text)
            if data.get("version") != VERSION:
                raise WireError(f"route table of version {data.get('version')!r}; this code reads {VERSION}")
            return RouteTable(
                app=data["app"],
                signals=tuple(map(_signal, data["signals"])),
                routes=tuple(map(_route, data["routes"])),
            )
        except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as fault:
            raise WireError(f"no route table: {fault!r}") from fault


_EVENTS: dict[str, type[Any]] = {
    "s3": S3Events, "glue": GlueEvents, "timer": TimerEvents, "alarm": AlarmEvents,
    "sns": SnsEvents, "signal": SignalEvents,
}  # fmt: skip
_EVENT_TAGS = {cls: tag for tag, cls in _EVENTS.items()}
_DEFAULTS: dict[type[Any], tuple[tuple[str, Any], ...]] = {
    cls: tuple((f.name, f.default) for f in fields(cls))
    for cls in (Window, Rule, Kind, Signal, Input, Output, Route, *_EVENTS.values())
}


def _lines(items: tuple[Any, ...]) -> str:
    return ",\n".join(json.dumps(_encode(item), ensure_ascii=False) for item in items)


def _encode(value: Any) -> Any:
    """Dataclasses become dicts without their defaults, expressions tagged lists."""
    if isinstance(value, x.Expr):
        return x.to_json(value)
    if isinstance(value, tuple):
        return [_encode(y) for y in value]
    if value is None or isinstance(value, str | int):
        return value
    data = {
        name: _encode(y) for name, default in _DEFAULTS[type(value)] if (y := getattr(value, name)) != default
    }
    tag = _EVENT_TAGS.get(type(value))
    return {"type": tag, **data} if tag else data


def _rule(data: Mapping[str, Any]) -> Rule:
    window = data.get("window")
    return Rule(x.kind_from_json(data["kind"]), data.get("value"), Window(**window) if window else None)


def _branches(data: list[Any]) -> tuple[Branch, ...]:
    return tuple(tuple(map(_rule, branch)) for branch in data)


def _events(data: Mapping[str, Any]) -> Events:
    arguments = {k: tuple(y) if isinstance(y, list) else y for k, y in data.items() if k != "type"}
    event: Events = _EVENTS[data["type"]](**arguments)
    return event


def _signal(data: Mapping[str, Any]) -> Signal:
    return Signal(
        id=data["id"],
        dims=tuple(data["dims"]),
        branches=_branches(data["branches"]),
        events=tuple(map(_events, data["events"])),
        path=data.get("path"),
    )


def _input(data: Mapping[str, Any]) -> Input:
    tip = data.get("tip")
    return Input(
        alias=data["alias"],
        signal=data["signal"],
        branches=_branches(data["branches"]),
        mode=data.get("mode", ""),
        tip=None if tip is None else tuple(map(x.from_json, tip)),
    )


def _route(data: Mapping[str, Any]) -> Route:
    output = data["output"]
    options = {k: data[k] for k in ("retrigger", "arrival_ttl", "pending_ttl", "native") if k in data}
    return Route(
        node=data["node"],
        inputs=tuple(map(_input, data["inputs"])),
        links=tuple((x.from_json(a), x.from_json(b)) for a, b in data["links"]),
        output=Output(
            dims=tuple(output["dims"]),
            kinds=tuple(map(x.kind_from_json, output["kinds"])),
            values=tuple(map(x.from_json, output["values"])),
            path=output.get("path"),
        ),
        pending_hooks=tuple(data.get("pending_hooks", ())),
        **options,
    )
