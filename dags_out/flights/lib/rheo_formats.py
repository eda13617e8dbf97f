"""How the files of a data set read: one meaning of headers, columns, texts and types for every reader.

The head of a file -> its encoding, its header, and where each declared column stands in it.
A text -> a value of a declared type, or an error that names the file.

Imports nothing but the standard library: it is shipped beside the scripts of Spark jobs, and used by the
readers of pandas, of rows and of Athena's stand-in. Runs on Python 3.10 and later.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

STRICT, LENIENT = "strict", "lenient"
# How much of a file is looked at to know its header.
HEAD = 1 << 16
_ENCODINGS = 'declare how it is written: encoding="latin-1", or "cp1252", "utf-16", ...'
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class FormatError(ValueError):
    """Data that is not what it is declared to be; ``hint`` says what to declare."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(f"{what}; {hint}" if hint else what)


@dataclass(frozen=True)
class Format:
    """How files read.

    Parameters
    ----------
    format
        CSV, JSON, PARQUET or ORC.
    header
        Whether the first line of a CSV file names its columns.
    delimiter, quote, escape
        Of CSV. Without ``escape`` a quote within quotes is written twice.
    schema
        The declared columns, as Spark writes them: ``"id string, price double"``.
    encoding
        Of texts; a byte order mark of a file counts more.
    columns
        ``"strict"``: a missing or an unknown column is an error; ``"lenient"``: a missing one is null, an
        unknown one is left out where a schema is declared. None: strict for declared columns, but of JSON.
    nulls
        Texts of CSV that stand for no value.
    date_format, timestamp_format
        How dates and times are written, in the directives of ``strftime``; ISO 8601 when left out.
    multiline
        Whether quoted texts of CSV may hold line breaks. Without, Spark can split a large file.
    """

    format: str = "PARQUET"
    header: bool = True
    delimiter: str = ","
    schema: str | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    escape: str | None = None
    columns: str | None = None
    nulls: tuple[str, ...] = ("", "\\N")
    date_format: str | None = None
    timestamp_format: str | None = None
    multiline: bool = True

    @classmethod
    def of(cls, described: Any) -> Format:
        """Return the format that a mapping, or an object with these fields, describes.

        >>> Format.of({"format": "CSV", "delimiter": ";"}).delimiter
        ';'
        """
        names = [f.name for f in fields(cls)]
        if isinstance(described, Mapping):
            given = {name: described[name] for name in names if name in described}
        else:
            given = {name: getattr(described, name) for name in names if hasattr(described, name)}
        if "nulls" in given:
            given["nulls"] = tuple(given["nulls"])
        return cls(**given)

    @property
    def strict(self) -> bool:
        """Whether a missing or an unknown column is an error."""
        if self.columns is not None:
            return self.columns == STRICT
        return self.schema is not None and self.format != "JSON"

    @property
    def declared(self) -> list[tuple[str, str]]:
        """The declared columns: names and types."""
        return columns_of(self.schema)


# --- schemas ---

# Other spellings of Spark's simple types.
_SIMPLE = {
    "bigint": "long", "integer": "int", "smallint": "short", "tinyint": "byte", "real": "float",
    "numeric": "decimal", "dec": "decimal", "varchar": "string", "char": "string", "text": "string",
    "datetime": "timestamp", "timestamp_ltz": "timestamp", "bool": "boolean",
}  # fmt: skip
INTEGERS = ("long", "int", "short", "byte")


