"""Python source of generated files: the only doors by which values, names and blocks of code enter one."""

from __future__ import annotations

import keyword
import math
import symtable
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

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
    kind = type(value)
    if kind is Raw:
        return value  # type: ignore[return-value]
    if kind is str:
        return _text(value)
    if value is None or kind is bool or kind is int:
        return Raw(repr(value))
    if kind is list or kind is tuple:
        return Raw(f"[{', '.join([literal(each) for each in value])}]")  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        return Raw("{" + ", ".join([f"{key}{literal(each)}" for key, each in _items(value)]) + "}")
    if kind is float and math.isfinite(value):  # type: ignore[arg-type]
        return Raw(repr(value))
    raise SourceError(
        f"{type(value).__name__} cannot be written into a file",
        hint="lower it to str, int, float, bool, list or dict",
    )


@lru_cache(maxsize=4096)
def _text(value: str) -> Raw:
    """Double quotes, as formatters write them."""
    plain = repr(value)
    if plain[0] == '"' or '"' in value:
        return Raw(plain)
    return Raw('"' + plain[1:-1].replace("\\'", "'") + '"')


@lru_cache(maxsize=4096)
def name(text: str) -> Raw:
    """Return an identifier; raises SourceError for a keyword or any other text.

    >>> name("flights")
    'flights'
    """
    if not text.isidentifier() or keyword.iskeyword(text):
        raise SourceError(f"{text!r} is no Python name")
    return Raw(text)


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one part of a node (its sensors, computes, hooks) adds to the file of its DAG.

    Parameters
    ----------
    imports
        Pairs of a module and a name in it.
    before
        What stands before the DAG.
    tasks
        The source of each task, by the variable that holds it.
    edges
        Source that says how its tasks hang on others; the main chain is the DAG's own.
    arguments
        What each compute takes beside its own arguments.
    """

    imports: frozenset[tuple[str, str]] = frozenset()
    before: Raw = Raw("")
    tasks: Mapping[str, str] = field(default_factory=dict)
    edges: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)


def assigned(variable: str, operator: str, arguments: Mapping[str, object]) -> str:
    """Return the line of a DAG that makes a task.

    >>> print(assigned("claim", "ClaimOperator", {"app": "shop"}))
        claim = ClaimOperator(
            app="shop",
        )
    """
    return f"{INDENT}{name(variable)} = {call(operator, arguments, indent=INDENT)}"


def duration(seconds: int) -> Raw:
    """Spell a time span in the largest unit that tells it in a whole number.

    >>> duration(3600), duration(5400), duration(90)
    ('timedelta(hours=1)', 'timedelta(minutes=90)', 'timedelta(seconds=90)')
    """
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds % length == 0:
            return Raw(f"timedelta({unit}={seconds // length})")
    return Raw(f"timedelta(seconds={seconds})")


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
    lines = "".join([f"{inner}{name(k)}={block(v, inner, len(k) + 2)},\n" for k, v in arguments.items()])
    return Raw(f"{func}(\n{lines}{indent})" if lines else f"{func}()")


def block(value: object, indent: str = "", used: int = 0) -> Raw:
    """Spell ``value`` like `literal`, one item a line when one line would be too long.

    ``indent`` is the indentation of the line on which it starts, ``used`` what stands before it there.
    """
    if isinstance(value, Mapping):
        items, (begin, end) = _items(value), "{}"
    elif type(value) is list or type(value) is tuple:
        items, (begin, end) = [("", each) for each in value], "[]"
    else:
        return literal(value)
    flat = [f"{key}{literal(each)}" for key, each in items]
    line = f"{begin}{', '.join(flat)}{end}"
    if len(indent) + used + len(line) <= LINE:
        return Raw(line)
    inner = indent + "    "
    shown = [
        one if len(inner) + len(one) < LINE else f"{key}{block(each, inner, len(key) + 1)}"
        for one, (key, each) in zip(flat, items, strict=True)
    ]
    return Raw(f"{begin}\n" + "".join([f"{inner}{one},\n" for one in shown]) + indent + end)


def _items(value: Mapping[Any, object]) -> list[tuple[str, object]]:
    """The values of a dict, sorted by their keys, each with how it begins."""
    if not all(type(k) is str for k in value):
        raise SourceError("a dict with keys that are no texts cannot be written into a file")
    return [(f"{_text(k)}: ", value[k]) for k in sorted(value)]


def docstring(text: str) -> Raw:
    """Spell ``text`` as a triple-quoted string that reads back as itself.

    >>> print(docstring("All flights.\\n\\nOf one day.\\n"))
    \"\"\"All flights.
    <BLANKLINE>
    Of one day.
    \"\"\"
    """
    body = text.rstrip('"')  # quotes at the end would end it early
    shown = _escaped(body).replace('"""', '\\"\\"\\"')
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


