"""Event -> the signals and partitions that it names: an index, not a scan, whatever the number of routes.

Bucket, depth and literal segments find the template; the texts are read once for each spelling of
the dimensions; literal values of the signals' filters are a dict key, not a loop.

S3 key -> the folder templates that it matches, and the texts that they capture: an index, not a scan.

Templates are grouped by shape: how many segments, and which of them are literal. An event costs one
look-up for each shape of its bucket and depth, however many templates there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from sys import intern
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from rheo_runtime import events as ev
from rheo_runtime import wire
from rheo_runtime.templates import (
    ABOVE,
    ITSELF,
    Capture,
    Completion,
    Field,
    Kinds,
    Segments,
    Texts,
    at,
    hidden,
    is_name,
    leftover,
    padded_otherwise,
    template,
)
from rheo_runtime.values import (
    STRING,
    BadValue,
    Kind,
    Partition,
    Value,
    fired,
    partition_parser,
    partition_renderer,
    picker,
    unescape,
)

if TYPE_CHECKING:
    from rheo_runtime.consumers import Consumer
    from rheo_runtime.records import ArrivalIndex
    from rheo_runtime.windows import Layout


T = TypeVar("T")

_NONE: dict[int, Any] = {}


class _Template(Generic[T]):
    """One template, and ``more`` of the same literal segments (``day={}`` beside ``{}``)."""

    __slots__ = ("capture", "more", "target")

    def __init__(self, capture: Capture, target: T, more: _Template[T] | None) -> None:
        self.capture = capture
        self.target = target
        self.more = more


class _Shape(Generic[T]):
    """All templates of one bucket and depth whose literal segments stand at the same ``positions``."""

    __slots__ = ("literals", "positions", "templates")

    def __init__(self, positions: tuple[int, ...]) -> None:
        self.positions = positions
        self.literals = at(positions)
        self.templates: dict[tuple[str, ...], _Template[T]] = {}


class TemplateIndex(Generic[T]):
    """Folder templates and what is registered for each.

    >>> index = TemplateIndex()
    >>> index.add("nyc", "flights/origin={}/{}", "flights")
    >>> index.find("nyc", "flights/origin=EWR/2013-01-01/_SUCCESS".split("/"))
    [('flights', ('EWR', '2013-01-01'))]
    """

    def __init__(self) -> None:
        self._shapes: dict[str, dict[int, list[_Shape[T]]]] = {}

    def __contains__(self, bucket: str) -> bool:
        return bucket in self._shapes

    def add(self, bucket: str, path: str, target: T, kinds: Kinds | None = None, *, below: int = 1) -> None:
        """Register ``target`` for the objects ``below`` levels under folders like ``path``: 0 for an object.

        ``kinds`` are those of the dimensions, for each the one of every branch; texts when left out.
        """
        made = template(path.strip("/"))
        if kinds is None:
            kinds = ((Kind(STRING),),) * len(list(made.fields()))
        levels = [] if not made.text else made.levels
        positions = tuple(i for i, level in enumerate(levels) if all(isinstance(p, str) for p in level))
        shapes = self._shapes.setdefault(bucket, {}).setdefault(len(levels) + below, [])
        shape = next((s for s in shapes if s.positions == positions), None)
        if shape is None:
            shape = _Shape(positions)
            shapes.append(shape)
        literals = tuple("".join(map(str, levels[i])) for i in positions)
        shape.templates[literals] = _Template(made.capture(kinds), target, shape.templates.get(literals))

    def find(self, bucket: str, segments: Segments) -> list[tuple[T, Texts]]:
        """Return each target whose template the key matches, with the texts of its dimensions.

        ``segments`` is the key split at ``/``; its last entry is the object's own name.
        """
        found = []
        for shape in self._shapes.get(bucket, _NONE).get(len(segments), ()):
            template = shape.templates.get(shape.literals(segments))
            while template is not None:
                texts = template.capture(segments)
                if texts is not None:
                    found.append((template.target, texts))
                template = template.more
        return found

    def find_above(self, bucket: str, segments: Segments) -> list[tuple[T, Texts]]:
        """Return the same for the folders that a key lies deeper in, unless a folder between is hidden.

        >>> index = TemplateIndex()
        >>> index.add("lake", "in/{}", "in")
        >>> index.find_above("lake", "in/2024-01-01/country=US/part-0".split("/"))
        [('in', ('2024-01-01',))]
        """
        found = []
        for depth in self._shapes.get(bucket, _NONE):
            between = segments[depth - 1 : -1]
            if between and not any(map(leftover, between)):
                found += self.find(bucket, [*segments[: depth - 1], segments[-1]])
        return found

    def padded_otherwise(self, bucket: str, segments: Segments) -> str | None:
        """Return the levels of a key that no template matches, as one would match them but for zeros before numbers."""
        for shape in self._shapes.get(bucket, _NONE).get(len(segments), ()):
            template = shape.templates.get(shape.literals(segments))
            while template is not None:
                if levels := padded_otherwise(template.capture, segments):
                    return levels
                template = template.more
        return None


MAX_PARTITION = (
    1_024  # bytes of the texts of one partition: as many as a key of S3 has, below which its data lies
)
SPELLED_OTHERWISE = (
    "it was sent when this had other dimensions, or dimensions of other types, formats or zones"
)
_SURELY_FITS = MAX_PARTITION // 4 - 64  # characters, each of four bytes, and the slashes between


def _too_long(texts: Sequence[str]) -> str:
    size = len("/".join(texts).encode())
    return (
        f"its texts have {size:,} bytes, and a partition at most {MAX_PARTITION:,}"
        if size > MAX_PARTITION
        else ""
    )


class Rejected(NamedTuple):
    """An event that came to a signal, or an arrival that came to a node, and could not be used.

    ``node`` is None when the signal itself refused it; ``what`` is the text or partition in question.
    """

    signal: str | None
    node: str | None
    reason: str
    what: str


class SignalSource:
    """A signal in use: what the matcher finds and the engine works with.

    ``everyone`` are all that take it, when no filter of theirs has a literal value; ``consumers`` finds
    those whose filters let a partition pass. ``layout`` is None while nobody asks which partitions
    exist, ``spells`` says that case is folded; ``touches`` that objects only touch a partition, which a marker
    above announces (``marks``: bucket, levels up, name) or that it is quiet for ``settle`` seconds; ``compares`` that
    what arrived is compared with storage; ``versions`` is where the events of each partition are counted, None
    while nobody runs again by them. The engine's program sets them.
    """

    __slots__ = (
        "compares",
        "consumers",
        "everyone",
        "id",
        "layout",
        "marks",
        "settle",
        "signal",
        "spells",
        "touches",
        "versions",
    )

    def __init__(self, signal: wire.Signal) -> None:
        self.id = signal.id
        self.signal = signal
        self.spells = any(rule.kind.insensitive for branch in signal.branches for rule in branch)
        objects = [e for e in signal.events if isinstance(e, wire.S3Events)]
        self.marks = tuple(
            (e.bucket, name.count(ABOVE), name.rpartition("/")[2])
            for e in objects
            for name in e.completion
            if name.startswith(ABOVE)
        )
        self.settle = next((float(e.settle) for e in objects if e.settle is not None), None)
        self.touches = bool(self.marks) or self.settle is not None
        self.compares = any(
            e.reconcile for e in signal.events if isinstance(e, wire.S3Events | wire.GlueEvents)
        )
        self.layout: Layout | None = None
        self.versions: ArrivalIndex | None = None
        self.consumers: Literals[Consumer] = Literals((), len(signal.dims))
        self.everyone: tuple[Consumer, ...] | None = ()

    @property
    def ends(self) -> bool:
        """Whether the deletion of one object, or of an entry of the catalog, ends a partition."""
        objects = [e for e in self.signal.events if isinstance(e, wire.S3Events)]
        return not self.touches and (not objects or any(e.completion for e in objects))

    def folders(self, partition: Partition) -> list[str]:
        """Return the folders, below their buckets, in which a marker announces a partition."""
        address = self.signal.address(partition) or ""
        levels = address.removeprefix("s3://").split("/")[1:]
        return ["/".join(levels[: len(levels) - up]) for _, up, _ in self.marks]


class Found(NamedTuple):
    """A signal and the partition of it that an event names; ``texts`` as the event spelled them."""

    signal_source: SignalSource
    partition: Partition
    texts: tuple[str, ...]

    @property
    def spelling(self) -> tuple[str, ...] | None:
        """The texts, where paths need them: they may not be how the partition is written."""
        return self.texts if self.signal_source.spells or self.texts.__class__ is Escaped else None

    @property
    def signal(self) -> str:
        """The signal's id."""
        return self.signal_source.id