# What is one thing in a schema: a text, a name in backticks, a comment, else a character.
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|.""", re.DOTALL
)
_BESIDE = re.compile(r"""(?is)\s+(?:comment\s+(?:'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")|not\s+null\b)""")


@lru_cache(maxsize=256)
def _columns(schema: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in parts_of(schema):
        named = re.match(r"\s*(`(?:[^`]|``)+`|[^\s:`]+)\s*:?\s*(.*)", part, re.DOTALL)
        if named is None:
            raise FormatError(f"{part.strip()!r} is no column", "write schema='id long, price double'")
        name = named[1].strip("`").replace("``", "`")
        found.append((name, _BESIDE.sub("", f" {named[2]}").strip() or "string"))
    return tuple(found)


def parts_of(schema: str) -> list[str]:
    """Return what a schema says of each column, as it stands there without comments.

    >>> parts_of("id long COMMENT 'a, b', -- the key\\n`x,y` struct<a: int, b: int>")
    ["id long COMMENT 'a, b'", ' \\n`x,y` struct<a: int, b: int>']
    """
    parts, depth = [""], 0
    for token in _TOKEN.findall(schema):
        depth += (token in "(<") - (token in ")>")
        if token == "," and not depth:
            parts.append("")
        else:
            parts[-1] += "" if token.startswith(("--", "/*")) else token
    return [part for part in parts if part.strip()]


def columns_of(schema: str | None) -> list[tuple[str, str]]:
    """Return name and type of each column of a schema as Spark writes it.

    >>> columns_of("`id` BIGINT NOT NULL COMMENT 'a, b', price DECIMAL(10, 2), tags: ARRAY<STRING>")
    [('id', 'BIGINT'), ('price', 'DECIMAL(10, 2)'), ('tags', 'ARRAY<STRING>')]
    """
    return list(_columns(schema or ""))


def simple(kind: str) -> str:
    """Return the name of a type, without its parameters, in one spelling.

    >>> simple("BIGINT"), simple("decimal(10, 2)"), simple("array<string>")
    ('long', 'decimal', 'array')
    """
    word = re.match(r"\w+", kind.strip().lower())
    name = word[0] if word else "string"
    return _SIMPLE.get(name, name)


# --- which objects are data ---

# How the names of files of a format end, before what says that they are packed.
_ENDINGS = {
    "CSV": ("csv", "tsv", "tab", "psv", "txt", "dat"), "JSON": ("json", "jsonl", "ndjson"),
    "PARQUET": ("parquet", "parq", "pq"), "ORC": ("orc",),
}  # fmt: skip
_PACKED = ("gz", "gzip", "bz2", "zst", "snappy", "lz4", "deflate", "xz")


def hidden(name: str) -> bool:
    """Say whether an object or a folder is no data by its name: what Hadoop, Spark and others leave behind.

    >>> [name for name in ("part-0", "_SUCCESS", ".part-0.crc", "day_$folder$", "") if not hidden(name)]
    ['part-0']
    """
    return not name or name[0] in "_." or name.endswith("_$folder$")


def markers(completion: Iterable[str], format: str) -> tuple[str, ...]:
    """Return those completion names of a partition whose objects are no data, as patterns.

    What completes a partition is data where its name ends as files of the format do, or in any text.

    >>> markers(["_SUCCESS", "*.done", "*.csv.gz", "orders.csv", "part-*", "orders_{0}.json", "../DONE"], "CSV")
    ('_SUCCESS', '*.done', 'orders_*.json')
    """
    found = []
    for name in (re.sub(r"\{\d+\}", "*", name) for name in completion if "/" not in name):
        ends = name.lower().split(".")
        while len(ends) > 1 and ends[-1] in _PACKED:
            ends.pop()
        if name[-1] not in "*?]" and (len(ends) == 1 or ends[-1] not in _ENDINGS.get(format, ())):
            found.append(name)
    return tuple(found)


def is_data(inside: str, size: int | None = None, markers: Iterable[str] = ()) -> bool:
    """Say whether an object of a partition is data: the one answer that every reader has.

    ``inside`` is its key below the partition's folder. An empty object is none, nor is one of `markers`, nor what
    is hidden or lies in a hidden folder.

    >>> [is_data(key) for key in ("a.csv", "c=US/a.csv", "_SUCCESS", "_temporary/0/a.csv", "c=US/.a.crc", "c=US/")]
    [True, True, False, False, False, False]
    >>> is_data("a.done", 5, ["*.done"]), is_data("a.csv", 0)
    (False, False)
    """
    *folders, name = inside.split("/")
    if size == 0 or any(hidden(each) and each != _HIVE_NULL for each in folders) or hidden(name):
        return False
    return not any(fnmatchcase(name, mark) for mark in markers)


_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def complete(names: Iterable[str], completion: Iterable[str]) -> bool:
    """Say whether one of the objects that stand in a partition's folder completes it.

    A pattern means no hidden object, unless its underscore is written.

    >>> complete(["_SUCCESS"], ["*_SUCCESS"]), complete([".a.csv"], ["*.csv"]), complete(["_DONE"], ["*DONE"])
    (True, False, False)
    """
    return any(_completes(name, mark) for name in names for mark in completion)


def _completes(name: str, mark: str) -> bool:
    if not fnmatchcase(name, mark):
        return False
    if mark[0] not in "*?[" or not hidden(name):
        return True
    spelled = mark.lstrip("*")
    return spelled.startswith("_") and name.startswith("_") and fnmatchcase(name, spelled)


# --- where a partition lies ---


def addressed(described: Mapping[str, Any]) -> tuple[str, list[tuple[str, str, list[int | str], list[str]]]]:
    """Return a regular expression of addresses in a partition, and each dimension: name, type, text and formats.

    The text is what groups of the expression and texts between them make; it is a date in the first of two formats,
    and written in the second, where there are any. ``described`` has ``path`` and ``dimensions``, and what `Job` of
    `rheo_spark` says of them.

    >>> addressed({"path": "orders/{}", "dimensions": [["day", "DATETIME"]]})
    ('^[^:/]+://[^/]*/orders/([^/]+)(?:/|$)', [('day', 'DATETIME', [1], [])])
    """
    template: str | None = described.get("path")
    if template is None:
        return "", []
    dimensions: Sequence[Sequence[str]] = described.get("dimensions", ())
    pattern: str | None = described.get("pattern")
    texts: Sequence[Sequence[int | str]] = described.get("texts", ())
    if pattern is None:
        pattern = "([^/]+)".join(map(re.escape, template.rstrip("/").split("{}")))
        texts = [[number] for number, _ in enumerate(dimensions, start=1)]
    bucket = "" if "://" in template else "[^:/]+://[^/]*/"
    spelled = described.get("spelled", {})
    found = [
        (name, kind, list(pieces), list(spelled.get(name, ())))
        for pieces, (name, kind) in zip(texts, dimensions, strict=True)
    ]
    return f"^{bucket}{pattern}(?:/|$)", found


# --- the head of a file ---


def encoding_of(head: bytes, format: Format, file: str) -> str:
    """Return the encoding of a file by its first bytes; raises FormatError where the declared one is none.

    >>> encoding_of(b"\\xef\\xbb\\xbfid", Format("CSV"), "a.csv")
    'utf-8-sig'
    """
    try:
        codecs.lookup(format.encoding)
    except LookupError:
        raise FormatError(f"{file}: {format.encoding!r} is no encoding", _ENCODINGS) from None
    return next((name for mark, name in _MARKS if head.startswith(mark)), format.encoding)


def decoded(head: bytes, format: Format, file: str, whole: bool = False) -> str:
    """Return the text of the first bytes of a file; a character that they cut in two is left out.

    Raises FormatError for bytes that are none of the declared encoding.
    """
    try:
        made = codecs.getincrementaldecoder(encoding_of(head, format, file))().decode(head, final=whole)
    except UnicodeDecodeError as fault:
        raise undecodable(file, format, fault) from None
    return made


def undecodable(file: str, format: Format, fault: UnicodeDecodeError) -> FormatError:
    """Return the error of a file in another encoding than the declared one."""
    bad = fault.object[fault.start : fault.start + 1]
    return FormatError(
        f"{file} is not written in {format.encoding}: byte {bad!r} at {fault.start}",
        _ENCODINGS,
    )


LOST = "\ufffd"  # what a decoder that goes on puts for bytes that it cannot read


def lost(file: str, format: Format) -> FormatError:
    """Return the error of a text in which a decoder that goes on has met bytes that it cannot read."""
    return FormatError(
        f"{file} is not written in {format.encoding}: a text of it has the character U+FFFD",
        _ENCODINGS,
    )


def records(lines: Iterable[str], format: Format, file: str, *, cut: bool = False) -> Iterator[list[str]]:
    """Yield the records of lines of CSV; blank lines are none. Raises FormatError for quotes that are not as declared.

    ``cut`` says that the lines are the beginning of more. A declared escape stands within quotes, before a quote or itself; all else it is a character.

    >>> list(records(['1,"say \\\\"hi\\\\"",C:\\\\new,"C:\\\\new"'], Format("CSV", escape="\\\\"), "a"))
    [['1', 'say "hi"', 'C:\\\\new', 'C:\\\\new']]
    """
    csv.field_size_limit(1 << 30)
    plain = lines if format.escape is None else _doubled(lines, format, format.escape, file)
    made = csv.reader(
        plain, delimiter=format.delimiter, quotechar=format.quote, doublequote=True, strict=True
    )
    try:
        for record in made:
            if not format.multiline and any("\n" in field or "\r" in field for field in record):
                raise FormatError(f"{file} has a line break within quotes", "declare multiline=True")
            if record:
                yield record
    except csv.Error as fault:
        ended = "unexpected end" in str(fault)
        if not (cut and ended):
            what = "a quotation that does not end" if ended else "text behind the quote that ends a quotation"
            raise FormatError(f"{file}: line {made.line_num} has {what}", _QUOTES) from None


_QUOTES = 'declare its delimiter and quote as they are written: CsvFormat(delimiter=";", quote="\'")'


def line_end(head: str) -> str:
    """Return how lines of a CSV file end, by the first; such a break within quotes is read as ``\\n``, as Spark does.

    >>> line_end('a,b\\r\\n"c\\n",d'), line_end("a")
    ('\\r\\n', '\\n')
    """
    found = re.search("\r\n|\n|\r", head)
    return found[0] if found else "\n"


def _doubled(lines: Iterable[str], format: Format, escape: str, file: str) -> Iterator[str]:
    """Lines in which a quote within quotes is doubled, of lines in which it is escaped."""
    quote = format.quote
    special = re.compile(f"{re.escape(escape)}([{re.escape(quote + escape)}])|{re.escape(quote)}")
    quoted = False
    for line in lines:
        made, at = "", 0
        while at < len(line):
            if not quoted:
                quoted = line[at] == quote
                ends = at + 1 if quoted else (line.find(format.delimiter, at) + 1 or len(line))
                made, at = made + line[at:ends], ends
                continue
            found = special.search(line, at)
            if found is None:
                made, at = made + line[at:], len(line)
                continue
            made += line[at : found.start()] + (found[1] or "").replace(quote, quote * 2)
            at = found.end()
            if found[1] is None:
                if line[at : at + 1] == quote:
                    raise FormatError(
                        f"{file}: a quote within quotes is doubled, and the declared escape is {escape!r}: "
                        f"{line.strip()[:80]}",
                        "leave escape out where quotes are doubled",
                    )
                quoted, ends = False, line.find(format.delimiter, at) + 1 or len(line)
                made, at = made + quote + line[at:ends], ends
        yield made


def header_of(head: bytes, format: Format, file: str) -> list[str]:
    """Return the fields of the first record of a CSV file; none for an empty file.

    >>> header_of(b'id,"unit\\nprice"\\n1,2\\n', Format("CSV"), "a.csv")
    ['id', 'unit\\nprice']
    """
    text = decoded(head, format, file, whole=len(head) < HEAD)
    found = records(io.StringIO(text, newline=""), format, file, cut=len(head) >= HEAD)
    header = next(found, [])
    deque(found, 0)  # what is wrong with quotes is told here by file and line, which Spark does not
    return [field.replace(line_end(text), "\n") for field in header]


def names_of(header: Sequence[str], file: str) -> list[str]:
    """Return the names of the columns of a header; what a trailing delimiter leaves is none.

    Raises FormatError for a name that stands twice.

    >>> names_of(["id", " price ", ""], "a.csv")
    ['id', 'price']
    """
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    names = [name or f"_c{number}" for number, name in enumerate(names)]
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise FormatError(
                f"{file}: its header has the column {name!r} twice",
                "rename one of them where the file is written, or declare header=False and a schema",
            )
        seen[name.lower()] = name
    return names


def placed(names: Sequence[str], format: Format, file: str) -> list[tuple[str, int | None]]:
    """Return each column of the result, and where a file has it: None for one that it lacks.

    ``names`` are those of the file. Without a declared schema they are the columns of the result. Names are
    compared as they are, then without regard to case. Raises FormatError where the file must have the
    declared columns, and has not.

    >>> placed(["price", "ID"], Format("CSV", schema="id string, price double"), "a.csv")
    [('id', 1), ('price', 0)]
    """
    if not format.declared:
        return [(name, at) for at, name in enumerate(names)]
    folded = {name.lower(): at for at, name in enumerate(names)}
    exact = {name: at for at, name in enumerate(names)}
    found = [(name, exact.get(name, folded.get(name.lower()))) for name, _ in format.declared]
    if format.strict:
        shown = ", ".join(names) or "none"
        if missing := [name for name, at in found if at is None]:
            raise FormatError(
                f"{file} has no column {', '.join(map(repr, missing))}; its columns: {shown}",
                'declare columns="lenient" to read null there, or correct the schema',
            )
        taken = {at for _, at in found}
        if unknown := [name for at, name in enumerate(names) if at not in taken]:
            raise FormatError(
                f"{file} has the column {', '.join(map(repr, unknown))}, which the schema does not declare",
                'add it to the schema, or declare columns="lenient" to leave it out',
            )
    return found


def same_columns(names: Sequence[str], file: str, first: Sequence[str], other: str, format: Format) -> None:
    """Raise FormatError where two files of a data set without a schema must have the same columns, and have not."""
    if format.columns == STRICT and not format.declared and set(names) != set(first):
        raise FormatError(
            f"{file} has the columns {', '.join(names)}, and {other} has {', '.join(first)}",
            'declare a schema, or columns="lenient" to read null where one is missing',
        )


def layout(header: Sequence[str], format: Format, file: str) -> list[tuple[str, int | None]]:
    """Return each column of the result, and its position in a CSV file whose first record is ``header``.

    >>> layout(["1", "ann", ""], Format("CSV", header=False), "a.csv")
    [('_c0', 0), ('_c1', 1), ('_c2', 2)]
    """
    if format.header:
        return placed(names_of(header, file), format, file)
    if not format.declared:
        return [(f"_c{number}", number) for number in range(len(header))]
    named = [name for name, _ in format.declared]
    width = len(header)
    if format.strict and (width < len(named) or any(field.strip() for field in header[len(named) :])):
        raise FormatError(
            f"{file} has {width} columns, and the schema declares {len(named)}",
            'correct the schema, or declare columns="lenient"',
        )
    return [(name, at if at < width else None) for at, name in enumerate(named)]


# Fields of a record that are looked at behind those of the header, to know that nothing stands there.
MORE = 16


def named(header: Sequence[str], format: Format, file: str) -> int:
    """Return how many fields of a record belong to a column; nothing may stand in those behind them.

    >>> named(["id", "price", ""], Format("CSV"), "a.csv")
    2
    """
    if format.header:
        return len(names_of(header, file))
    return min(len(format.declared), len(header)) if format.declared and format.strict else len(header)


def too_long(file: str, expected: int) -> FormatError:
    """Return the error of a record with more fields than there are columns."""
    return FormatError(f"{file} has a record of more than {expected} fields", _QUOTES)


def broken(file: str, format: Format, said: str) -> FormatError | None:
    """Return the error of a file whose records Spark could not read, by what it said; None where it said no such thing.

    >>> print(broken("a.csv", Format("CSV"), "TextParsingException: Unescaped quote ... line=6, column=1").what)
    a.csv: line 7 has text behind the quote that ends a quotation, or another record that is not as declared
    """
    if format.format == "CSV" and "TextParsingException" in said:
        # Of a file that Spark splits it counts the lines of a part.
        line = re.search(r"\bline=(\d+)", said) if format.multiline else None
        what = "has text behind the quote that ends a quotation, or another record that is not as declared"
        return FormatError(f"{file}: line {int(line[1]) + 1} {what}" if line else f"{file} {what}", _QUOTES)
    if format.format == "JSON" and re.search("Malformed records|JsonParseException", said):
        return FormatError(f"{file} is no JSON: it has a malformed record", _JSON)
    return None


_JSON = "declare how the data is written, or columns as string: a value is none of its declared type"


def json_is_lines(head: str) -> bool:
    """Say whether a JSON file has one object a line; else it is one value, most often a list.

    >>> json_is_lines('{"a": 1}\\n{"a": 2}\\n'), json_is_lines('[{"a": 1}]'), json_is_lines('{\\n "a": 1}')
    (True, False, False)
    """
    text = head.lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        return False
    first, newline, _ = text.partition("\n")
    try:
        json.loads(first)
    except ValueError:
        return not newline  # one long line, cut
    return True


def json_names(head: str) -> list[str]:
    """Return the names in the objects that the beginning of a JSON file holds as a whole.

    >>> json_names('{"a": 1, "B": {"c": 1}}\\n{"d": 2}\\n{"e"'), json_names('[{"a": 1}, {"b"')
    (['a', 'B', 'd'], ['a'])
    """
    return list(dict.fromkeys(name for row in _json_objects(head) for name in row))


def same_case(format: Format, head: str, file: str) -> None:
    """Raise FormatError where a JSON file has a name within a declared column in another case: Spark would read null.

    >>> same_case(Format("JSON", schema="o struct<a: int>"), '{"o": {"A": 1}}', "a.json")
    Traceback (most recent call last):
    rheo_formats.FormatError: a.json spells 'o.a' as 'o.A'; declare it so: what is nested in JSON is found in its own case
    """
    declared = [path for name, kind in format.declared for path in _within(kind, name)]
    seen = {path for row in _json_objects(head) for path in _paths(row)} if declared else set()
    folded = {path.lower(): path for path in seen}
    for path in declared:
        # A column itself is found in any case.
        inside = path.partition(".")[2]
        found = folded.get(path.lower(), path)
        if path not in seen and found.partition(".")[2] != inside:
            raise FormatError(
                f"{file} spells {path!r} as {found!r}",
                "declare it so: what is nested in JSON is found in its own case",
            )


def _within(kind: str, path: str) -> Iterator[str]:
    """The paths of the names within a type."""
    inner = kind[kind.find("<") + 1 : kind.rfind(">")]
    match simple(kind):
        case "array":
            yield from _within(inner, path)
        case "struct":
            for name, of in columns_of(inner):
                yield f"{path}.{name}"
                yield from _within(of, f"{path}.{name}")


def _paths(value: Any, before: str = "") -> Iterator[str]:
    """The paths of the names in a value of JSON."""
    if isinstance(value, list):
        for each in value:
            yield from _paths(each, before)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield before + name
            yield from _paths(each, f"{before}{name}.")


def _json_objects(head: str) -> Iterator[dict[str, Any]]:
    """The objects that the beginning of a JSON file holds as a whole."""
    decoder, at = json.JSONDecoder(), 0
    text = head.lstrip("\ufeff \t\r\n").removeprefix("[")
    while at < len(text):
        if text[at] in " \t\r\n,":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:  # the rest was cut, or is for the reader to refuse
            break
        if isinstance(value, dict):
            yield value


# --- texts and types ---

INTEGER = r"[+-]?(?:0|[1-9][0-9]{0,17})"
NUMBER = r"[+-]?(?:(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
BOOLEAN = r"(?i:true|false)"
# The types that a column which nobody declared may have, by what all of its texts are; a string else.
INFERRED = {"long": INTEGER, "double": NUMBER, "boolean": BOOLEAN}
# What the texts of a declared type are, for every reader: a cast alone takes more here, and less there.
_DECIMAL = "[+-]?(?:[0-9]+(?:[.][0-9]*)?|[.][0-9]+)(?:[eE][+-]?[0-9]+)?"
_DOUBLE = f"{_DECIMAL}|(?i:nan|[+-]?inf(?:inity)?)"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
OFFSET = "[+-][0-9]{2}:[0-9]{2}"
_TIME = f"{_DAY}(?:[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.][0-9]{{1,9}})?)?(?:Z|{OFFSET})?)?"
TEXTS = {
    "double": _DOUBLE, "float": _DOUBLE, "decimal": _DECIMAL,
    "date": _TIME, "timestamp": _TIME, "timestamp_ntz": _TIME,
}  # fmt: skip
BLANKS = " \t\r\n"  # around a value of a type
_BITS = {"byte": 8, "short": 16, "int": 32, "long": 64}
_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def inferred(values: Iterable[str | None]) -> str:
    """Return the type of a column that nobody declared, by its texts: long, double, boolean or string.

    A text with a leading zero is no number: it would be lost.

    >>> inferred(["1", None, "20"]), inferred(["007", "1"]), inferred(["1.5", "2"]), inferred([])
    ('long', 'string', 'double', 'string')
    """
    left = {kind: re.compile(pattern) for kind, pattern in INFERRED.items()}
    some = False
    for value in values:
        if value is None:
            continue
        some = True
        left = {kind: pattern for kind, pattern in left.items() if pattern.fullmatch(value)}
        if not left:
            return "string"
    return next(iter(left)) if some else "string"


_DIRECTIVES = {
    "Y": "([0-9]{4})", "m": "([0-9]{1,2})", "d": "([0-9]{1,2})", "H": "([0-9]{1,2})", "M": "([0-9]{1,2})",
    "S": "([0-9]{1,2}(?:[.][0-9]{1,6})?)", "y": "([0-9]{2})",
}  # fmt: skip
_ISO = "%Y-%m-%d"


def time_pattern(written: str) -> tuple[str, str]:
    """Return a regular expression for texts of a ``strftime`` format, and what puts its groups into ISO 8601.

    The second has ``$1`` for the first group, as Java's replacements do. Raises FormatError for a directive
    that it does not know.

    >>> time_pattern("%d.%m.%Y")
    ('^([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{4})$', '$3-$2-$1')
    """
    pattern = ""
    groups: dict[str, int] = {}
    for literal, directive in re.findall(r"([^%]+)|%(.)", written):
        if literal:
            pattern += "".join(c if c.isalnum() or c in " -:,/" else f"[{c}]" for c in literal)
        elif directive in _DIRECTIVES and directive not in groups:
            groups[directive] = len(groups) + 1
            pattern += _DIRECTIVES[directive]
        else:
            raise FormatError(f"%{directive} in {written!r} is not read", f"use {_ISO} %H:%M:%S or %y")
    if not {"m", "d"} <= groups.keys() or not {"Y", "y"} & groups.keys():
        raise FormatError(f"{written!r} is no format of dates", "name year, month and day: %Y-%m-%d")
    year = f"${groups['Y']}" if "Y" in groups else f"20${groups['y']}"
    iso = f"{year}-${groups['m']}-${groups['d']}"
    if "H" in groups:
        iso += f" ${groups['H']}:" + (f"${groups['M']}" if "M" in groups else "00")
        iso += f":${groups['S']}" if "S" in groups else ":00"
    return f"^{pattern}$", iso


def unreadable(text: str, kind: str, column: str, file: str) -> FormatError:
    """Return the error of a text that is no value of its column's type."""
    return FormatError(f"{file}: {text!r} of the column {column!r} is no {kind}", _READABLE)


_READABLE = "declare the column as string, its nulls=[...], or date_format and timestamp_format"


def converted(text: str, kind: str, format: Format) -> Any:
    """Return the value that a text of CSV has as a type; raises ValueError where it has none.

    >>> converted("1.0", "int", Format("CSV")), converted("02.01.2024", "date", Format("CSV", date_format="%d.%m.%Y"))
    (1, datetime.date(2024, 1, 2))
    """
    name, stripped = simple(kind), text.strip(BLANKS)
    if name in INTEGERS:
        whole = _WHOLE.fullmatch(stripped)
        if whole is None or not -(limit := 1 << _BITS[name] - 1) <= int(whole[1]) < limit:
            raise ValueError(text)
        return int(whole[1])
    if name == "date":
        stripped = iso_text(stripped, format.date_format)
    elif name in ("timestamp", "timestamp_ntz"):
        stripped = iso_text(stripped, format.timestamp_format)
    if name in TEXTS and re.fullmatch(TEXTS[name], stripped) is None:
        raise ValueError(text)
    match name:
        case "double" | "float":
            return float(stripped)
        case "decimal":
            return _decimal(stripped, kind)
        case "boolean":
            if stripped.lower() not in (*TRUE, *FALSE):
                raise ValueError(text)
            return stripped.lower() in TRUE
        case "date":
            return date.fromisoformat(stripped[:10])
        case "timestamp" | "timestamp_ntz":
            return _time(stripped, name)
    return text


def as_kind(value: Any, kind: str, format: Format) -> Any:
    """Return the value of a file that knows types, as a declared type; raises ValueError where it is none.

    >>> as_kind(7.0, "int", Format("JSON")), as_kind(7, "string", Format("JSON")), as_kind("2024-01-02", "date", Format("JSON"))
    (7, '7', datetime.date(2024, 1, 2))
    """
    name = simple(kind)
    if value is None or name not in _CONVERTED:
        return value
    if isinstance(value, bool) and name not in ("boolean", "string"):
        raise ValueError(value)
    if name == "string":
        if isinstance(value, bool | dict | list):
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        return str(value)
    match value:
        case str():
            return converted(value, kind, format)
        case datetime() if name in ("timestamp", "timestamp_ntz"):
            offset = value.utcoffset()
            return value.replace(tzinfo=None) - offset if offset is not None else value
        case date() if name == "date":
            return date(value.year, value.month, value.day)
        case date() if name in ("timestamp", "timestamp_ntz"):
            return datetime(value.year, value.month, value.day)
        case bool() if name == "boolean":
            return value
        case float() | Decimal() if name in INTEGERS and value == value.__trunc__():
            return converted(str(int(value)), kind, format)
        case int() | float() | Decimal() if name in ("double", "float"):
            return float(value)
        case int() if name in INTEGERS:
            return converted(str(value), kind, format)
        case int() | float() | Decimal() if name == "decimal":
            return _decimal(str(value), kind)
    raise ValueError(value)


_CONVERTED = (
    *INTEGERS, "string", "double", "float", "decimal", "boolean", "date", "timestamp", "timestamp_ntz",
)  # fmt: skip


def _decimal(text: str, kind: str) -> Decimal:
    """A number rounded to the digits of its type, as databases do; one with too many before the point is none."""
    size = [int(number) for number in re.findall("[0-9]+", kind)] or [10]
    precision, scale = size[0], size[1] if len(size) > 1 else 0
    value = Decimal(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _DIGITS)
    if value.adjusted() - -scale >= precision:
        raise ValueError(text)
    return value


_DIGITS = Context(prec=100, traps=[InvalidOperation])


def _time(text: str, name: str) -> datetime:
    """A time in microseconds; what says its zone is that time in UTC, as Spark's session has it."""
    # Python 3.10 reads a fraction of three or six digits.
    padded = re.sub(r"[.]([0-9]+)", lambda m: f".{m[1][:6]:0<6}", text).replace("Z", "+00:00")
    made = datetime.fromisoformat(padded)
    offset, made = made.utcoffset(), made.replace(tzinfo=None)
    return made - offset if offset is not None and name == "timestamp" else made


def iso_text(text: str, written: str | None) -> str:
    """Return a date or time in ISO 8601; raises ValueError where it is not written so."""
    if written is None:
        return text
    pattern, iso = time_pattern(written)
    found = re.match(pattern, text)
    if found is None:
        raise ValueError(text)
    return re.sub(r"\$(\d)", lambda m: found[int(m[1])].zfill(2), iso)
