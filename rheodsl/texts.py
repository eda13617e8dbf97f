"""The text of a compute -> why it can never run: it does not parse, or assigns no output where one must be.

The whole of SQL is for its engines to read: what is checked here is what no engine reads, by words and brackets, and
by keywords that are misspelt.
"""

from __future__ import annotations

import ast
import re
import symtable
import textwrap
from bisect import bisect_left, insort
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rheodsl import ir
from rheodsl.compute import AthenaQuery, Code, EmrCompute, Lang, SparkCompute
from rheodsl.errors import ComputeError, SourceLocation, nearest

PYTHON, SPARK_SQL, PRESTO, SCALA = "PYTHON", "SPARK_SQL", "PRESTO_SQL", "SCALA"
SCALA_OUTPUT = re.compile(r"(?m)^\s*va[lr]\s+output\b")  # where Scala names its output
_WRITERS = (SparkCompute, EmrCompute, AthenaQuery)


def check_texts(node: ir.Node) -> Iterator[ComputeError]:
    """Yield what is wrong with the texts of a node's computes, each at the user's own line."""
    writes = True
    for target in node.computes:
        if isinstance(target, _WRITERS):
            fault = text_fault(node, target.code, _language(target), writes)
            if fault is not None:
                yield fault
            writes = False


def _language(target: SparkCompute | EmrCompute | AthenaQuery) -> str:
    if isinstance(target, AthenaQuery):
        return PRESTO
    return target.lang.value if isinstance(target, SparkCompute) else Lang.PYTHON.value


def text_fault(node: ir.Node, code: Code, language: str, writes: bool) -> ComputeError | None:
    """Return why a text can never run; None when nothing is known against it.

    Parameters
    ----------
    writes
        Whether the target is the one of its node that writes the output.
    """
    if code.form == "function":
        found = _IN_VAIN if not writes and _returns(code.text) else None
    else:
        found = _fault(code.text, language, writes)
    if found is None:
        return None
    where = code.where if code.where is None else first_line(code.text, code.where)
    at = where and SourceLocation(where.file, where.line + found.line - 1)
    return ComputeError(f"{node.id}: {found.what}", where=at or node.where, hint=found.hint)


class _Fault(NamedTuple):
    what: str
    hint: str
    line: int = 1


_IN_VAIN = _Fault(
    "only the first Spark compute of a node writes its output",
    "give the other a node of its own, which has this one's inputs",
)


@lru_cache(maxsize=10_000)
def _fault(text: str, language: str, writes: bool) -> _Fault | None:
    if language == PYTHON:
        return _python_fault(text, writes)
    if not writes and (language == SPARK_SQL or (language == SCALA and SCALA_OUTPUT.search(text))):
        return _IN_VAIN
    return sql_fault(text, _STARTERS if language == SPARK_SQL else _QUERIES) if "SQL" in language else None


def _python_fault(text: str, writes: bool) -> _Fault | None:
    try:
        tree = ast.parse(text)
        table = symtable.symtable(text, "code", "exec")  # it refuses what only looks like Python
    except (SyntaxError, ValueError) as fault:
        line = getattr(fault, "lineno", None) or 1
        return _Fault(
            f"the code is no Python: {getattr(fault, 'msg', fault)} (line {line})",
            "it is PySpark that assigns 'output'; SQL is SparkSQL(query), Scala is scala_script(code)",
            line,
        )
    assigns = any(
        s.get_name() == "output" and (s.is_assigned() or s.is_imported()) for s in table.get_symbols()
    )
    if assigns and not _only_named(tree):
        return None if writes else _IN_VAIN
    if not writes or any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(tree)):
        return None
    return _Fault(
        "the code assigns no 'output'", "assign the frame that becomes the output: output = orders.limit(10)"
    )


def _returns(text: str) -> bool:
    """Whether a function, the last that a text defines, returns something.

    >>> _returns("def f(orders):\\n    return orders"), _returns("def f(orders):\\n    orders.show()\\n    return")
    (True, False)
    """
    made = [each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    waiting: list[ast.AST] = list(made[-1].body) if made else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return) and not (
            node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        ):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return False


def _only_named(tree: ast.Module) -> bool:
    """Whether what gives ``output`` at most deletes it, annotates it, or imports a module of that name."""
    every = list(ast.walk(tree))
    idle = {id(n.target) for n in every if isinstance(n, ast.AnnAssign) and n.value is None}
    idle |= {
        id(alias) for n in every if isinstance(n, ast.Import) for alias in n.names if alias.asname is None
    }
    for node in every:
        if id(node) in idle:
            continue
        if isinstance(node, ast.Name):
            if node.id == "output" and isinstance(node.ctx, ast.Store):
                return False
        elif "output" in (getattr(node, name, None) for name in ("name", "asname", "rest")):
            return False
    return True


