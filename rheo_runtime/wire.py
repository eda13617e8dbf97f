"""The route table: what the compiler tells the listener, as frozen types and versioned JSON.

`RouteTable` is the whole contract between build time and run time. No code, no pickles: paths are
templates, links and outputs are expressions of `rheo_runtime.expr`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from rheo_runtime import expr as x
from rheo_runtime.templates import template
from rheo_runtime.values import Kind, Partition, Value, render

VERSION = 1
DECODED = "|decoded"  # ends the id of an event whose key was read decoded


def event_text(id: str) -> str:
    """Return the id of an event as people read it, and how its key was read where that is not plain.

    >>> event_text("_SUCCESS|e|1704067200.000|decoded")
    '_SUCCESS|e|1704067200.000 (its key came percent-encoded, and is read decoded)'
    """
    if not id.endswith(DECODED):
        return id
    return f"{id.removesuffix(DECODED)} (its key came percent-encoded, and is read decoded)"


def resource_name(app: str) -> str:
    """Return the name of an application's bucket, table and queue, where none is given.

    >>> resource_name("My_App")
    'rheo-my-app'
    """
    return "rheo-" + "".join(c if c.isalnum() or c == "-" else "-" for c in app.lower()).strip("-")


PASS, WARN, FAIL = CHECK_RESULTS = ("PASS", "WARN", "FAIL")


def checks_signal(node: str) -> str:
    """Return the id of the signal that tells how the checks of a node's output ended.

    >>> checks_signal("daily")
    'daily.checks'
    """
    return f"{node}.checks"


class S3Address(NamedTuple):
    """A place in S3; the key is empty for a whole bucket."""

    bucket: str
    key: str

    @classmethod
    def of(cls, text: str) -> S3Address:
        """Return what an ``s3://`` text names.

        >>> S3Address.of("s3://bucket/a/b"), S3Address.of("s3://bucket")
        (S3Address(bucket='bucket', key='a/b'), S3Address(bucket='bucket', key=''))
        """
        bucket, _, key = text.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class WireError(ValueError):
    """A document that is no route table of a version we read."""


class AWSCommonParams:
    """Names of what the ``params`` of an inlined compute hold."""

    BOTO_SESSION = "AWS_BOTO_SESSION"
    ACCOUNT_ID = "ACCOUNT_ID"
    REGION = "REGION"


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

    ``template`` is the whole key of a partition's folder (``orders/region={}/day={}``), as
    `rheo_runtime.templates` reads it. ``completion`` are the names of the objects that announce a
    partition, patterns (``*.csv``) and names that hold dimensions (``orders_{0}.done``) among them; empty
    means that any object directly in the folder does, and `ITSELF` that the template names the object.
    ``account`` is the bucket's owner, where that is declared: events that name another are refused.
    ``topic`` is the SNS topic that tells of the objects, where that is declared: nothing else does then.
    A name that begins with ``../`` stands above the partitions, and announces those below it that are new; after ``settle``
    seconds without another object a partition arrives. ``reconcile`` says that what is there is compared with what
    arrived.
    """

    bucket: str
    template: str
    completion: tuple[str, ...] = ("_SUCCESS",)
    account: str | None = None
    topic: str | None = None
    settle: int | None = None
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class GlueEvents:
    """Partitions of a Glue Data Catalog table, in the order of its partition keys.

    ``reconcile`` says that what is there is compared with what arrived.
    """

    database: str
    table: str
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class TimerEvents:
    """A timer's fires: the fire time, moved by ``shift`` units, truncated to the granularity.

    ``every`` is given where the clock fires more often than the timer: so many seconds apart, counted from
    1970, are the fires that count.
    """

    timer: str
    shift: int = 0
    every: int = 0


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


@dataclass(frozen=True, slots=True)
class LateEvents:
    """Partitions at which a view of the signal ``of`` is not complete at their time.

    That time is ``after`` seconds after the end of the partition, or ``by`` minutes of the day, on the clock of
    ``timezone``, ``days`` after its last day. Counted are those that begin at ``since`` or later, in seconds since
    1970; None: at the first activation.
    """

    of: str
    branches: tuple[Branch, ...]
    mode: str = ""
    after: int | None = None
    by: int | None = None
    days: int = 1
    timezone: str | None = None
    since: int | None = None
    rollup: Rollup | None = None