class Escaped(tuple[str, ...]):
    """Texts as an event spelled them that are read only when what Hive escapes is undone."""

    __slots__ = ()


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

    __slots__ = ("branches", "kinds", "literals", "parse")

    def __init__(self, kinds: tuple[Kind, ...], branches: list[tuple[wire.Branch, SignalSource]]) -> None:
        self.kinds = kinds
        self.parse = partition_parser(kinds)
        self.branches = branches
        self.literals = Literals([(tuple(r.value for r in b), s) for b, s in branches], len(kinds))

    def unescaped(self, texts: Texts, said: Texts) -> Texts:
        """Undo the escapes of each text that is no value as it was ``said``; those of others stay."""
        return tuple(
            unescape(text) if text == spelled and "%" in text and not _is_value(text, kind) else text
            for text, spelled, kind in zip(texts, said, self.kinds, strict=True)
        )


class Source:
    """Texts -> signals, for all signals that one kind of event announces.

    When they all spell their dimensions alike and none has a literal value, ``_parse`` and
    ``_everyone`` are all that is needed.
    """

    __slots__ = ("_everyone", "_parse", "_readings", "_size")

    def __init__(self, signal_sources: Iterable[SignalSource]) -> None:
        readings: dict[tuple[Kind, ...], list[tuple[wire.Branch, SignalSource]]] = {}
        for signal_source in signal_sources:
            for branch in signal_source.signal.branches:
                readings.setdefault(tuple(r.kind for r in branch), []).append((branch, signal_source))
        self._readings = tuple(_Reading(kinds, branches) for kinds, branches in readings.items())
        self._size = len(next(iter(readings)))
        self._parse = self._readings[0].parse
        self._everyone = self._readings[0].literals.everyone if len(readings) == 1 else None

    @property
    def size(self) -> int:
        """How many dimensions the signals have."""
        return self._size

    def find(
        self,
        texts: tuple[str, ...],
        found: list[Found],
        rejected: list[Rejected],
        spelled: Escaped | None = None,
    ) -> None:
        """Add what ``texts`` name to ``found``, and the signals that refuse them to ``rejected``.

        ``spelled`` are the texts as they were before escapes were undone.
        """
        if sum(map(len, texts)) > _SURELY_FITS and (why := _too_long(texts)):
            rejected.append(Rejected(None, None, why, "/".join(texts)[:MAX_PARTITION]))
            return
        if self._everyone is None or len(texts) != self._size:
            self._find(texts, found, rejected, spelled)
            return
        try:
            partition = self._parse(texts)
        except BadValue:
            self._refused(texts, found, rejected, spelled)
            return
        for signal_source in self._everyone:
            found.append(_new(Found, (signal_source, partition, spelled or texts)))

    def _find(
        self,
        texts: tuple[str, ...],
        found: list[Found],
        rejected: list[Rejected],
        spelled: Escaped | None,
    ) -> None:
        if len(texts) != self._size:
            self._refused(texts, found, rejected, spelled)
            return
        taken: dict[SignalSource, Partition] = {}
        faulty = False
        for reading in self._readings:
            try:
                partition = reading.parse(texts)
            except BadValue:
                faulty = True
                continue
            for signal_source in reading.literals.find(partition):
                taken.setdefault(signal_source, partition)
        found += [
            Found(signal_source, partition, spelled or texts) for signal_source, partition in taken.items()
        ]
        if faulty:
            self._refused(texts, found, rejected, spelled)

    def _refused(
        self,
        texts: tuple[str, ...],
        found: list[Found],
        rejected: list[Rejected],
        spelled: Escaped | None,
    ) -> None:
        """A signal refuses texts when no branch takes them, and some branch that they are meant for fails.

        A branch is meant for other texts when a literal value of it says so. Before, each text that is no value
        as it stands, and that Hive or Spark may have escaped, is read as what it stands for.
        """
        said = spelled or texts
        if not found and len(texts) == self._size and any("%" in text for text in texts):
            for plain in dict.fromkeys(reading.unescaped(texts, said) for reading in self._readings):
                if plain != texts:
                    self._find(plain, found, [], Escaped(said))
                if found:
                    return
        taken = {f.signal_source for f in found}
        reasons: dict[str, str] = {}
        for reading in self._readings:
            for branch, signal_source in reading.branches:
                if signal_source not in taken and (reason := _fault(branch, texts)):
                    reasons.setdefault(signal_source.id, reason)
        rejected += [Rejected(signal, None, why, "/".join(said)) for signal, why in reasons.items()]


