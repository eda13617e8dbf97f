"""A partition -> where its data lies, and how it reads: folders of S3, and tables of the Glue catalog.

A view, and values for what it leaves open -> the texts of its partitions, the tip first.
Texts of a dimension -> the one closest to another.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import boto3

import rheo_formats
from rheo_platforms.data.errors import ReadingError
from rheo_runtime.templates import ITSELF, Field, template
from rheo_runtime.values import (
    DATETIME,
    BadValue,
    Kind,
    Partition,
    Value,
    from_datetime,
    parse,
    partition_parser,
    render,
)
from rheo_runtime.windows import expand
from rheo_runtime.wire import Branch, Rule
from rheodsl import ir
from rheodsl.errors import FilterError
from rheodsl.filters import narrow
from rheodsl.paths import signal_path
from rheodsl.signals import View

Texts = tuple[str, ...]


def partitions(view: View, values: Sequence[Any] | None, now: datetime | None = None) -> list[Texts]:
    """Return the partitions of a view in the order of reading; they need not exist.

    Raises FilterError for what stays open, and ValueCastError.
    """
    branches = _narrowed(view, values)
    rules = branches[0]
    tip = tuple(
        _tip(view, name, rule, now or datetime.now(UTC))
        for name, rule in zip(view.signal.dims, rules, strict=True)
    )
    return [texts for p in expand(branches, tip) if (texts := _texts(rules, p)) is not None]


def _narrowed(view: View, values: Sequence[Any] | None) -> tuple[Branch, ...]:
    branches, dims = view.branches, view.signal.dims
    if values is None:
        return branches
    open_ = [i for i in range(len(dims)) if any(branch[i].value is None for branch in branches)]
    positions = range(len(dims)) if len(values) == len(dims) else open_
    if len(values) != len(positions):
        raise FilterError(
            f"{view!r} leaves {len(open_)} of {len(dims)} dimensions open, but {len(values)} values are given",
            hint=f"give one for each of {', '.join(dims[i] for i in open_) or 'none'}",
        )
    for position, value in zip(positions, values, strict=True):
        branches = narrow(branches, position, value, f"{view.id}.{dims[position]}")
    return branches


def _tip(view: View, name: str, rule: Rule, now: datetime) -> Value:
    if rule.value is not None:
        return rule.value
    if rule.window is not None and rule.kind.type == DATETIME:
        return from_datetime(now, rule.kind)
    raise FilterError(
        f"{view!r} leaves {name} open",
        hint="index it by a value, or give one: load_data(view, values=[...])",
    )


def _texts(rules: Branch, partition: Partition) -> Texts | None:
    try:
        return tuple(render(value, rule.kind) for value, rule in zip(partition, rules, strict=True))
    except BadValue:
        return None  # a window that reaches out of the range of dates


def closest(texts: Iterable[str], wanted: str, kind: Kind) -> str | None:
    """Return the text whose value is closest to the wanted one; the earlier one of two.

    Texts that are no values are passed over. Words are compared by their letters.

    >>> closest(["2020-01-01", "2020-01-05", "tmp"], "2020-01-04", Kind("DATETIME", "%Y-%m-%d", "DAY"))
    '2020-01-05'
    >>> closest(["EU", "NA"], "NAX", Kind("STRING"))
    'NA'
    """
    known = {text: value for text in sorted(texts) if (value := _value(text, kind)) is not None}
    if wanted in known or not known:
        return wanted if wanted in known else None
    target = parse(wanted, kind)
    if isinstance(target, int):
        numbers = {text: value for text, value in known.items() if isinstance(value, int)}
        return min(numbers, key=lambda text: abs(numbers[text] - target))
    return next(iter(difflib.get_close_matches(wanted, known, 1, cutoff=0.0)), next(iter(known)))


def _value(text: str, kind: Kind) -> str | int | None:
    try:
        return parse(text, kind)
    except BadValue:
        return None


_SERDES = {"Parquet": "PARQUET", "Orc": "ORC", "Json": "JSON", "CSV": "CSV", "LazySimple": "CSV"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition lies; ``spec`` says how its files read, ``markers`` which objects are no data.

    ``whole`` says that the partition is the object at its path.
    """

    path: str
    spec: ir.DataFormatSpec
    markers: tuple[str, ...] = ()
    whole: bool = False

    @property
    def bucket(self) -> str:
        """Its bucket."""
        return self.path.removeprefix("s3://").split("/", 1)[0]

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        key = self.path.removeprefix("s3://").partition("/")[2].rstrip("/")
        return key if self.whole else f"{key}/"


