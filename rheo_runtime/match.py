"""Event -> the signals and partitions that it names: an index, not a scan, whatever the number of routes.

Bucket, depth and literal segments find the template; the texts are read once for each spelling of
the dimensions; literal values of the signals' filters are a dict key, not a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from sys import intern
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from rheo_runtime import events as ev
from rheo_runtime import wire
from rheo_runtime.template import TemplateIndex
from rheo_runtime.texts import partition_parser, partition_renderer, picker
from rheo_runtime.values import BadValue, Kind, Partition, Value, from_datetime, shift

if TYPE_CHECKING:
    from rheo_runtime.program import Taker
    from rheo_runtime.windows import Layout

T = TypeVar("T")


class Rejected(NamedTuple):
    """An event that came to a signal, or an arrival that came to a node, and could not be used.

    ``node`` is None when the signal itself refused it; ``what`` is the text or partition in question.
    """

    signal: str | None
    node: str | None
    reason: str
    what: str


class Feed:
    """A signal in use: what the matcher finds and the engine works with.

    ``everyone`` are all that take it, when no filter of theirs has a literal value; ``takers`` finds
    those whose filters let a partition pass. ``layout`` is None while nobody asks which partitions
    exist, ``spells`` says that case is folded. The engine's program sets them.
    """

    __slots__ = ("everyone", "id", "layout", "signal", "spells", "takers")

    def __init__(self, signal: wire.Signal) -> None:
        self.id = signal.id
        self.signal = signal
        self.spells = any(rule.kind.insensitive for branch in signal.branches for rule in branch)
        self.layout: Layout | None = None
        self.takers: Literals[Taker] = Literals((), len(signal.dims))
        self.everyone: tuple[Taker, ...] | None = ()


class Found(NamedTuple):
    """A signal and the partition of it that an event names; ``texts`` as the event spelled them."""

    feed: Feed
    partition: Partition
    texts: tuple[str, ...]

    @property
    def signal(self) -> str:
        """The signal's id."""
        return self.feed.id


_new = tuple.__new__  # a named tuple's own constructor is a Python function: twice the time


class Literals(Generic[T]):
    """Filters -> targets: which of many targets' literal values let a partition pass.

    ``everyone`` is all targets when no filter has a literal value, which is the usual case and needs
    no look-up; None otherwise.

    >>> index = Literals([((1, None), "one"), ((2, None), "two"), ((None, None), "any")], 2)
    >>> index.find((2, 737502))
    ('two', 'any')
    """

    __slots__ = ("_masks", "_order", "everyone")

    def __init__(self, filters: Iterable[tuple[tuple[Value | None, ...], T]], size: int) -> None:
        masks: dict[tuple[int, ...], dict[Partition, list[T]]] = {}
        order: dict[T, int] = {}
        for literals, target in filters:
            order.setdefault(target, len(order))
            mask = tuple(i for i, value in enumerate(literals) if value is not None)
            key = tuple([value for value in literals if value is not None])
            targets = masks.setdefault(mask, {}).setdefault(key, [])
            if target not in targets:
                targets.append(target)
        self.everyone = tuple(order) if masks.keys() <= {()} else None
        self._order = order if self.everyone is None else {}
        self._masks = [
            (picker(mask, size), {key: tuple(targets) for key, targets in keys.items()})
            for mask, keys in masks.items()
            if self.everyone is None
        ]

    def find(self, partition: Partition) -> tuple[T, ...]:
        """Return the targets in the order they were given."""
        if self.everyone is not None:
            return self.everyone
        if len(self._masks) == 1:
            pick, keys = self._masks[0]
            return keys.get(pick(partition), ())
        # A target that several of its branches let pass is taken once.
        found = dict.fromkeys(t for pick, keys in self._masks for t in keys.get(pick(partition), ()))
        return tuple(sorted(found, key=self._order.__getitem__))


class _Reading:
    """Branches of signals of one source that spell their dimensions alike."""

    __slots__ = ("branches", "literals", "parse")

    def __init__(self, kinds: tuple[Kind, ...], branches: list[tuple[wire.Branch, Feed]]) -> None:
        self.parse = partition_parser(kinds)
        self.branches = branches
        self.literals = Literals([(tuple(r.value for r in b), s) for b, s in branches], len(kinds))


