"""Values, names and blocks -> Python source: the only doors by which data enters a generated file."""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rheodsl.errors import RheoError

INDENT = "    "
LINE = 110  # where a call is broken into one argument a line


class SourceError(RheoError, TypeError):
    """A value that cannot be spelled as source."""

    code = "RD511"


class Raw(str):
    """Source text, made by this module's functions or written in the emitter; never a user's text."""

    __slots__ = ()


def literal(value: object) -> Raw:
    """Spell ``value`` as source; the only door by which data enters a file.

    Exact types matter: the ``repr`` of an enum member or of a NumPy number is not source. Sets have no
    order and are refused. Raises SourceError.

    >>> literal({"b": (1, 2.5), "a": "it's"})
    '{"a": "it\\'s", "b": [1, 2.5]}'
    """
    if type(value) is str:
        return Raw(_text(value))
    if value is None or type(value) in (bool, int):
        return Raw(repr(value))
    if type(value) is float and math.isfinite(value):
        return Raw(repr(value))
    if isinstance(value, Raw):
        return value
    if type(value) in (list, tuple):
        return Raw(f"[{', '.join(map(literal, value))}]")  # type: ignore[call-overload]
    if isinstance(value, Mapping):
        if not all(type(k) is str for k in value):
            raise SourceError("a dict with keys that are no texts cannot be written into a file")
        return Raw("{" + ", ".join(f"{literal(k)}: {literal(value[k])}" for k in sorted(value)) + "}")
    raise SourceError(
        f"{type(value).__name__} cannot be written into a file",
        hint="lower it to str, int, float, bool, list or dict",
    )


def _text(value: str) -> str:
    """Double quotes, as formatters write them."""
    plain = repr(value)
    if plain[0] == '"' or '"' in value:
        return plain
    return '"' + plain[1:-1].replace("\\'", "'") + '"'


def name(text: str) -> Raw:
    """Return an identifier; raises SourceError for a keyword or any other text.

    >>> name("flights")
    'flights'
    """
    if not text.isidentifier() or keyword.iskeyword(text):
        raise SourceError(f"{text!r} is no Python name")
    return Raw(text)


def listed(ids: Sequence[str]) -> str:
    """Return identifiers as a task chain takes them: one by itself, several as a list.

    >>> listed(["claim"]), listed(["a", "b"])
    ('claim', '[a, b]')
    """
    if len(ids) < 2:
        return "".join(map(name, ids))
    return f"[{', '.join(map(name, ids))}]"


def call(func: str, arguments: Mapping[str, object], *, indent: str = "") -> Raw:
    """One keyword argument a line, so that a changed argument is a one-line diff.

    ``Raw`` values stand as they are; a dict or list that is too long for its line is broken too.
    """
    inner = indent + "    "
    lines = "".join(f"{inner}{name(k)}={block(v, inner, len(k) + 2)},\n" for k, v in arguments.items())
    return Raw(f"{func}(\n{lines}{indent})" if lines else f"{func}()")


def block(value: object, indent: str = "", used: int = 0) -> Raw:
    """Spell ``value`` like `literal`, one item a line when one line would be too long.

    ``indent`` is the indentation of the line on which it starts, ``used`` what stands before it there.
    """
    flat = literal(value)
    if isinstance(value, Raw) or len(indent) + used + len(flat) <= LINE:
        return flat
    inner = indent + "    "
    if isinstance(value, Mapping):
        items = [f"{literal(k)}: {block(value[k], inner, len(literal(k)) + 3)}" for k in sorted(value)]
        return Raw("{\n" + "".join(f"{inner}{item},\n" for item in items) + indent + "}")
    if isinstance(value, list | tuple):
        return Raw("[\n" + "".join(f"{inner}{block(item, inner, 1)},\n" for item in value) + indent + "]")
    return flat


def docstring(text: str) -> Raw:
    """Spell ``text`` as a triple-quoted string that reads back as itself.

    >>> print(docstring("All flights.\\n\\nOf one day.\\n"))
    \"\"\"All flights.
    <BLANKLINE>
    Of one day.
    \"\"\"
    """
    body = text.rstrip('"')  # quotes at the end would end it early
    shown = "".join(_shown(c) for c in body).replace('"""', '\\"\\"\\"')
    shown += '\\"' * (len(text) - len(body))
    return Raw(f'"""{shown}"""')


def raw(text: str) -> Raw:
    """Spell ``text`` as a raw triple-quoted string where that reads back, so that code looks like code.

    >>> raw("x = 1")[1:4] in ("\'\'\'", '"' * 3)
    True
    """
    for quotes in ('"""', "'''"):
        plain = all(c == "\n" or c.isprintable() for c in text)
        if plain and quotes not in text and not text.endswith((quotes[0], "\\")):
            return Raw(f"r{quotes}{text}{quotes}")
    return docstring(text)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character == "\n" or character.isprintable():
        return character
    return repr(character)[1:-1]


def comment(text: str, indent: str = "") -> Raw:
    """Return ``text`` as comment lines; nothing in it can end the comment."""
    lines = ("".join(map(_shown, line)) for line in text.splitlines() or [""])
    return Raw("\n".join(f"{indent}# {line}".rstrip() for line in lines))


def module(*blocks: str) -> str:
    """Join blocks, functions two lines apart, and refuse to return text that Python cannot parse."""
    parts = [part for block in blocks if (part := block.strip("\n"))]
    text = parts[0] if parts else ""
    for before, part in pairwise(parts):
        text += ("\n\n\n" if _defines(before) or _defines(part) else "\n\n") + part
    ast.parse(text)
    return text + "\n"


def _defines(part: str) -> bool:
    """Say whether a block ends in, or is, a definition."""
    lines = [line for line in part.splitlines() if line[:1] not in ("", " ", ")", "#")]
    return bool(lines) and lines[-1].startswith(("def ", "class "))