class Places(Protocol):
    """Where the partitions of one signal are."""

    def find(self, texts: Texts) -> Place | None:
        """Return where a partition is; None when it does not exist."""

    def name(self, texts: Texts) -> str:
        """Return what to call a partition, whether or not it exists."""

    def values(self, above: Texts) -> Iterator[str]:
        """Yield the texts of the next dimension of the partitions that exist, below these of the first."""


def places_of(view: View, session: boto3.Session, bucket: str) -> Places:
    """Return where the partitions of a signal are; ``bucket`` is the application's own.

    Raises ReadingError for a signal without data.
    """
    signal = view.signal
    if isinstance(signal.source, ir.GlueSource):
        return TablePlaces(signal.source, signal, session.client("glue"))
    path = signal_path(signal, bucket)
    if path is None:
        raise ReadingError(f"{view.id} has no data", hint="load external data, or the output of a node")
    markers = signal.source.completion if isinstance(signal.source, ir.S3Source) else ("_SUCCESS",)
    kinds = tuple(rule.kind for rule in signal.branches[0])
    return FolderPlaces(path, kinds, signal.data, markers, session.client("s3"))


class FolderPlaces:
    """Partitions that are folders, or objects; ``path`` is the template of their paths."""

    def __init__(
        self, path: str, kinds: tuple[Kind, ...], spec: ir.DataFormatSpec, markers: tuple[str, ...], s3: Any
    ) -> None:
        self._template = template(path)
        self._kinds = kinds
        self._spec = spec
        self._markers = markers
        self._s3 = s3

    def find(self, texts: Texts) -> Place | None:
        whole = ITSELF in self._markers
        place = Place(self.name(texts), self._spec, self._markers, whole)
        if whole:
            found = self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1)
            return place if any(e["Key"] == place.prefix for e in found.get("Contents", ())) else None
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
        keys = (entry["Key"][len(place.prefix) :] for page in pages for entry in page.get("Contents", ()))
        marks = [re.sub(r"\{\d+\}", "*", mark) for mark in self._markers]
        # What a job that has not ended leaves is no partition; one that was announced may be empty.
        there = any(rheo_formats.is_data(key) or rheo_formats.complete([key], marks) for key in keys)
        return place if there else None

    def name(self, texts: Texts) -> str:
        return self._template.fill(partition_parser(self._kinds)(texts), self._kinds)

    def values(self, above: Texts) -> Iterator[str]:
        capture = self._template.capture(tuple((kind,) for kind in self._kinds))
        found: dict[str, None] = {}
        for levels in self._walk(above, [], 3):
            texts = capture(levels)
            if texts is not None and texts[: len(above)] == above:
                found.setdefault(texts[len(above)])
        yield from found

    def _walk(self, above: Texts, begun: list[str], level: int) -> Iterator[list[str]]:
        """The levels of each path that exists and may be a partition's; where texts are known, only these."""
        levels = self._template.levels
        if not begun:
            begun = ["".join(map(str, parts)) for parts in levels[:level]]
        if level == len(levels):
            yield begun
            return
        parts = levels[level]
        known = [p if isinstance(p, str) else self._known(p, above) for p in parts]
        if None not in known and level + 1 < len(levels):
            yield from self._walk(above, [*begun, "".join(k for k in known if k)], level + 1)
            return
        start = ""
        for text in known:
            if text is None:
                break
            start += text
        for name in self._names(begun, start, last=level + 1 == len(levels)):
            yield from self._walk(above, [*begun, name], level + 1)

    def _known(self, field: Field, above: Texts) -> str | None:
        """The text of a place whose dimension is known already."""
        if field.position >= len(above):
            return None
        kind = self._kinds[field.position]
        one = f"{{0:{field.format}}}" if field.format else "{0}"
        return template(one).fill((parse(above[field.position], kind),), (kind,))

    def _names(self, begun: list[str], start: str, last: bool) -> Iterator[str]:
        """The names that begin so in a folder: of folders, or of objects where partitions are objects."""
        bucket, prefix = begun[2], "/".join([*begun[3:], start])
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            if last and ITSELF in self._markers:
                names = [entry["Key"] for entry in page.get("Contents", ())]
            else:
                names = [common["Prefix"].rstrip("/") for common in page.get("CommonPrefixes", ())]
            for name in (key.rpartition("/")[2] for key in names):
                if name and not name.startswith(("_", ".")):
                    yield name