class Source:
    """Texts -> signals, for all signals that one kind of event announces.

    When they all spell their dimensions alike and none has a literal value, ``_parse`` and
    ``_everyone`` are all that is needed.
    """

    __slots__ = ("_everyone", "_parse", "_readings", "_size")

    def __init__(self, feeds: Iterable[Feed]) -> None:
        readings: dict[tuple[Kind, ...], list[tuple[wire.Branch, Feed]]] = {}
        for feed in feeds:
            for branch in feed.signal.branches:
                readings.setdefault(tuple(r.kind for r in branch), []).append((branch, feed))
        self._readings = tuple(_Reading(kinds, branches) for kinds, branches in readings.items())
        self._size = len(next(iter(readings)))
        self._parse = self._readings[0].parse
        self._everyone = self._readings[0].literals.everyone if len(readings) == 1 else None

    def find(self, texts: tuple[str, ...], found: list[Found], rejected: list[Rejected]) -> None:
        """Add what ``texts`` name to ``found``, and the signals that refuse them to ``rejected``."""
        if self._everyone is None or len(texts) != self._size:
            self._find(texts, found, rejected)
            return
        try:
            partition = self._parse(texts)
        except BadValue:
            self._refused(texts, found, rejected)
            return
        for feed in self._everyone:
            found.append(_new(Found, (feed, partition, texts)))

    def _find(self, texts: tuple[str, ...], found: list[Found], rejected: list[Rejected]) -> None:
        if len(texts) != self._size:
            self._refused(texts, found, rejected)
            return
        taken: dict[Feed, Partition] = {}
        faulty = False
        for reading in self._readings:
            try:
                partition = reading.parse(texts)
            except BadValue:
                faulty = True
                continue
            for feed in reading.literals.find(partition):
                taken.setdefault(feed, partition)
        found += [Found(feed, partition, texts) for feed, partition in taken.items()]
        if faulty:
            self._refused(texts, found, rejected)

    def _refused(self, texts: tuple[str, ...], found: list[Found], rejected: list[Rejected]) -> None:
        """A signal refuses texts when no branch takes them, and some branch that they are meant for fails.

        A branch is meant for other texts when a literal value of it says so.
        """
        taken = {f.feed for f in found}
        reasons: dict[str, str] = {}
        for reading in self._readings:
            for branch, feed in reading.branches:
                if feed not in taken and (reason := _fault(branch, texts)):
                    reasons.setdefault(feed.id, reason)
        rejected += [Rejected(signal, None, why, "/".join(texts)) for signal, why in reasons.items()]


def _fault(branch: wire.Branch, texts: tuple[str, ...]) -> str | None:
    if len(texts) != len(branch):
        return f"{len(texts)} values for {len(branch)} dimensions"
    for text, rule in zip(texts, branch, strict=True):
        try:
            (value,) = partition_parser((rule.kind,))((text,))
        except BadValue as fault:
            return str(fault)
        if rule.value is not None and value != rule.value:
            return None
    return None


class Matcher:
    """All event sources of a route table, indexed."""

    def __init__(self, table: wire.RouteTable) -> None:
        self.feeds = {signal.id: Feed(signal) for signal in table.signals}
        self._app = table.app
        self._objects: TemplateIndex[_Folder] = TemplateIndex()
        self._sources: dict[tuple[str, ...], Source] = {}
        self._timers: dict[str, list[_Timed]] = {}
        self._alarms: dict[str, list[_Timed]] = {}
        self._topics: dict[str, list[tuple[wire.Signal, Source]]] = {}
        self._owners: dict[str, set[str]] = {}
        folders: dict[tuple[str, str], list[tuple[tuple[str, ...], Feed]]] = {}
        named: dict[tuple[str, ...], list[Feed]] = {}
        for feed in self.feeds.values():
            for source in feed.signal.events:
                match source:
                    case wire.S3Events(bucket, template, completion, account):
                        if account is not None:
                            self._owners.setdefault(bucket, set()).add(account)
                        folders.setdefault((bucket, template.strip("/")), []).append((completion, feed))
                    case wire.GlueEvents(database, name):
                        named.setdefault(("glue", database, name), []).append(feed)
                    case wire.SignalEvents(app):
                        named.setdefault(("signal", app, feed.id), []).append(feed)
                    case wire.TimerEvents(timer, by):
                        self._timers.setdefault(timer, []).append(_Timed(feed, by))
                    case wire.AlarmEvents(alarm):
                        self._alarms.setdefault(alarm, []).append(_Timed(feed))
                    case wire.SnsEvents(topic):
                        self._topics.setdefault(topic, []).append((feed.signal, Source([feed])))
        for (bucket, template), users in folders.items():
            self._objects.add(bucket, template, _Folder(users))
        # For each kind of event, what adds to what is found and refused, and says why when it adds nothing.
        self.of: dict[type[Any], Callable[[Any, list[Found], list[Rejected]], str]] = {
            ev.S3Event: self._object,
            ev.GlueEvent: self._catalog,
            ev.SignalEvent: self._named,
            ev.TimerEvent: self._timer,
            ev.AlarmEvent: self._alarm,
            ev.SnsEvent: self._message,
        }
        self._sources = {key: Source(feeds) for key, feeds in named.items()}

    def match(self, event: ev.Event) -> tuple[list[Found], list[Rejected], str]:
        """Return the signals that an event names, those that refuse it, and why it names none at all."""
        found: list[Found] = []
        rejected: list[Rejected] = []
        why = self.of[event.__class__](event, found, rejected)
        return found, rejected, "" if found or rejected else why

    def named(self, app: str, signal: str, texts: tuple[str, ...]) -> tuple[list[Found], list[Rejected], str]:
        """Like `match`, for a signal given by name and texts, whatever its own event sources are."""
        found: list[Found] = []
        rejected: list[Rejected] = []
        why = self._named(ev.SignalEvent(app, signal, texts, "", 0.0), found, rejected)
        return found, rejected, "" if found or rejected else why

    def _object(self, event: ev.S3Event, found: list[Found], rejected: list[Rejected]) -> str:
        bucket, key, _, _, account = event
        if account and self._owners and account not in self._owners.get(bucket, (account,)):
            owner = ", ".join(sorted(self._owners[bucket]))
            reason = f"bucket {bucket!r} is of account {owner}, and the event of account {account}"
            rejected.append(Rejected(None, None, reason, key))
            return ""
        segments = key.split("/")
        name = segments[-1]
        folders = self._objects.find(bucket, segments)
        for folder, texts in folders:
            source = folder.source(name)
            if source is not None:
                source.find(texts, found, rejected)
        if found:
            return ""
        if folders:
            return f"{name!r} is no completion object, or its partition is filtered out"
        if bucket in self._objects:
            return f"no signal has a path like s3://{bucket}/{key}"
        return f"no signal is in bucket {bucket!r}"

    def _catalog(self, event: ev.GlueEvent, found: list[Found], rejected: list[Rejected]) -> str:
        source = self._sources.get(("glue", event.database, event.table))
        if source is None:
            return f"no signal is on table {event.database}.{event.table}"
        source.find(event.texts, found, rejected)
        return f"{'/'.join(event.texts)} is filtered out"

    def _named(self, event: ev.SignalEvent, found: list[Found], rejected: list[Rejected]) -> str:
        source = self._sources.get(("signal", event.app, event.signal))
        if source is None:
            return f"no signal {event.signal!r} of application {event.app!r} is used here"
        if any("/" in text for text in event.texts):
            rejected.append(Rejected(event.signal, None, "a text has '/' in it", "/".join(event.texts)))
            return ""
        source.find(event.texts, found, rejected)
        return f"{'/'.join(event.texts)} is filtered out"

    def _timer(self, event: ev.TimerEvent, found: list[Found], rejected: list[Rejected]) -> str:
        if event.app != self._app:
            return f"timer {event.timer!r} belongs to application {event.app!r}"
        for timed in self._timers.get(event.timer, ()):
            timed.find(event.time, (), found, rejected)
        return f"no timer {event.timer!r}"

    def _alarm(self, event: ev.AlarmEvent, found: list[Found], rejected: list[Rejected]) -> str:
        for timed in self._alarms.get(event.alarm, ()):
            timed.find(event.time, (event.state,), found, rejected)
        return f"no alarm {event.alarm!r}, or its state is filtered out"

    def _message(self, event: ev.SnsEvent, found: list[Found], rejected: list[Rejected]) -> str:
        missing = ""
        for signal, source in self._topics.get(event.topic, ()):
            texts = tuple(event.fields.get(dim, "") for dim in signal.dims)
            if all(texts):
                source.find(texts, found, rejected)
            else:
                missing = f"the message has no {signal.dims[texts.index('')]!r}"
        return missing or f"no signal is on topic {event.topic!r}"


