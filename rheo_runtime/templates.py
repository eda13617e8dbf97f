"""Templates of paths: a partition's values -> its address, and an address -> the texts of its partition.

``{}`` stands for the next dimension's text. Where that does not do, fields name their dimension: ``{0}`` is
the text of the first, ``{0:%Y}`` a part of its date. Several fields may stand in one level of a path, and one
dimension in several levels: ``logs/year={0:%Y}/month={0:%m}/day={0:%d}`` is a folder for each day.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from operator import itemgetter
from typing import NamedTuple

from rheo_runtime.values import (
    DATETIME,
    HIVE_NULL,
    LONG,
    STRING,
    BadValue,
    Kind,
    Partition,
    directives,
    escape,
    format_pattern,
    loose_pattern,
    parse,
    pieces,
    render,
    repadded,
    unescape,
    whole,
)

ITSELF = "."  # the completion name of partitions that are objects: the template names the object
ABOVE = "../"  # what the name of a marker above the partitions begins with

Texts = tuple[str, ...]
Segments = list[str]
Capture = Callable[[Segments], Texts | None]
Spells = Callable[[str], str]  # a format of dates -> the regular expression of what it spells
# The kinds that each dimension has, one in each branch of the filter.
Kinds = tuple[tuple[Kind, ...], ...]


class Field(NamedTuple):
    """A place in a path: the text of a dimension, or the part of its date that ``format`` spells."""

    position: int
    format: str | None = None

    def __str__(self) -> str:
        return f"{{{self.position}}}" if self.format is None else f"{{{self.position}:{self.format}}}"


_FIELD = re.compile(r"\{(\d*)(?::([^{}]*))?\}")


class Template:
    """A path with places for the dimensions of a signal; `template` makes one of its text.

    ``levels`` are the parts of each level; ``plain`` says that each dimension stands once, by its text.

    >>> day = (Kind("DATETIME", "%Y-%m-%d", "DAY"),)
    >>> template("logs/year={0:%Y}/{0:%m%d}").fill((737502,), day)
    'logs/year=2020/0318'
    """

    __slots__ = ("_between", "levels", "plain", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        count = 0
        levels: list[tuple[str | Field, ...]] = []
        for level in text.split("/"):
            if "{" not in level:
                levels.append((level,))
                continue
            parts: list[str | Field] = []
            end = 0
            for found in _FIELD.finditer(level):
                if found.start() > end:
                    parts.append(level[end : found.start()])
                position = int(found[1]) if found[1] else count
                count += not found[1]
                parts.append(Field(position, found[2]))
                end = found.end()
            if end < len(level):
                parts.append(level[end:])
            levels.append(tuple(parts))
        self.levels = tuple(levels)
        fields = list(self.fields())
        self.plain = [f.position for f in fields] == list(range(len(fields))) and not any(
            f.format for f in fields
        )
        self._between = _FIELD.split(text)[::3] if self.plain else []

    def fields(self) -> Iterator[Field]:
        """Yield the places, in their order."""
        return (part for level in self.levels for part in level if isinstance(part, Field))

    def fill(
        self,
        partition: Partition,
        kinds: Sequence[Kind],
        *,
        texts: Texts | None = None,
    ) -> str:
        """Return the address of a partition.

        ``texts`` are how an event spelled it, where that differs.
        Raises BadValue for a date out of range.
        """
        if texts is None:
            texts = tuple(map(render, partition, kinds))
        if any(kind.escaped for kind in kinds):
            texts = tuple(escape(t) if k.escaped else t for t, k in zip(texts, kinds, strict=True))
        if self.plain:
            between = self._between
            return between[0] + "".join([text + part for text, part in zip(texts, between[1:], strict=True)])
        found = []
        for level in self.levels:
            for part in level:
                if isinstance(part, str):
                    found.append(part)
                elif part.format is None:
                    found.append(texts[part.position])
                else:
                    kind = kinds[part.position]
                    text = render(partition[part.position], _spelled(kind, part.format))
                    found.append(escape(text) if kind.escaped else text)
            found.append("/")
        return "".join(found[:-1])

    def capture(self, kinds: Kinds) -> Capture:
        """Return a function from the levels of an address to the texts of its partition; None where it has none.

        >>> days = ((Kind("DATETIME", "%Y-%m-%d", "DAY"),),)
        >>> template("logs/year={0:%Y}/{0:%m%d}").capture(days)(["logs", "year=2020", "0318"])
        ('2020-03-18',)
        """
        fields = [
            (i, level) for i, level in enumerate(self.levels) if any(isinstance(p, Field) for p in level)
        ]
        escaping = any(kind.escaped for column in kinds for kind in column)
        if self.plain and not escaping:
            if all(len(level) == 1 for _, level in fields):
                return at(tuple(i for i, _ in fields))
            if all(sum(isinstance(p, Field) for p in level) == 1 for _, level in fields):
                return _by_level(fields)
        return _Regex(fields, kinds)

    def numbered(self, kinds: Kinds) -> tuple[str, tuple[tuple[int | str, ...], ...], tuple[str, ...]]:
        """Return a regular expression of addresses, and the text of each dimension as groups and texts between.

        Third is the format of each of these texts, where it is not how the date is written; else empty.

        >>> days = ((Kind("DATETIME", "%Y-%m-%d", "DAY"),),)
        >>> template("s3://b/{0:%Y}/{0:%m}/{0:%d}").numbered(days)[1:]
        (((1, '-', 2, '-', 3),), ('',))
        >>> template("s3://b/{0:%Y}/{0:%j}").numbered(days)[1:]
        (((1, '/', 2),), ('%Y/%j',))
        """
        found = _Regex(list(enumerate(self.levels)), kinds)
        groups = found.pattern.groupindex
        text = re.sub(r"\(\?P=(\w+)\)", lambda m: f"\\{groups[m[1]]}", found.pattern.pattern)
        return re.sub(r"\(\?P<\w+>", "(", text), found.texts(groups), found.formats(groups)


@cache
def template(text: str) -> Template:
    """Return the template of a text, the same one for the same text."""
    return Template(text)


def shared_folder(text: str) -> str:
    """Return the part of a template that the paths of all partitions share.

    >>> shared_folder("s3://bucket/orders/region={}/{}")
    's3://bucket/orders'
    """
    before, found, _ = text.partition("{")
    return before.rpartition("/")[0] if found else text.rstrip("/")


@cache
def at(positions: tuple[int, ...]) -> Callable[[Segments], Texts]:
    """Return a function that takes the entries at ``positions``."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return (lambda s: (s[positions[0]],)) if positions else (lambda s: ())