class TablePlaces:
    """Partitions of a table: the catalog says where each lies, and how its files read."""

    def __init__(self, source: ir.GlueSource, signal: ir.Signal, glue: Any) -> None:
        self._source = source
        self._signal = signal
        self._glue = glue
        self._names = {"DatabaseName": source.database, "TableName": source.table}
        self._partitions: list[Texts] | None = None

    def find(self, texts: Texts) -> Place | None:
        try:
            if not texts:
                whole = self._glue.get_table(DatabaseName=self._source.database, Name=self._source.table)
                return self._place(whole["Table"], whole["Table"])
            found = self._glue.get_partition(**self._names, PartitionValues=list(texts))["Partition"]
            table = self._glue.get_table(DatabaseName=self._source.database, Name=self._source.table)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return self._place(found, table)

    def name(self, texts: Texts) -> str:
        return "/".join([f"{self._source.database}.{self._source.table}", *texts])

    def values(self, above: Texts) -> Iterator[str]:
        if self._partitions is None:
            pages = self._glue.get_paginator("get_partitions").paginate(**self._names)
            self._partitions = [tuple(p["Values"]) for page in pages for p in page["Partitions"]]
        yield from dict.fromkeys(p[len(above)] for p in self._partitions if p[: len(above)] == above)

    def _place(self, entry: dict[str, Any], table: dict[str, Any]) -> Place:
        storage = entry["StorageDescriptor"]
        # A partition says by itself how it reads; what it leaves out, the table says.
        own = {**table["StorageDescriptor"], **{k: value for k, value in storage.items() if value}}
        serde = own.get("SerdeInfo", {})
        parameters = {
            **table.get("Parameters", {}),
            **entry.get("Parameters", {}),
            **serde.get("Parameters", {}),
        }
        format = _format(parameters.get("classification", ""), serde.get("SerializationLibrary", ""))
        spec = replace(self._signal.data, format=format or self._signal.data.format)
        if spec.format == "CSV":
            # Hive's own separator, where a table of its own text format names none.
            unsaid = "\x01" if "LazySimple" in serde.get("SerializationLibrary", "") else ","
            schema = ", ".join(f"`{c['Name']}` {c.get('Type', 'string')}" for c in own.get("Columns", ()))
            spec = replace(
                spec,
                header=int(parameters.get("skip.header.line.count", 0)) > 0,
                delimiter=parameters.get("field.delim") or parameters.get("separatorChar") or unsaid,
                schema=schema or None,
            )
        return Place(str(storage["Location"]), spec)


def _format(classification: str, serde: str) -> str | None:
    known = classification.upper()
    if known in _SERDES.values():
        return known
    return next((format for name, format in _SERDES.items() if name in serde), None)


def nearest(places: Places, view: View, wanted: Texts) -> Texts | None:
    """Return the partition that exists and is closest to the wanted one, the first dimension before the next."""
    chosen: Texts = ()
    for rule, text in zip(view.branches[0], wanted, strict=True):
        found = closest(places.values(chosen), text, rule.kind)
        if found is None:
            return None
        chosen = (*chosen, found)
    return chosen


def existing(places: Places, wanted: Sequence[Texts]) -> Iterator[tuple[Texts, Place]]:
    """Yield those of the wanted partitions that exist, with their places."""
    for texts in wanted:
        place = places.find(texts)
        if place is not None:
            yield texts, place