class _Timed:
    """A signal whose last dimension is the moment of its events, truncated to the dimension's granularity."""

    __slots__ = ("_by", "_id", "_kinds", "_size", "_source")

    def __init__(self, feed: Feed, by: int = 0) -> None:
        signal = feed.signal
        self._id = signal.id
        self._by = by
        self._size = len(signal.dims)
        self._kinds = tuple(dict.fromkeys(branch[-1].kind for branch in signal.branches if branch))
        self._source = Source([feed])

    def find(self, time: float, texts: tuple[str, ...], found: list[Found], rejected: list[Rejected]) -> None:
        """Like `Source.find`, with ``texts`` for the dimensions before the moment."""
        if self._size == len(texts):
            self._source.find(texts, found, rejected)
            return
        count = len(found), len(rejected)
        for kind in self._kinds:
            try:
                value = shift(from_datetime(datetime.fromtimestamp(time, UTC), kind), self._by, kind)
                spelled = partition_renderer((kind,))((value,))
            except (ValueError, OverflowError, OSError) as fault:  # BadValue is a ValueError
                rejected.append(Rejected(self._id, None, str(fault), str(time)))
                return
            self._source.find((*texts, *spelled), found, rejected)
            if (len(found), len(rejected)) != count:
                return


class _Folder:
    """The signals of one folder template, by the name of the object that announces their partitions."""

    __slots__ = ("_any", "_more", "_name", "_source")

    def __init__(self, users: list[tuple[tuple[str, ...], Feed]]) -> None:
        greedy = [feed for completion, feed in users if not completion]
        names = dict.fromkeys(intern(name) for completion, _ in users for name in completion)
        self._any = Source(greedy) if greedy else None
        self._more = {
            name: Source([feed for completion, feed in users if not completion or name in completion])
            for name in names
        }
        self._name, self._source = None, None
        if len(self._more) == 1:  # the usual case, without a look-up
            self._name, self._source = self._more.popitem()

    def source(self, name: str) -> Source | None:
        """Return the signals that an object of this name announces; a folder marker has no name."""
        if name == self._name:
            return self._source
        return self._more.get(name) or (self._any if name else None)