@lru_cache(maxsize=1024)
def _spelled(kind: Kind, format: str) -> Kind:
    return replace(kind, format=format)


Levels = list[tuple[int, tuple[str | Field, ...]]]


def _by_level(levels: Levels) -> Capture:
    """One field in each level: what stands around it is literal."""
    patterns = [
        (i, re.compile("".join(re.escape(p) if isinstance(p, str) else "(.*?)" for p in level), re.DOTALL))
        for i, level in levels
    ]
    matches = [(i, pattern.fullmatch) for i, pattern in patterns]

    def capture(actual: Segments) -> Texts | None:
        texts: list[str] = []
        for i, fullmatch in matches:
            found = fullmatch(actual[i])
            if found is None:
                return None
            texts += found.groups()
        return tuple(texts)

    return capture


class _Regex:
    """Levels that hold several fields, parts of dates, or escaped texts: one regular expression for them all."""

    def __init__(self, levels: Levels, kinds: Kinds, spells: Spells = format_pattern) -> None:
        self._positions = [i for i, _ in levels]
        self._kinds = tuple(column[0] for column in kinds)
        self._spells = spells
        self._made_of = levels, kinds
        self._dates: dict[str, str] = {}  # the format of each group that is a date, or a part of one
        self._parts: list[list[str]] = [[] for _ in kinds]  # the directives of dates, in their order
        groups: set[str] = set()
        written = []
        for _, level in levels:
            alone = sum(isinstance(p, Field) for p in level) == 1
            parts = []
            for n, part in enumerate(level):
                if isinstance(part, str):
                    parts.append(re.escape(part))
                elif part.format is not None:
                    parts.append(self._date(part.position, part.format, groups))
                else:
                    name = f"d{part.position}"
                    if name in groups:
                        parts.append(f"(?P={name})")
                        continue
                    groups.add(name)
                    before = level[n - 1] if n else ""
                    signed = isinstance(before, str) and not before.endswith("-")
                    inner = "[^/]*?" if alone else _one_of(kinds[part.position], signed, spells)
                    if not alone and (format := kinds[part.position][0].format):
                        self._dates[name] = format
                    parts.append(f"(?P<{name}>{inner})")
            written.append(parts)
        self.pattern = re.compile("/".join(map("".join, written)), re.DOTALL)
        self._fullmatch = self.pattern.fullmatch
        # The same, where Hive's null may stand for each part.
        self._nulls = "/".join(
            "".join(_or_null(part) if "(?P" in part else part for part in parts) for parts in written
        )

    def _date(self, position: int, format: str, groups: set[str]) -> str:
        kind = self._kinds[position]
        pattern = ""
        for i, piece in enumerate(pieces(format)):
            if not i % 2 or piece == "%":
                literal = piece if i % 2 == 0 else "%"
                pattern += re.escape(escape(literal) if kind.escaped else literal)
                continue
            name = _group(position, piece)
            if name in groups:
                pattern += f"(?P={name})"
            else:
                groups.add(name)
                self._parts[position].append(piece)
                self._dates[name] = f"%{piece}"
                pattern += f"(?P<{name}>{self._spells('%' + piece)})"
        return pattern

    def texts(self, groups: Mapping[str, int]) -> tuple[tuple[int | str, ...], ...]:
        """The text of each dimension, as numbers of groups and what stands between them."""
        found: list[tuple[int | str, ...]] = []
        for position in range(len(self._kinds)):
            whole = groups.get(f"d{position}")
            if whole is not None:
                found.append((whole,))
                continue
            parts = pieces(self._format(position))
            found.append(
                tuple(groups[_group(position, p)] if i % 2 else p for i, p in enumerate(parts) if i % 2 or p)
            )
        return tuple(found)

    def formats(self, groups: Mapping[str, int]) -> tuple[str, ...]:
        """The format of each text that `texts` puts together, where it is not how the date is written; else empty."""
        made = [
            "" if f"d{position}" in groups else self._format(position) for position in range(len(self._kinds))
        ]
        return tuple(
            "" if format == kind.format else format for format, kind in zip(made, self._kinds, strict=True)
        )

    def _format(self, position: int) -> str:
        """How the parts of a date are put together: as it is written, where they are what it is written with."""
        format = self._kinds[position].format or ""
        if set(directives(format)) <= set(self._parts[position]):
            return format
        return "/".join(f"%{field}" for field in self._parts[position])

    def __call__(self, segments: Segments) -> Texts | None:
        address = "/".join([segments[i] for i in self._positions])
        found = self._fullmatch(address)
        if found is None:
            return self._with_nulls(address) if HIVE_NULL in address else None
        return self._texts(found)

    def _with_nulls(self, address: str) -> Texts | None:
        """Read an address in which Hive's null stands for a dimension or a part of it, to be refused by name."""
        found = re.compile(self._nulls, re.DOTALL).fullmatch(address)
        texts = None if found is None else self._texts(found)
        return texts if texts is not None and HIVE_NULL in texts else None

    def _texts(self, found: re.Match[str]) -> Texts | None:
        texts = []
        for position, kind in enumerate(self._kinds):
            fields = self._parts[position]
            if fields and f"d{position}" not in found.re.groupindex:
                values = tuple([found[_group(position, field)] or HIVE_NULL for field in fields])
                texts.append(HIVE_NULL if HIVE_NULL in values else _date_text(tuple(fields), values, kind))
                continue
            text = found[f"d{position}"]
            if text is None:
                texts.append(HIVE_NULL)
                continue
            if fields and _contradicts(text, kind, {f: found[_group(position, f)] for f in fields}):
                return None
            texts.append(unescape(text) if kind.escaped else text)
        return tuple(texts)

    def repadded(self, segments: Segments) -> str | None:
        """The levels as they would be read, where they differ by the zeros before numbers of dates; else None."""
        loose = _Regex(*self._made_of, loose_pattern)
        text = "/".join([segments[i] for i in self._positions])
        found = loose.pattern.fullmatch(text)
        if found is None:
            return None
        for name, format in sorted(loose._dates.items(), key=lambda date: found.start(date[0]), reverse=True):
            start, end = found.span(name)
            text = text[:start] + (repadded(text[start:end], format) or "") + text[end:]
        return text if self._fullmatch(text) else None