Events = S3Events | GlueEvents | TimerEvents | AlarmEvents | SnsEvents | SignalEvents | LateEvents


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that emits partitions.

    ``path`` is the template of a partition's address (``s3://bucket/orders/{}/{}``); None for a signal
    without data, a timer or an alarm.
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
        """Return the text of each coordinate."""
        return tuple(map(render, partition, self.kinds(partition)))

    def address(self, partition: Partition, texts: tuple[str, ...] | None = None) -> str | None:
        """Return the path of a partition, or None for a signal without data.

        ``texts`` are how an event spelled it, where that differs.
        """
        if self.path is None:
            return None
        return template(self.path).fill(partition, self.kinds(partition), texts=texts)


# Of a kind, what says which values there are, not what a value means.
_DOMAIN = ("min", "calendar", "schedule")


def digest(data: object) -> str:
    """Return a short name of plain data: 48 bits of its hash."""
    return blake2b(json.dumps(data).encode(), digest_size=6).hexdigest()


def kind_meaning(kind: Kind) -> dict[str, Any]:
    """Return what values of a kind mean and how they are spelled, as plain data."""
    return {name: value for name, value in x.kind_to_json(kind).items() if name not in _DOMAIN}


def spelling(dims: Iterable[str], kinds: Iterable[Kind]) -> str:
    """Return a short name of what the texts of an output's partitions mean: its dimensions and their kinds."""
    return digest([list(dims), [kind_meaning(kind) for kind in kinds]])


def spellings(signal: Signal) -> frozenset[str]:
    """Return what texts of a signal may mean; before those of an output stands how its checks ended, where they are told."""
    kinds = [tuple(rule.kind for rule in branch) for branch in signal.branches]
    return frozenset(spelling(signal.dims[i:], each[i:]) for each in kinds for i in (0, 1))


@lru_cache(maxsize=10_000)
def meaning(signal: Signal) -> str:
    """Return a short name of what a stored partition of a signal means: its id, dimensions and their kinds.

    What was stored under another one is never read as a partition of this signal. It stays when the first
    value, the calendar or the schedule of a dimension changes: those say which partitions there are.
    """
    kinds = [
        (
            [rule.value for rule in branch] if len(signal.branches) > 1 else [],
            [kind_meaning(rule.kind) for rule in branch],
        )
        for branch in signal.branches
    ]
    if all(kinds[0][1] == each[1] for each in kinds):
        kinds = [([], kinds[0][1])] if kinds else []
    return digest([signal.id, signal.dims, kinds])


@dataclass(frozen=True, slots=True)
class Rollup:
    """How the partitions of a signal, its members, make the coarser ones that an input speaks of.

    ``grains`` says of each of the signal's ``dims`` what becomes of it: None where it stays, a coarser
    granularity, or "" where it goes. ``members`` is the filter of the members, over the signal's dimensions.
    Unless ``complete``, the members that exist are enough.
    """

    dims: tuple[str, ...]
    grains: tuple[str | None, ...]
    members: tuple[Branch, ...]
    complete: bool = True

    @property
    def coarse(self) -> tuple[str, ...]:
        """The dimensions that are left."""
        return tuple(dim for dim, grain in zip(self.dims, self.grains, strict=True) if grain != "")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node.

    ``branches`` is the filter, windows included. ``mode`` is "" (read what exists), "range_check"
    or "nearest". ``tip`` is None for a trigger; for a reference it gives each dimension of its tip
    as an expression over the trigger inputs. Under a ``rollup``, the filter, the tip and all expressions
    speak of the coarser dimensions. ``at_least`` is how many partitions of the window must exist;
    ``optional`` says that none need exist.
    """

    alias: str
    signal: str
    branches: tuple[Branch, ...]
    mode: str = ""
    tip: tuple[x.Expr, ...] | None = None
    rollup: Rollup | None = None
    at_least: int | None = None
    optional: bool = False

    @property
    def lists_what_exists(self) -> bool:
        """Whether what does not exist is left out of what an execution reads."""
        return (
            self.optional
            or self.at_least is not None
            or (self.rollup is not None and not self.rollup.complete)
        )

    def dims(self, signal: Signal) -> tuple[str, ...]:
        """Return the names of its dimensions."""
        return signal.dims if self.rollup is None else self.rollup.coarse

    def texts(self, signal: Signal, partition: Partition) -> tuple[str, ...]:
        """Return the text of each coordinate of a partition of the input."""
        if self.rollup is None:
            return signal.texts(partition)
        for branch in self.branches:
            if all(r.value is None or r.value == p for r, p in zip(branch, partition, strict=True)):
                break
        else:
            branch = self.branches[0]
        return tuple(render(value, rule.kind) for value, rule in zip(partition, branch, strict=True))


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

    ``links`` are equations between expressions over the inputs; ``retrigger`` is "all", "any", "updated" or "never".
    ``pending_hooks`` are the names of the hooks that are told of inputs that wait. ``native`` says that
    Airflow itself starts the node, by a timer: events that a listener gets do not. ``alternative`` numbers the
    routes of one node, all to one output: 0 is the first, or the only one. ``batch`` is how many executions one
    run carries out, 0 where each has a run of its own, and ``batch_wait`` how many seconds the first waits for others.
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
    alternative: int = 0
    batch: int = 0
    batch_wait: int = 0

    @property
    def key(self) -> str:
        """The node, and which of its alternatives: what no other route has."""
        return f"{self.node}|{self.alternative}" if self.alternative else self.node


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All signals and routes of an application, sorted by id."""

    app: str
    signals: tuple[Signal, ...]
    routes: tuple[Route, ...]

    def dumps(self, line: Callable[[Signal | Route], str] | None = None) -> str:
        """Return the table as JSON text, the same text for the same table; ``line`` knows the `line` of each part."""
        # One line for each signal and route: quick to write, and a change is a one-line diff.
        signals, routes = (",\n".join(map(line or _line, parts)) for parts in (self.signals, self.routes))
        return (
            f'{{"version": {VERSION}, "app": {json.dumps(self.app)},\n'
            f'"signals": [{signals}],\n"routes": [{routes}]}}\n'
        )

    def topics(self) -> frozenset[str]:
        """Return the SNS topics that something is declared with."""
        events = (event for signal in self.signals for event in signal.events)
        return frozenset(
            e.topic for e in events if isinstance(e, S3Events | SnsEvents) and e.topic is not None
        )

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
    "sns": SnsEvents, "signal": SignalEvents, "late": LateEvents,
}  # fmt: skip
_EVENT_TAGS = {cls: tag for tag, cls in _EVENTS.items()}
_DEFAULTS: dict[type[Any], tuple[tuple[str, Any], ...]] = {
    cls: tuple((f.name, f.default) for f in fields(cls))
    for cls in (Window, Rule, Kind, Signal, Rollup, Input, Output, Route, *_EVENTS.values())
}


