"""Descriptions of data that others write: S3 folders, Glue tables, SNS topics."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Literal

import rheo_formats
from rheo_runtime.templates import ABOVE, ITSELF
from rheo_runtime.wire import Branch
from rheodsl import ir
from rheodsl.dimensions import (
    DimensionVariant,
    Spec,
    check_levels,
    ends_like_a_file,
    split_layout,
    with_layouts,
    without_layouts,
)
from rheodsl.errors import SpecError
from rheodsl.filters import from_variants
from rheodsl.schemas import check_schema
from rheodsl.words import declares, knows_its_words, own_data


class DataFormat(StrEnum):
    """The file format of a data set."""

    CSV = "CSV"
    PARQUET = "PARQUET"
    JSON = "JSON"
    ORC = "ORC"


@knows_its_words
@dataclass(frozen=True)
class SignalIntegrityProtocol:
    """How an upstream announces a finished partition.

    ``FILE_CHECK`` is the one protocol: ``args["file"]`` names the completion object, or several; an
    empty list lets any object announce. A name may be a pattern (``*.csv``), hold dimensions
    (``orders_{day}.done``), or stand above the partition (``../_SUCCESS``).

    >>> SignalIntegrityProtocol("FILE_CHECK", {"file": ["_SUCCESS", "READY"]}).files()
    ('_SUCCESS', 'READY')
    """

    type: str = "FILE_CHECK"
    args: Mapping[str, Any] | None = None

    def files(self, where: str = "") -> tuple[str, ...]:
        """Return the names of the completion objects; raises SpecError."""
        if self.type != "FILE_CHECK":
            raise SpecError(f"{self.type!r} is no completion protocol", hint='use "FILE_CHECK"')
        for name in self.args or {}:
            if name != "file":
                raise SpecError(
                    f"{where + ': ' if where else ''}FILE_CHECK has no argument {name!r}",
                    hint='write {"file": "_SUCCESS"}: a name, or a list of names',
                )
        named = (self.args or {}).get("file", "_SUCCESS")
        named = () if named is None else named
        files = tuple(named) if isinstance(named, list | tuple | set | frozenset) else (named,)
        for file in files:
            if not isinstance(file, str) or not _names_an_object(file):
                raise SpecError(
                    f"{where + ': ' if where else ''}{file!r} is no name of a completion object",
                    hint="name an object of the folder, such as '_SUCCESS' or '*.csv', or '../_SUCCESS' above it",
                )
        return files


def _names_an_object(file: str) -> bool:
    """Say whether a completion name is one of an object in the folder, or above it.

    >>> [_names_an_object(file) for file in ("_SUCCESS", "../*.done", ITSELF, "", "..", "../", "a/b")]
    [True, True, True, False, False, False, False]
    """
    name = re.sub(r"^(\.\./)+", "", file)
    return bool(name) and name != ".." and "/" not in name and (name != ITSELF or file == ITSELF)


def _check_above(completion: tuple[str, ...], template: str, where: str) -> None:
    """Raise SpecError for markers above that cannot announce what lies below them."""
    above = [name for name in completion if name.startswith(ABOVE)]
    if above and len(above) < len(completion):
        other = next(name for name in completion if name not in above)
        raise SpecError(
            f"{where}: {other!r} completes a folder, and {above[0]!r} all that is new below it",
            hint="choose one: what a marker above announces is complete by it alone",
        )
    for name in above:
        if "{" in name:
            raise SpecError(
                f"{where}: the marker above {name!r} names a dimension",
                hint="a marker above speaks of every partition below it: give it a name, or a pattern such as '../*.done'",
            )
        if name.count(ABOVE) > len(template.split("/")):
            raise SpecError(
                f"{where}: {name!r} stands above the bucket",
                hint=f"the path {template!r} has {len(template.split('/'))} level(s) below it",
            )


def _named(completion: tuple[str, ...], spec: Spec, where: str) -> tuple[str, ...]:
    """Completion names with the positions of the dimensions that they name; raises SpecError."""
    order = [name for name, _ in spec]
    found = []
    for name in completion:
        if "{" not in name and "}" not in name:
            found.append(name)
            continue
        made = name
        for dim in re.findall(r"\{([^{}]*)\}", name):
            if dim not in order:
                bare, near = dim.partition(":")[0], difflib.get_close_matches(dim, order, 1)
                raise SpecError(
                    f"{where}: the completion name {name!r} speaks of {dim!r}, which is no dimension",
                    hint=f"it is spelled as in the path: write {{{bare}}}"
                    if bare in order
                    else f"did you mean {near[0]!r}?"
                    if near
                    else f"its dimensions: {', '.join(order) or 'none'}",
                )
            made = made.replace(f"{{{dim}}}", f"{{{order.index(dim)}}}")
        if re.search(r"[{}]", re.sub(r"\{\d+\}", "", made)):
            raise SpecError(f"{where}: the braces of {name!r} do not match", hint="write {dimension}")
        found.append(made)
    return tuple(found)


class External:
    """Base of the descriptions: a source, how its files read, and a completion protocol of its own."""

    data = ir.DataFormatSpec()

    def __init__(self, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = own_data(metadata, type(self).__name__)

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.Source:
        """Return the source for these dimensions; raises SpecError."""
        raise NotImplementedError


# What may be said of the files of a data set beside their format.
DATA_OPTIONS = tuple(f.name for f in fields(ir.DataFormatSpec) if f.name != "format")


@declares()
def CsvFormat(
    *,
    header: bool = True,
    delimiter: str = ",",
    schema: str | None = None,
    encoding: str = "utf-8",
    quote: str = '"',
    escape: str | None = None,
    columns: Literal["strict", "lenient"] | None = None,
    nulls: Sequence[str] = ("", "\\N"),
    date_format: str | None = None,
    timestamp_format: str | None = None,
    multiline: bool = True,
) -> ir.DataFormatSpec:
    """Describe CSV files, for ``format=`` of a data set. The defaults read what spreadsheets and databases write.

    Parameters
    ----------
    header
        Whether the first line names the columns, which are then found by their names.
    delimiter, quote, escape
        Single characters. A quote within quotes is written twice, unless there is an ``escape``.
    schema
        The columns: ``"id string, price double"``. Without, numbers are recognised, but never where a text
        begins with a zero.
    encoding
        Such as ``"latin-1"``; a byte order mark of a file counts more.
    columns
        ``"strict"``: a missing or an unknown column is an error, as it is where a schema is declared.
        ``"lenient"``: a missing one is null, an unknown one is left out.
    nulls
        Texts that stand for no value.
    date_format, timestamp_format
        As ``strftime`` has them: ``"%d.%m.%Y"``; ISO 8601 when left out.
    multiline
        Whether quoted texts may hold line breaks. Without, Spark reads one large file with many workers.

    Raises SpecError.

    >>> CsvFormat(delimiter=";", encoding="latin-1", schema="id string, price double").encoding
    'latin-1'
    """
    return make_data(
        DataFormat.CSV, header=header, delimiter=delimiter, schema=schema, encoding=encoding, quote=quote,
        escape=escape, columns=columns, nulls=nulls, date_format=date_format,
        timestamp_format=timestamp_format, multiline=multiline,
    )  # fmt: skip


@declares()
def JsonFormat(
    *,
    schema: str | None = None,
    encoding: str = "utf-8",
    columns: Literal["strict", "lenient"] | None = None,
    date_format: str | None = None,
    timestamp_format: str | None = None,
) -> ir.DataFormatSpec:
    """Describe JSON files, for ``format=`` of a data set: one object a line, or one list of objects.

    Parameters are those of `CsvFormat`; ``columns`` is lenient unless said, because JSON leaves out what is null.

    >>> JsonFormat(schema="id string").format
    'JSON'
    """
    return make_data(
        DataFormat.JSON, schema=schema, encoding=encoding, columns=columns, date_format=date_format,
        timestamp_format=timestamp_format,
    )  # fmt: skip


def make_data(
    dataset_format: ir.DataFormatSpec | DataFormat | str | None, **options: Any
) -> ir.DataFormatSpec:
    """Return how files read; ``options`` are `DATA_OPTIONS`.

    Beside a whole description, such as `CsvFormat`, an option with its default says nothing. Raises SpecError
    for an unknown format, and for an option that cannot be.
    """
    known = _PLAIN
    if isinstance(dataset_format, ir.DataFormatSpec):
        known = dataset_format
        options = {name: said for name, said in options.items() if said != getattr(_PLAIN, name)}
    else:
        try:
            options["format"] = DataFormat(dataset_format or DataFormat.PARQUET).value
        except ValueError:
            formats = ", ".join(f.value for f in DataFormat)
            raise SpecError(f"{dataset_format!r} is no data format", hint=f"use one of {formats}") from None
    if "nulls" in options:
        nulls = options["nulls"]
        options["nulls"] = (nulls,) if isinstance(nulls, str) else tuple(nulls)
    made = replace(known, **options) if options else known
    if made.escape == made.quote:  # it is written twice, as without an escape
        made = replace(made, escape=None)
    if made == _PLAIN:
        return _PLAIN
    _check_data(made)
    return made


_PLAIN = ir.DataFormatSpec()


def _check_data(data: ir.DataFormatSpec) -> None:
    for name in ("delimiter", "quote", "escape"):
        text = getattr(data, name)
        if text is not None and (not isinstance(text, str) or len(text) != 1):
            raise SpecError(f"{name} is {text!r}", hint="it is one character, such as ';' or '\\t'")
    if data.delimiter in (data.quote, data.escape):
        raise SpecError(
            f"delimiter is {data.delimiter!r}, and so is {'quote' if data.delimiter == data.quote else 'escape'}",
            hint="a character has one meaning: declare each as the files have it",
        )
    if data.columns not in (None, rheo_formats.STRICT, rheo_formats.LENIENT):
        raise SpecError(f"columns is {data.columns!r}", hint='use "strict" or "lenient"')
    if data.schema is not None:
        check_schema(data.schema)
    try:
        format = rheo_formats.Format.of(data)
        rheo_formats.encoding_of(b"", format, "the data")
        for _, kind in format.declared:
            rheo_formats.simple(kind)
        for written in (data.date_format, data.timestamp_format):
            if written is not None:
                rheo_formats.time_pattern(written)
    except rheo_formats.FormatError as fault:
        raise SpecError(fault.what, hint=fault.hint) from None


def data_options(metadata: dict[str, Any]) -> dict[str, Any]:
    """Take from keywords those that say how files read."""
    return {name: metadata.pop(name) for name in DATA_OPTIONS if name in metadata}


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Dataset(External):
    """Partitioned data below ``s3://bucket/folder``.

    ``partitions`` are the templates of the levels below the folder (``"region={}", "day={}"``, or one
    text with slashes); each ``{}`` stands for the next dimension. ``reconcile`` compares what is there with what
    events told of, see `Application.s3`.
    """

    @declares(also=DATA_OPTIONS, format="dataset_format")
    def __init__(
        self,
        account_id: str | None,
        bucket: str,
        folder: str = "",
        *partitions: str,
        dataset_format: ir.DataFormatSpec | DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        reconcile: bool = False,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        said = {"header": header, "delimiter": delimiter, "schema": schema, **options}
        super().__init__(metadata)
        if not _BUCKET.fullmatch(bucket):
            raise SpecError(
                f"{bucket!r} is no name of a bucket", hint="3 to 63 lower-case letters, digits, - and ."
            )
        self.account_id, self.bucket = account_id, bucket
        self.folder = folder.strip("/")
        self.partitions = tuple(part.strip("/") for part in partitions)
        _check_literal("/".join((self.folder, *self.partitions)))
        self.data = make_data(dataset_format, **said)
        self.reconcile = _switch("reconcile", reconcile, f"s3://{bucket}/{self.folder}".rstrip("/"))

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.S3Source:
        levels = self.partitions or ("{}",) * len(spec)
        template = "/".join(part for part in (self.folder, *levels) if part)
        if template.count("{}") != len(spec):
            raise SpecError(
                f"the path {template!r} has {_many(template.count('{}'), 'place')} for {_many(len(spec), 'dimension')}",
                hint="write one {} for each dimension",
            )
        plain = without_layouts(spec)
        template = with_layouts(template, spec)
        check_levels(template, [kind for _, kind in plain], f"s3://{self.bucket}/{template}")
        return self.at(template, plain, protocol)

    def at(
        self, template: str, spec: Spec, protocol: SignalIntegrityProtocol | None, signal: str = ""
    ) -> ir.S3Source:
        """Return the source of the partitions of a template; raises SpecError."""
        protocol = protocol or SignalIntegrityProtocol()
        where = signal or f"s3://{self.bucket}/{template}"
        completion = _named(protocol.files(where), spec, where)
        if ITSELF in completion and len(completion) > 1:
            raise SpecError(
                f"{where}: an object that is the partition is completed by nothing else",
                hint="use completion=ITSELF alone",
            )
        _check_above(protocol.files(where), template, where)
        _check_literal(f"s3://{self.bucket}/{template}")
        if ITSELF not in completion and ends_like_a_file(template):
            raise SpecError(
                f"{where}: the path {template!r} ends like a file, and a partition is a folder",
                hint="if the object itself is the partition, say so: completion=ITSELF",
            )
        return ir.S3Source(self.bucket, template, self.account_id, completion, reconcile=self.reconcile)


def _check_literal(path: str) -> None:
    """Raise SpecError for a path that a policy of IAM would read as a pattern, and grant more than it names."""
    for text in ("*", "?", "${"):
        if text in path:
            raise SpecError(
                f"the path {path!r} has {text!r}, which policies of IAM take for more than itself",
                hint="write {} for what varies, and name the rest as it is",
            )
    if ".." in path.split("/"):
        raise SpecError(
            f"the path {path!r} has a level '..'", hint="S3 knows no way up: name the folder itself"
        )


class S3(S3Dataset):
    """The guide's short form: an S3 data set whose dimensions are given as variants.

    >>> from rheodsl.dimensions import AnyDate, StringVariant
    >>> S3("123456789012", "bucket", "folder", StringVariant("NA", "region"), AnyDate("day")).variants[1].name
    'day'
    """

    @declares(beside=S3Dataset.__init__, also=DATA_OPTIONS, format="dataset_format")
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

    @declares(also=DATA_OPTIONS, format="dataset_format")
    def __init__(
        self,
        database: str,
        table: str,
        *,
        partition_keys: Sequence[str] | None = None,
        primary_keys: Sequence[str] = (),
        table_type: str = "REPLACE",
        location: str | None = None,
        reconcile: bool = True,
        dataset_format: ir.DataFormatSpec | DataFormat | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(metadata)
        self.reconcile = _switch("reconcile", reconcile, f"table {table}")
        if table_type not in ("REPLACE", "APPEND"):
            raise SpecError(f"table {table}: table_type is {table_type!r}", hint='use "REPLACE" or "APPEND"')
        # The catalog keeps its names in lower case, whatever was written.
        self.database, self.table, self.table_type = database.lower(), table.lower(), table_type
        self.partition_keys = tuple(partition_keys) if partition_keys is not None else None
        self.primary_keys = tuple(primary_keys)
        self.location = location
        self.data = make_data(dataset_format, **options)

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
        for key, (_, kind) in zip(keys, spec, strict=True):
            levels = (split_layout(kind)[1] or "").split("/")
            if len(levels) > 1 and all("=" in level for level in levels):
                # The catalog tells of one value for each key, and such levels are keys.
                names = ", ".join(level.partition("=")[0] for level in levels)
                raise SpecError(
                    f"table {self.table}: {key!r} is a date over the keys {names}, and each key is a dimension",
                    hint=f"declare {names} as dimensions of type LONG, and link them by date_of({names}); "
                    "or describe the folders: app.s3(...) with year={day:%Y}/month={day:%m}",
                )
        if location is not None:
            location = with_layouts(location, spec)
        other = keys if keys != tuple(name for name, _ in spec) else ()
        return ir.GlueSource(
            self.database, self.table, self.primary_keys, self.table_type, location, other, self.reconcile
        )


class AndesDataset(GlueTable):
    """The guide's table form, backed by the Glue Data Catalog: ``provider`` is the database."""

    @declares(beside=GlueTable.__init__, also=DATA_OPTIONS, format="dataset_format")
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

    @declares()
    def __init__(self, topic_arn: str, *, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(metadata)
        if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", topic_arn):
            raise SpecError(
                f"{topic_arn!r} is no SNS topic",
                hint="write its ARN: arn:aws:sns:us-east-1:123456789012:name",
            )
        self.topic_arn = topic_arn

    def source(self, spec: Spec, protocol: SignalIntegrityProtocol | None) -> ir.SnsSource:
        return ir.SnsSource(self.topic_arn)


def _switch(name: str, given: object, where: str) -> bool:
    if not isinstance(given, bool):
        raise SpecError(f"{where}: {name} is {given!r}", hint="it is True or False")
    return given


def split_s3(url: str, signal: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` template; raises SpecError."""
    if not url.startswith("s3://") or "/" not in url[5:]:
        raise SpecError(f"{signal}: {url!r} is no s3 path", hint="write s3://bucket/folder/{dimension}")
    bucket, key = url[5:].split("/", 1)
    return bucket, key.strip("/")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