def _or_null(pattern: str) -> str:
    """A part of a level, or Hive's null in its place; what stands there a second time may be anything."""
    loose = re.sub(r"\(\?P=\w+\)", "[^/]+?", pattern)
    opened = re.sub(r"\(\?P<(\w+)>", rf"(?P<\1>{HIVE_NULL}|", loose)
    return f"(?:{HIVE_NULL}|{opened})"


def padded_otherwise(capture: Capture, segments: Segments) -> str | None:
    """Return the levels that an address has for a template but for the zeros before numbers of dates, else None.

    >>> days = ((Kind("DATETIME", "%Y-%m-%d", "DAY"),),)
    >>> padded_otherwise(template("m={0:%Y%m}/d={0:%-d}").capture(days), ["m=202403", "d=01"])
    'm=202403/d=1'
    """
    return capture.repadded(segments) if isinstance(capture, _Regex) else None


def _group(position: int, directive: str) -> str:
    """The name of the group of a date's part."""
    return f"d{position}{directive.replace('-', '_')}"


def _one_of(kinds: tuple[Kind, ...], signed: bool, spells: Spells) -> str:
    """What one of several dimensions of a level can be: a date is what its format spells, a LONG its digits."""
    patterns = dict.fromkeys(_pattern(kind, signed, spells) for kind in kinds)
    return next(iter(patterns)) if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _pattern(kind: Kind, signed: bool, spells: Spells) -> str:
    if kind.type == DATETIME:
        pattern = spells(kind.format or "")
        if kind.escaped:
            pattern = "".join(
                spells("%" + p) if i % 2 else re.escape(escape(p))
                for i, p in enumerate(pieces(kind.format or ""))
            )
        return pattern
    if kind.type == LONG:
        digits = r"\d+" if not kind.digits else rf"\d{{{kind.digits},}}"
        return ("-?" if signed else "") + digits
    return "[^/]+?"


