"""A partition -> where its data lies, and how it reads: folders of S3, and tables of the Glue catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import boto3

from codegen.routes import signal_path
from platforms.analysis.errors import ReadingError
from platforms.analysis.nearness import closest
from platforms.analysis.partitions import Texts
from rheo_runtime.wire import fill
from rheodsl import ir
from rheodsl.views import View

_SERDES = {"Parquet": "PARQUET", "Orc": "ORC", "Json": "JSON", "CSV": "CSV", "LazySimple": "CSV"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition lies; ``spec`` says how its files read, ``markers`` which objects are no data."""

    path: str
    spec: ir.DataFormatSpec
    markers: tuple[str, ...] = ()

    @property
    def bucket(self) -> str:
        """Its bucket."""
        return self.path.removeprefix("s3://").split("/", 1)[0]

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        return self.path.removeprefix("s3://").partition("/")[2].rstrip("/") + "/"


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
    return FolderPlaces(path, signal.data, markers, session.client("s3"))


class FolderPlaces:
    """Partitions that are folders; ``template`` is their path with ``{}`` for each dimension."""

    def __init__(self, template: str, spec: ir.DataFormatSpec, markers: tuple[str, ...], s3: Any) -> None:
        self._template = template
        self._spec = spec
        self._markers = markers
        self._s3 = s3

    def find(self, texts: Texts) -> Place | None:
        place = Place(self.name(texts), self._spec, self._markers)
        found = self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1)
        return place if found.get("KeyCount") else None

    def name(self, texts: Texts) -> str:
        return fill(self._template, texts)

    def values(self, above: Texts) -> Iterator[str]:
        parts = self._template.split("{}")
        begun = "".join(part + text for part, text in zip(parts, above, strict=False)) + parts[len(above)]
        bucket, _, prefix = begun.removeprefix("s3://").partition("/")
        end = parts[len(above) + 1].split("/", 1)[0]  # what follows the value in its own segment
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            for common in page.get("CommonPrefixes", ()):
                text = common["Prefix"][len(prefix) :].rstrip("/")
                if text.endswith(end) and not text.startswith(("_", ".")):
                    yield text.removesuffix(end)


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
