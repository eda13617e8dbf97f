"""A text of SQL -> a word of it that is misspelt: as it stands nobody parses it, and with the right word it parses.

No parser but the engine's own knows all that it takes, so that a text does not parse here proves nothing by itself.
The module loads the parser, which takes a while: it is imported when there is something to judge.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import sqlglot
from sqlglot.errors import SqlglotError

from rheodsl.errors import nearest

# What an engine takes stands in one of these.
SPARK, ATHENA = ("spark", "databricks", "hive", None), ("trino", "athena", "presto", None)
_KEYWORDS = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "WITH",
    "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "JOIN", "USING", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE",
    "EXISTS", "OVER", "PARTITION", "LATERAL", "VIEW", "VALUES", "OFFSET", "WINDOW", "LIKE",
)  # fmt: skip


class Word(NamedTuple):
    """A word of a text: where it begins, and its line."""

    text: str
    start: int
    line: int


class Misspelt(NamedTuple):
    """A word, and the keyword that is meant."""

    word: Word
    meant: str


def misspelt(text: str, words: Iterator[Word], dialects: tuple[str | None, ...]) -> Misspelt | None:
    """Return the word of a text that keeps it from being parsed, with the keyword that lets it be; None without one.

    >>> text = "SELECT * FORM orders"
    >>> misspelt(text, iter([Word("FORM", 9, 1), Word("orders", 14, 1)]), SPARK).meant
    'FROM'
    """
    if _parses(text, dialects):
        return None
    for word in words:
        meant = nearest(word.text.upper(), _KEYWORDS, 0.7)
        if meant is None or meant == word.text.upper():
            continue
        if _parses(text[: word.start] + meant + text[word.start + len(word.text) :], dialects):
            return Misspelt(word, meant)
    return None


def _parses(text: str, dialects: tuple[str | None, ...]) -> bool:
    for dialect in dialects:
        try:
            sqlglot.parse(text, read=dialect)
        except (SqlglotError, RecursionError, ValueError):
            continue
        return True
    return False


# What it does not know as a statement it keeps as a text, and says so.
logging.getLogger("sqlglot").setLevel(logging.ERROR)