def _contradicts(text: str, kind: Kind, fields: dict[str, str]) -> bool:
    """Whether a date that is spelled whole and, elsewhere in the path, in part, is not the same in both."""
    try:
        value = parse(text, kind)
    except BadValue:
        return False  # to be refused with its own reason
    return any(render(value, _spelled(kind, f"%{field}")) != said for field, said in fields.items())


@lru_cache(maxsize=65536)
def _date_text(fields: tuple[str, ...], values: Texts, kind: Kind) -> str:
    """The text of a date, of the fields that stand in a path; what is no date stays to be refused."""
    own = kind.format or ""
    said = dict(zip(fields, values, strict=True))
    if set(directives(own)) == said.keys():
        return "".join(said.get(p, "%") if i % 2 else p for i, p in enumerate(pieces(own)))
    bare = replace(whole(kind), timezone=None)
    text = "/".join(values)
    try:
        return render(parse(text, replace(bare, format="/".join(f"%{f}" for f in fields))), bare)
    except BadValue:
        return text


def ambiguous(text: str, kinds: Sequence[Kind]) -> str | None:
    """Return the level of a template that can be split in two ways, None when there is none.

    >>> ambiguous("{}/{}-{}", (Kind("STRING"),) * 3), ambiguous("{}-{}", (Kind("STRING"), Kind("LONG")))
    ('{}-{}', None)
    """
    written_levels = text.split("/")
    if all(written.count("{") < 2 for written in written_levels):
        return None
    for level, written in zip(template(text).levels, written_levels, strict=True):
        loose: str | None = None  # the kind of the last field whose length is open
        between = ""
        texts = 0
        for part in level:
            if isinstance(part, str):
                between += part
                continue
            kind = kinds[part.position]
            format = part.format or (kind.format or "" if kind.type == DATETIME else "")
            texts += kind.type == STRING
            if kind.type == LONG or format.startswith("%-"):
                if loose == LONG and (not between or between.isdigit()):
                    return written
            elif kind.type == DATETIME and "%B" in format and loose == STRING and not between:
                return written
            if texts > 1:
                return written
            loose = STRING if kind.type == DATETIME and "%B" in format else kind.type
            if kind.type == DATETIME and "%B" not in format:
                loose = LONG if re.search(r"%-.$", format) else None
            between = ""
    return None