# With what a statement begins, of Spark and of a query.
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE")
_STARTERS = (
    *_QUERIES, "FROM", "MAP", "REDUCE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "INSERT", "CREATE", "REPLACE", "DROP",
    "ALTER", "MERGE", "UPDATE", "DELETE", "SET", "RESET", "USE", "CACHE", "UNCACHE", "CLEAR", "REFRESH", "ANALYZE",
    "MSCK", "TRUNCATE", "LOAD", "ADD", "LIST", "CALL", "COMMENT", "OPTIMIZE", "VACUUM",
)  # fmt: skip
_CLAUSES = frozenset({"FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "INTERSECT", "EXCEPT"})
_OPEN_ENDED = frozenset(
    {
        "SELECT",
        "FROM",
        "WHERE",
        "BY",
        "AND",
        "OR",
        "NOT",
        "ON",
        "JOIN",
        "HAVING",
        "AS",
        "UNION",
        "IN",
        "WITH",
        "LIKE",
    }
)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<quoted>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`)
      | (?P<word>[^\W\d]\w*)
      | (?P<number>\d[\w.]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def sql_fault(text: str, starters: tuple[str, ...] = _STARTERS) -> _Fault | None:
    """Return why no engine reads a text as SQL; None when nothing is known against it.

    >>> sql_fault("SELEC 1").hint
    "did you mean 'SELECT'?"
    >>> sql_fault("SELECT * FROM (SELECT 1").what
    'the code is no SQL: a bracket is not closed (line 1)'
    >>> sql_fault("WITH a AS (SELECT 1 AS x) SELECT x FROM a WHERE 'it''s' <> `b`") is None
    True
    """
    tokens = list(_tokens(text))
    found = (
        _unbalanced(tokens)
        or _begins(tokens, starters)
        or _ends(tokens)
        or _selects_nothing(tokens)
        or _two_commas(tokens)
        or _misspelt(text, tokens, starters)
    )
    if found is None:
        return None
    what, hint, line = found
    return _Fault(f"the code is no SQL: {what} (line {line})", hint, line)


def sql_tokens(text: str) -> list[tuple[str, str]]:
    """Return the words, quotations, numbers and signs of SQL in their order: kind, and text, words in capitals.

    >>> sql_tokens("select a.`b`, 'c' -- d")[1:]
    [('word', 'A'), ('sign', '.'), ('quoted', '`b`'), ('sign', ','), ('quoted', "'c'")]
    """
    return [(token.kind, token.text) for token in _tokens(text)]


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        if kind != "skip":
            yield _Token(kind, match[0].upper() if kind == "word" else match[0], line)
        line += match[0].count("\n")


_PAIRS = {")": "(", "]": "[", "}": "{"}


def _unbalanced(tokens: list[_Token]) -> _Fault | None:
    opened: list[_Token] = []
    for token in tokens:
        if token.kind != "sign":
            continue
        if token.text in "'\"`":
            return _Fault(f"what begins with {token.text} does not end", "close the quotation", token.line)
        if token.text in _PAIRS.values():
            opened.append(token)
        elif token.text in _PAIRS and (not opened or opened.pop().text != _PAIRS[token.text]):
            return _Fault(f"{token.text} closes nothing", "open it, or leave it out", token.line)
    if opened:
        return _Fault("a bracket is not closed", f"close the {opened[-1].text} of this line", opened[-1].line)
    return None


def _begins(tokens: list[_Token], starters: tuple[str, ...]) -> _Fault | None:
    first = next((t for t in tokens if t.text != "("), None)
    if first is None:
        return _Fault("it is empty", "write a SELECT", 1)
    if first.text in starters or (first.kind == "sign" and first.text in "{$"):
        return None  # a text that is filled in is not known before
    near = nearest(first.text, starters)
    hint = f"did you mean {near!r}?" if near else f"a query begins with {', '.join(_QUERIES[:2])}"
    return _Fault(f"no statement begins with {first.text}", hint, first.line)


def _ends(tokens: list[_Token]) -> _Fault | None:
    rest = [t for t in tokens if t.text != ";"]
    last, before = rest[-1], rest[-2].text if len(rest) > 1 else ""
    open_ended = last.text in _OPEN_ENDED if last.kind == "word" else last.text in {",", "=", "+", "<", ">"}
    if open_ended and before != ".":
        return _Fault(f"it ends after {last.text}", "write the rest", last.line)
    return None


def _selects_nothing(tokens: list[_Token]) -> _Fault | None:
    for before, token, after in zip(
        ["", *(t.text for t in tokens)], tokens, [*tokens[1:], None], strict=False
    ):
        if token.kind != "word" or token.text != "SELECT" or before == "." or after is None:
            continue
        if (after.kind == "word" and after.text in _CLAUSES) or after.text in {")", ",", ";"}:
            return _Fault(f"SELECT is followed by {after.text}", "name the columns, or *", after.line)
    return None


def _two_commas(tokens: list[_Token]) -> _Fault | None:
    for token, after in pairwise(tokens):
        if token.text == "," and after.text in {",", ")"}:
            return _Fault(f"a comma is followed by {after.text}", "leave the comma out", after.line)
    return None


def _misspelt(text: str, tokens: list[_Token], starters: tuple[str, ...]) -> _Fault | None:
    if any(token.kind == "sign" and token.text in "{$" for token in tokens):
        return None  # a text that is filled in is not known before
    parser = import_module("rheodsl.sql_parser")
    words = (
        parser.Word(m[0], m.start(), text.count("\n", 0, m.start()) + 1)
        for m in _TOKEN.finditer(text)
        if m["word"]
    )
    found = parser.misspelt(text, words, parser.SPARK if starters == _STARTERS else parser.ATHENA)
    if found is None:
        return None
    return _Fault(f"{found.word.text} is no keyword", f"did you mean {found.meant!r}?", found.word.line)


def first_line(text: str, where: SourceLocation) -> SourceLocation:
    """Return the place of the first line of ``text``, a string in the file that ``where`` is in.

    The nearest string of that text from ``where`` on; ``where`` itself when the file cannot be read.
    """
    lines = _strings(where.file).get(text, ())
    after = bisect_left(lines, where.line)
    return SourceLocation(where.file, lines[after]) if after < len(lines) else where


@lru_cache(maxsize=8)
def _strings(file: str) -> dict[str, list[int]]:
    """Every string of a file as dedented text, with the lines on which it begins, in order."""
    try:
        tree = ast.parse(Path(file).read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}
    found: dict[str, list[int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            insort(found.setdefault(textwrap.dedent(node.value), []), node.lineno)
    return found