def _is_value(text: str, kind: Kind) -> bool:
    try:
        partition_parser((kind,))((text,))
    except BadValue:
        return False
    return True


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
        self.signal_sources = {signal.id: SignalSource(signal) for signal in table.signals}
        self._app = table.app
        # By the topic that tells of the objects; "" is the event bus.
        self._objects: dict[str, TemplateIndex[_Folder]] = {"": TemplateIndex()}
        # Data of partitions that a marker above announces may lie deeper than in their folders.
        self._deep: dict[str, TemplateIndex[_Folder]] = {}
        self._sources: dict[tuple[str, ...], Source] = {}
        self._timers: dict[str, list[_Timed]] = {}
        self._alarms: dict[str, list[_Timed]] = {}
        self._topics: dict[str, list[tuple[wire.Signal, Source]]] = {}
        self._owners: dict[str, set[str]] = {}
        self._spellings: dict[tuple[str, str], frozenset[str]] = {}
        folders: dict[tuple[str, str, str, Kinds | None], list[tuple[wire.S3Events, SignalSource]]] = {}
        named: dict[tuple[str, ...], list[SignalSource]] = {}
        for signal_source in self.signal_sources.values():
            for source in signal_source.signal.events:
                match source:
                    case wire.S3Events(bucket, path, account=account):
                        if account is not None:
                            self._owners.setdefault(bucket, set()).add(account)
                        kinds_of = _kinds_of(signal_source.signal, path)
                        key = (source.topic or "", bucket, path.strip("/"), kinds_of)
                        folders.setdefault(key, []).append((source, signal_source))
                    case wire.GlueEvents(database, name):
                        named.setdefault(("glue", database, name), []).append(signal_source)
                    case wire.SignalEvents(app):
                        self._spellings[app, signal_source.id] = wire.spellings(signal_source.signal)
                        named.setdefault(("signal", app, signal_source.id), []).append(signal_source)
                    case wire.TimerEvents(timer, by, every):
                        self._timers.setdefault(timer, []).append(_Timed(signal_source, by, every))
                    case wire.AlarmEvents(alarm):
                        self._alarms.setdefault(alarm, []).append(_Timed(signal_source))
                    case wire.SnsEvents(topic):
                        self._topics.setdefault(topic, []).append(
                            (signal_source.signal, Source([signal_source]))
                        )
        self.markers: dict[tuple[str, str, str], list[SignalSource]] = {}  # by their names
        self._marks: dict[tuple[str, str], list[tuple[Completion, SignalSource]]] = {}  # by patterns
        for signal_source in self.signal_sources.values():
            for event in signal_source.signal.events:
                if isinstance(event, wire.S3Events):
                    for name in {c.rpartition("/")[2] for c in event.completion if c.startswith(ABOVE)}:
                        place = event.topic or "", event.bucket
                        if is_name(name):
                            self.markers.setdefault((*place, name), []).append(signal_source)
                        else:
                            self._marks.setdefault(place, []).append((Completion(name), signal_source))
        for (topic, bucket, path, kinds), users in folders.items():
            index = self._objects.setdefault(topic, TemplateIndex())
            objects = [user for user in users if ITSELF in user[0].completion]
            below = [user for user in users if ITSELF not in user[0].completion]
            marked = [user for user in users if any(c.startswith(ABOVE) for c in user[0].completion)]
            if objects:
                index.add(bucket, path, _Folder(path, objects), kinds, below=0)
            if below:
                index.add(bucket, path, _Folder(path, below), kinds)
            if marked:
                self._deep.setdefault(topic, TemplateIndex()).add(bucket, path, _Folder(path, marked), kinds)
        # For each kind of event, what adds to what is found and refused, and says why when it adds nothing.
        self.of: dict[type[Any], Callable[[Any, list[Found], list[Rejected]], str]] = {
            ev.S3Event: self._object,
            ev.S3Deletion: self._object,
            ev.GlueEvent: self._catalog,
            ev.GlueDeletion: self._catalog,
            ev.SignalEvent: self._named,
            ev.TimerEvent: self._timer,
            ev.AlarmEvent: self._alarm,
            ev.SnsEvent: self._message,
        }
        self._sources = {key: Source(signal_sources) for key, signal_sources in named.items()}

    def marked(self, event: ev.S3Event) -> list[tuple[SignalSource, str]]:
        """Return the signals that an object announces as a marker above, and its folder.

        Who may not announce data may not announce a marker.
        """
        folder, _, name = event.key.rpartition("/")
        found = list(self.markers.get((event.topic, event.bucket, name), ()))
        found += [s for p, s in self._marks.get((event.topic, event.bucket), ()) if p.matches(name, ())]
        owners = self._owners.get(event.bucket, ())
        if event.account and owners and event.account not in owners:
            return []
        return [(source, folder) for source in dict.fromkeys(found)]

    @property
    def marks(self) -> bool:
        """Whether any signal has a marker above."""
        return bool(self.markers or self._marks)

    def read(self, event: ev.S3Event | ev.S3Deletion) -> ev.S3Event | ev.S3Deletion:
        """Return an event of an object with its key as it is meant: both forms are known of EventBridge.

        A key that may be percent-encoded is decoded where the plain form names less than the decoded one does.
        The event's id says so, with `wire.DECODED`; the form that a redelivery has is the same, and so is its id.
        """
        if not event.decoded:
            return event
        other = event._replace(key=event.decoded, decoded="", id=f"{event.id}{wire.DECODED}")
        return other if self._means(other) > self._means(event) else event

    def _means(self, event: ev.S3Event | ev.S3Deletion) -> int:
        """How much a key names: partitions; a template whose texts are no partition; a folder; nothing."""
        found: list[Found] = []
        rejected: list[Rejected] = []
        self._object(event, found, rejected)
        if found or (isinstance(event, ev.S3Event) and self.marked(event)):
            return 3
        index = self._objects.get(event.topic)
        folders = index is not None and index.find(event.bucket, event.key.split("/"))
        return 2 if rejected else 1 if folders else 0

    def match(self, event: ev.Event) -> tuple[list[Found], list[Rejected], str]:
        """Return the signals that an event names, those that refuse it, and why it names none at all."""
        found: list[Found] = []
        rejected: list[Rejected] = []
        if isinstance(event, ev.S3Event | ev.S3Deletion):
            event = self.read(event)
        why = self.of[event.__class__](event, found, rejected)
        return found, rejected, "" if found or rejected else why

    def named(self, app: str, signal: str, texts: tuple[str, ...]) -> tuple[list[Found], list[Rejected], str]:
        """Like `match`, for a signal given by name and texts, whatever its own event sources are."""
        found: list[Found] = []
        rejected: list[Rejected] = []
        why = self._named(ev.SignalEvent(app, signal, texts, "", 0.0), found, rejected)
        return found, rejected, "" if found or rejected else why

    def _object(self, event: ev.S3Event | ev.S3Deletion, found: list[Found], rejected: list[Rejected]) -> str:
        bucket, key, _, _, account, topic, decoded = event
        index = self._objects.get(topic)
        if index is None:
            return f"topic {topic!r} does not tell of objects"
        if account and self._owners and account not in self._owners.get(bucket, (account,)):
            owner = ", ".join(sorted(self._owners[bucket]))
            reason = f"bucket {bucket!r} is of account {owner}, and the event of account {account}"
            rejected.append(Rejected(None, None, reason, key))
            return ""
        segments = key.split("/")
        name = segments[-1]
        folders = index.find(bucket, segments)
        if topic in self._deep:
            folders += self._deep[topic].find_above(bucket, segments)
        for folder, texts in folders:
            source = folder.source(name, texts)
            if source is not None:
                plain = folder.unescaped(texts) if "%" in key else texts
                source.find(plain, found, rejected, None if plain == texts else Escaped(texts))
        if found:
            return ""
        if folders:
            return f"{name!r} is no completion object, or its partition is filtered out"
        if bucket in index:
            either = f", nor, decoded, like s3://{bucket}/{decoded}" if decoded else ""
            if levels := index.padded_otherwise(bucket, segments):
                either += (
                    f"; with other zeros before numbers, {levels}, it would be one "
                    "(%-m, %-d and %-H in a template are numbers without zeros)"
                )
            return f"no signal has a path like s3://{bucket}/{key}{either}"
        return f"no signal is in bucket {bucket!r}"

    def _catalog(
        self, event: ev.GlueEvent | ev.GlueDeletion, found: list[Found], rejected: list[Rejected]
    ) -> str:
        source = self._sources.get(("glue", event.database, event.table))
        if source is None:
            return f"no signal is on table {event.database}.{event.table}"
        if not event.texts and source.size:
            return f"table {event.database}.{event.table} has partitions, and an update of it announces none"
        source.find(event.texts, found, rejected)
        return f"{'/'.join(event.texts)} is filtered out"

    def _named(self, event: ev.SignalEvent, found: list[Found], rejected: list[Rejected]) -> str:
        source = self._sources.get(("signal", event.app, event.signal))
        if source is None:
            return f"no signal {event.signal!r} of application {event.app!r} is used here"
        if any("/" in text for text in event.texts):
            rejected.append(Rejected(event.signal, None, "a text has '/' in it", "/".join(event.texts)))
            return ""
        if event.means and event.means not in self._spellings[event.app, event.signal]:
            rejected.append(Rejected(event.signal, None, SPELLED_OTHERWISE, "/".join(event.texts)))
            return ""
        source.find(event.texts, found, rejected)
        return f"{'/'.join(event.texts)} is filtered out"

    def _timer(self, event: ev.TimerEvent, found: list[Found], rejected: list[Rejected]) -> str:
        if event.app != self._app:
            return f"timer {event.timer!r} belongs to application {event.app!r}"
        timers = self._timers.get(event.timer, ())
        for timed in timers:
            if not (timed.every and event.time % timed.every):
                timed.find(event.time, (), found, rejected)
        return f"timer {event.timer!r} is not due at this time" if timers else f"no timer {event.timer!r}"

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

    __slots__ = ("_by", "_id", "_kinds", "_size", "_source", "every")

    def __init__(self, signal_source: SignalSource, by: int = 0, every: int = 0) -> None:
        signal = signal_source.signal
        self._id = signal.id
        self._by = by
        self.every = every
        self._size = len(signal.dims)
        self._kinds = tuple(dict.fromkeys(branch[-1].kind for branch in signal.branches if branch))
        self._source = Source([signal_source])

    def find(self, time: float, texts: tuple[str, ...], found: list[Found], rejected: list[Rejected]) -> None:
        """Like `Source.find`, with ``texts`` for the dimensions before the moment."""
        if self._size == len(texts):
            self._source.find(texts, found, rejected)
            return
        count = len(found), len(rejected)
        for kind in self._kinds:
            try:
                value = fired(datetime.fromtimestamp(time, UTC), self._by, kind)
                spelled = partition_renderer((kind,))((value,))
            except (ValueError, OverflowError, OSError) as fault:  # BadValue is a ValueError
                rejected.append(Rejected(self._id, None, str(fault), str(time)))
                return
            self._source.find((*texts, *spelled), found, rejected)
            if (len(found), len(rejected)) != count:
                return