def line(part: Signal | Route) -> str:
    """Return a signal or a route as its line of the table's text."""
    return _text(_encode(part))


_line = line
_text = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def _encode(value: Any) -> Any:
    """Dataclasses become dicts without their defaults, expressions tagged lists."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if isinstance(value, tuple):
        return [y if y.__class__ in _PLAIN else _encode(y) for y in value]
    if kind is Kind:
        return _kind(value)
    if kind in _DEFAULTS:
        return _fields_of(value)
    return x.to_json(value) if isinstance(value, x.Expr) else value


_PLAIN = frozenset({str, int, bool, type(None)})


def _fields_of(value: Any) -> dict[str, Any]:
    kind = value.__class__
    data = {"type": _EVENT_TAGS[kind]} if kind in _EVENT_TAGS else {}
    for name, default in _DEFAULTS[kind]:
        if (y := getattr(value, name)) is not default and y != default:
            data[name] = y if y.__class__ in _PLAIN else _encode(y)
    return data


_kind = lru_cache(maxsize=512)(_fields_of)  # there are few, and each stands many times


def _rule(data: Mapping[str, Any]) -> Rule:
    window = data.get("window")
    return Rule(x.kind_from_json(data["kind"]), data.get("value"), Window(**window) if window else None)


def _branches(data: list[Any]) -> tuple[Branch, ...]:
    return tuple(tuple(map(_rule, branch)) for branch in data)


def _events(data: Mapping[str, Any]) -> Events:
    arguments = {k: tuple(y) if isinstance(y, list) else y for k, y in data.items() if k != "type"}
    if "branches" in arguments:
        arguments["branches"] = _branches(data["branches"])
    if "rollup" in arguments:
        arguments["rollup"] = _rollup(data["rollup"])
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
        rollup=_rollup(data["rollup"]) if "rollup" in data else None,
        at_least=data.get("at_least"),
        optional=data.get("optional", False),
    )


def _rollup(data: Mapping[str, Any]) -> Rollup:
    return Rollup(
        tuple(data["dims"]), tuple(data["grains"]), _branches(data["members"]), data.get("complete", True)
    )


_ROUTE_OPTIONS = (
    "retrigger", "arrival_ttl", "pending_ttl", "native", "alternative", "batch", "batch_wait",
)  # fmt: skip


def _route(data: Mapping[str, Any]) -> Route:
    output = data["output"]
    options = {k: data[k] for k in _ROUTE_OPTIONS if k in data}
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
