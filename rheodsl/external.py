"""Descriptions of data that others write: S3 folders, Glue tables, SNS topics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rheo_runtime.wire import Branch
from rheodsl import ir
from rheodsl.dimensions import DimensionVariant, Spec
from rheodsl.domains import from_variants
from rheodsl.errors import SpecError


class DataFormat(StrEnum):
    """The file format of a data set."""

    CSV = "CSV"
    PARQUET = "PARQUET"
    JSON = "JSON"
    ORC = "ORC"


@dataclass(frozen=True)
class SignalIntegrityProtocol:
    """How an upstream announces a finished partition.

    ``FILE_CHECK`` is the one protocol: ``args["file"]`` names the completion object, or several; an
    empty list lets any object announce.

    >>> SignalIntegrityProtocol("FILE_CHECK", {"file": ["_SUCCESS", "READY"]}).files()
    ('_SUCCESS', 'READY')
    """

    type: str = "FILE_CHECK"
    args: Mapping[str, Any] | None = None

    def files(self) -> tuple[str, ...]:
        """Return the names of the completion objects; raises SpecError."""
        if self.type != "FILE_CHECK":
            raise SpecError(f"{self.type!r} is no completion protocol", hint='use "FILE_CHECK"')
        named = (self.args or {}).get("file", "_SUCCESS")
        files = (named,) if isinstance(named, str) else tuple(named or ())
        for file in files:
            if not isinstance(file, str) or not file or "/" in file:
                raise SpecError(
                    f"{file!r} is no name of a completion object", hint="name a file, such as '_SUCCESS'"
                )
        return files


class External:
    """Base of the descriptions: a source, how its files read, and a completion protocol of its own."""

    data = ir.DataFormatSpec()

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.Source:
        """Return the source for these dimensions; raises SpecError."""
        raise NotImplementedError


def make_data(
    dataset_format: DataFormat | str | None,
    header: bool = True,
    delimiter: str = ",",
    schema: str | None = None,
) -> ir.DataFormatSpec:
    """Return how files read; raises SpecError for an unknown format."""
    try:
        name = DataFormat(dataset_format or DataFormat.PARQUET).value
    except ValueError:
        formats = ", ".join(f.value for f in DataFormat)
        raise SpecError(f"{dataset_format!r} is no data format", hint=f"use one of {formats}") from None
    return ir.DataFormatSpec(name, header, delimiter, schema)


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Dataset(External):
    """Partitioned data below ``s3://bucket/folder``.

    ``partitions`` are the templates of the levels below the folder (``"region={}", "day={}"``, or one
    text with slashes); each ``{}`` stands for the next dimension.
    """

    def __init__(
        self,
        account_id: str | None,
        bucket: str,
        folder: str = "",
        *partitions: str,
        dataset_format: DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        **metadata: Any,
    ) -> None:
        super().__init__(metadata)
        if not _BUCKET.fullmatch(bucket):
            raise SpecError(
                f"{bucket!r} is no name of a bucket", hint="3 to 63 lower-case letters, digits, - and ."
            )
        self.account_id, self.bucket = account_id, bucket
        self.folder = folder.strip("/")
        self.partitions = tuple(part.strip("/") for part in partitions)
        self.data = make_data(dataset_format, header, delimiter, schema)

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.S3Source:
        levels = self.partitions or ("{}",) * len(spec)
        template = "/".join(part for part in (self.folder, *levels) if part)
        if template.count("{}") != len(spec):
            raise SpecError(
                f"the path {template!r} has {_many(template.count('{}'), 'place')} for {_many(len(spec), 'dimension')}",
                hint="write one {} for each dimension",
            )
        if "{}{}" in template:
            raise SpecError(
                f"the path {template!r} has two dimensions without a separator", hint="write {}/{} or {}-{}"
            )
        for name, kind in spec:
            if "/" in (kind.format or ""):
                raise SpecError(
                    f"dimension {name!r} has the format {kind.format!r}: one dimension is one level of the path",
                    hint="use another separator, or a dimension for each level",
                )
        files = (protocol or SignalIntegrityProtocol()).files()
        return ir.S3Source(self.bucket, template, self.account_id, files)


class S3(S3Dataset):
    """The guide's short form: an S3 data set whose dimensions are given as variants.

    >>> from rheodsl.dimensions import AnyDate, StringVariant
    >>> S3("123456789012", "bucket", "folder", StringVariant("NA", "region"), AnyDate("day")).variants[1].name
    'day'
    """

    def __init__(
        self, account_id: str | None, bucket: str, folder: str, *variants: DimensionVariant, **options: Any
    ) -> None:
        super().__init__(account_id, bucket, folder, **options)
        self.variants = variants

    def domain(self, signal: str) -> tuple[Spec, tuple[Branch, ...]]:
        """Return the spec and filter that the variants write."""
        return from_variants(self.variants, signal)


class GlueTable(External):
    """A table of the Glue Data Catalog: each new partition of it is an event.

    ``location`` is the s3 template of its partitions (one ``{}`` each); ``s3://.../key={}/...`` is
    derived from ``location`` alone when it has none.
    """

    def __init__(
        self,
        database: str,
        table: str,
        *,
        partition_keys: Sequence[str] | None = None,
        primary_keys: Sequence[str] = (),
        table_type: str = "REPLACE",
        location: str | None = None,
        dataset_format: DataFormat | str | None = None,
        **metadata: Any,
    ) -> None:
        super().__init__(metadata)
        if table_type not in ("REPLACE", "APPEND"):
            raise SpecError(f"table {table}: table_type is {table_type!r}", hint='use "REPLACE" or "APPEND"')
        self.database, self.table, self.table_type = database, table, table_type
        self.partition_keys = tuple(partition_keys) if partition_keys is not None else None
        self.primary_keys = tuple(primary_keys)
        self.location = location
        self.data = make_data(dataset_format)

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.GlueSource:
        keys = self.partition_keys if self.partition_keys is not None else tuple(n for n, _ in spec)
        if len(keys) != len(spec):
            raise SpecError(
                f"table {self.table} has the partition keys {', '.join(keys) or 'none'}, but {_many(len(spec), 'dimension')}",
                hint="declare one dimension for each partition key, in their order",
            )
        location = self.location
        if location is not None and "{}" not in location:
            location = "/".join([location.rstrip("/"), *(f"{key}={{}}" for key in keys)])
        other = keys if keys != tuple(name for name, _ in spec) else ()
        return ir.GlueSource(self.database, self.table, self.primary_keys, self.table_type, location, other)


class AndesDataset(GlueTable):
    """The guide's table form, backed by the Glue Data Catalog: ``provider`` is the database."""

    def __init__(
        self,
        provider: str,
        table: str,
        partition_keys: Sequence[str] = (),
        primary_keys: Sequence[str] = (),
        table_type: str = "REPLACE",
        **options: Any,
    ) -> None:
        super().__init__(
            provider,
            table,
            partition_keys=partition_keys,
            primary_keys=primary_keys,
            table_type=table_type,
            **options,
        )


class SNS(External):
    """Messages of an SNS topic (ARN): JSON whose fields, named like the dimensions, hold their texts."""

    def __init__(self, topic_arn: str, **metadata: Any) -> None:
        super().__init__(metadata)
        if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", topic_arn):
            raise SpecError(
                f"{topic_arn!r} is no SNS topic",
                hint="write its ARN: arn:aws:sns:us-east-1:123456789012:name",
            )
        self.topic_arn = topic_arn

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.SnsSource:
        return ir.SnsSource(self.topic_arn)


def split_s3(url: str, signal: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` template; raises SpecError."""
    if not url.startswith("s3://") or "/" not in url[5:]:
        raise SpecError(f"{signal}: {url!r} is no s3 path", hint="write s3://bucket/folder/{dimension}")
    bucket, key = url[5:].split("/", 1)
    return bucket, key.strip("/")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