def _escaped(text: str) -> str:
    if "\\" not in text and text.replace("\n", "").isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character == "\n" or character.isprintable():
        return character
    return repr(character)[1:-1]


def comment(text: str, indent: str = "") -> Raw:
    """Return ``text`` as comment lines; nothing in it can end the comment."""
    lines = (_escaped(line) for line in text.splitlines() or [""])
    return Raw("\n".join(f"{indent}# {line}".rstrip() for line in lines))


def module(*parts: str) -> str:
    """Join blocks as `blocks` does, and refuse to return text that Python cannot parse.

    A ``Raw`` part parses, as all that this module's functions spell does: only other parts are looked at.
    """
    for part in parts:
        if part and not isinstance(part, Raw):
            _check_syntax(part)
    return blocks(*parts) + "\n"


def blocks(*parts: str) -> str:
    """Join blocks, functions two lines apart.

    >>> blocks("x = 1", "", "y = 2")
    'x = 1\\n\\ny = 2'
    """
    kept = [cut for part in parts if (cut := part.strip("\n"))]
    defines = [_defines(part) for part in kept]
    text = kept[0] if kept else ""
    for number, part in enumerate(kept[1:]):
        text += ("\n\n\n" if defines[number] or defines[number + 1] else "\n\n") + part
    return text


def _check_syntax(text: str) -> None:
    """Raise SyntaxError for text that Python cannot parse.

    The symbol table needs no tree of Python objects, whose making would start garbage collection again and again.
    """
    symtable.symtable(text, "<generated>", "exec")


def _defines(part: str) -> bool:
    """Say whether a block ends in, or is, a definition."""
    if "def " not in part and "class " not in part:
        return False
    for line in reversed(part.splitlines()):
        if line[:1] not in ("", " ", ")", "#"):
            return line.startswith(("def ", "class "))
    return False


# Pairs of a module and a name in it.
Names = Iterable[tuple[str, str]]


def imports(names: Names) -> Raw:
    """Return the lines that import these names.

    >>> print(imports([("airflow.sdk", "DAG"), ("functools", "partial")]))
    from functools import partial
    <BLANKLINE>
    from airflow.sdk import DAG
    """
    return _imports(frozenset(names))


@lru_cache(maxsize=256)
def _imports(wanted: frozenset[tuple[str, str]]) -> Raw:
    modules = {m: _sorted(n for other, n in wanted if other == m) for m in sorted({m for m, _ in wanted})}
    groups = [
        "\n".join(_import(m, n) for m, n in modules.items() if _group(m) == group) for group in range(3)
    ]
    return Raw("\n\n".join(filter(None, groups)))


def _group(module_: str) -> int:
    """Python's own modules, others', ours."""
    return 2 if module_.startswith("rheo_airflow.") else int(module_.startswith("airflow."))


def _import(module_: str, names: list[str]) -> str:
    line = f"from {module_} import {', '.join(names)}"
    if len(line) <= LINE:
        return line
    return f"from {module_} import (\n" + "".join(f"    {n},\n" for n in names) + ")"


def _sorted(names: Iterable[str]) -> list[str]:
    """As isort does: constants, classes, functions."""
    return sorted(names, key=lambda n: (not n.isupper(), n.islower(), n))