# --- completion names ---


def hidden(name: str) -> bool:
    """Say whether an object is no data: a marker of a folder, or what Hadoop, Spark and others leave behind.

    >>> [name for name in ("part-0", "_SUCCESS", ".part-0.crc", "day_$folder$", "") if not hidden(name)]
    ['part-0']
    """
    return not name or name[0] in "_." or name.endswith("_$folder$")


def leftover(folder: str) -> bool:
    """Say whether a folder holds no data: it is hidden, and not that of Hive's nulls.

    >>> leftover("_temporary"), leftover("US"), leftover("__HIVE_DEFAULT_PARTITION__")
    (True, False, False)
    """
    return hidden(folder) and folder != HIVE_NULL


class Completion:
    """A completion name that is a pattern (``*.csv``) or names dimensions (``orders_{0}.done``)."""

    def __init__(self, name: str) -> None:
        self._template = template(name) if "{" in name else None
        self._name = name
        self._cautious = name[0] in "*?["
        # What is hidden is meant where its underscore is written: ``*_SUCCESS`` is _SUCCESS too, ``*SUCCESS`` is not.
        self._spells = name.lstrip("*").startswith("_")

    def matches(self, name: str, texts: Texts) -> bool:
        """Say whether an object of this name completes the partition of these texts."""
        pattern = self._name
        if self._template is not None:
            pattern = "".join(
                part if isinstance(part, str) else glob.escape(texts[part.position])
                for part in self._template.levels[0]
            )
        if not fnmatchcase(name, pattern):
            return False
        if not (self._cautious and hidden(name)):
            return True
        return self._spells and name.startswith("_") and fnmatchcase(name, pattern.lstrip("*"))


def is_name(completion: str) -> bool:
    """Say whether a completion name is the name of one object.

    >>> is_name("_SUCCESS"), is_name("*.csv"), is_name("orders_{0}.done")
    (True, False, False)
    """
    return not any(c in completion for c in "*?[{")


def folders_above(template: str, completion: tuple[str, ...]) -> set[str]:
    """Return the folders of markers that stand above all the folders which a template names; "" for a bucket.

    >>> folders_above("in/d/{0}", ("../_SUCCESS", "../../_SUCCESS"))
    {'in'}
    """
    levels, prefix = template.split("/"), template.partition("{")[0]
    ups = {name.count(ABOVE) for name in completion}
    folders = {"/".join(levels[: len(levels) - up]) for up in ups if up}
    return {folder for folder in folders if not f"{folder}/".startswith(prefix)}


def completes(completion: tuple[str, ...], name: str, texts: Texts) -> bool:
    """Say whether an object of this name, in the folder of a partition of these texts, completes it.

    >>> completes(("*.csv",), "a.csv", ()), completes((), "_SUCCESS", ()), completes(("../_SUCCESS",), "a", ())
    (True, False, True)
    """
    names = [c for c in completion if not c.startswith(ABOVE)]
    if len(names) < len(completion) or not completion:
        return not hidden(name)
    return any(c == name if is_name(c) else Completion(c).matches(name, texts) for c in names)