def _kinds_of(signal: wire.Signal, path: str) -> Kinds | None:
    """The kinds that reading a path needs: None where each dimension is one text, whatever its kind."""
    kinds: Kinds = tuple(
        tuple(dict.fromkeys(branch[i].kind for branch in signal.branches)) for i in range(len(signal.dims))
    )
    simple = all(sum(not isinstance(p, str) for p in level) <= 1 for level in template(path).levels)
    if simple and template(path).plain and not any(kind.escaped for column in kinds for kind in column):
        return None
    return kinds


def _whole_texts(path: str, signals: Iterable[wire.Signal]) -> tuple[int, ...]:
    """The dimensions that are texts, whatever they are, and the name of a whole folder."""
    return tuple(
        part.position
        for level in template(path).levels
        for part in level
        if isinstance(part, Field)
        and len(level) == 1
        and any(
            branch[part.position].kind.type == STRING and branch[part.position].value is None
            for signal in signals
            for branch in signal.branches
        )
    )


def _partition_folders(path: str, signals: Iterable[wire.Signal]) -> tuple[int, ...]:
    """The dimensions in folders like those of Hive and Spark, ``name=value``, that are not read as escaped anyway."""
    escaped = {
        i for signal in signals for branch in signal.branches for i, r in enumerate(branch) if r.kind.escaped
    }
    return tuple(
        part.position
        for level in template(path).levels
        if isinstance(level[0], str) and re.fullmatch("[^=]+=", level[0])
        for part in level
        if isinstance(part, Field) and part.format is None and part.position not in escaped
    )


class _Folder:
    """The signals of one folder template, by the name of the object that announces their partitions.

    What lies in a hidden folder (``_temporary``, ``_delta_log``) is data where the object's name is declared only.
    """

    __slots__ = (
        "_any",
        "_hive",
        "_made",
        "_more",
        "_name",
        "_named",
        "_patterns",
        "_source",
        "_users",
        "_whole",
    )

    def __init__(self, path: str, users: list[tuple[wire.S3Events, SignalSource]]) -> None:
        named = [([c for c in events.completion if not c.startswith(ABOVE)], s) for events, s in users]
        # A marker above announces what any object has touched.
        greedy = [s for completion, s in named if not completion or ITSELF in completion]
        names = dict.fromkeys(intern(n) for c, _ in named for n in c if is_name(n) and n != ITSELF)
        self._any = Source(greedy) if greedy else None
        self._more = {
            name: Source([s for c, s in named if name in c or (s in greedy and not (hidden(name) and not c))])
            for name in names
        }
        self._users = named
        self._made: dict[tuple[int, ...], Source] = {}
        self._patterns = [
            (i, Completion(name)) for i, (c, _) in enumerate(named) for name in c if not is_name(name)
        ]
        self._hive = _partition_folders(path, [s.signal for _, s in users])
        # A template that names the object names its folders too.
        folders = (
            () if any(ITSELF in c for c, _ in named) else _whole_texts(path, [s.signal for _, s in users])
        )
        self._whole = folders if greedy or self._patterns else ()
        self._named = {name: Source([s for c, s in named if name in c]) for name in names if self._whole}
        self._name, self._source = None, None
        if (
            len(self._more) == 1 and not self._patterns and not self._whole
        ):  # the usual case, without a look-up
            self._name, self._source = self._more.popitem()

    def source(self, name: str, texts: Texts) -> Source | None:
        """Return the signals that an object of this name announces; a folder marker has no name."""
        if name == self._name:
            return self._source
        if self._whole and any(leftover(texts[i]) for i in self._whole):
            return self._named.get(name)
        if self._patterns:
            return self._matching(name, texts)
        return self._more.get(name) or (None if self._any is None or self._is_none(name) else self._any)

    def unescaped(self, texts: Texts) -> Texts:
        """Undo what Hive and Spark have escaped, in folders of theirs; a ``%`` of other folders is what it is."""
        return tuple(unescape(text) if i in self._hive else text for i, text in enumerate(texts))

    def _is_none(self, name: str) -> bool:
        """Whether an object is no data; one that its template names is."""
        return not name or (hidden(name) and all(not completion for completion, _ in self._users))

    def _matching(self, name: str, texts: Texts) -> Source | None:
        which = {i for i, pattern in self._patterns if pattern.matches(name, texts)}
        which |= {i for i, (c, _) in enumerate(self._users) if name in c or (not c and not hidden(name))}
        if not which:
            return None
        key = tuple(sorted(which))
        if key not in self._made:
            self._made[key] = Source([self._users[i][1] for i in key])
        return self._made[key]
