"""Text and a grammar -> a tree, or the place in the text where reading stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

from rheodsl.errors import RheoError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

_WIDTH: Final = 90  # longer texts are shown as a window around the marked place
_WORD: Final = re.compile(r"\w+|.", re.DOTALL)


class Stop(Exception):
    """Reading stopped: ``found`` (empty at the end of the text) stands at ``[start:end]``."""

    def __init__(self, text: str, start: int, wanted: frozenset[str]) -> None:
        word = _WORD.match(text, start)
        self.start = start
        self.found = word.group() if word else ""
        self.end = start + max(1, len(self.found))
        self.wanted = wanted
        super().__init__(f"stopped at {start}")


@cache
def _parser(grammar: str) -> Lark:
    # Imported late: a program without schedules and rules does not wait for the parser generator.
    from lark import Lark

    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def read(grammar: str, text: str) -> Tree[Token]:
    """Read ``text`` by ``grammar``; raises :class:`Stop` at the first place that does not fit.

    >>> read('start: "a" "b"', "ab").data
    Token('RULE', 'start')
    """
    from lark import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

    try:
        return _parser(grammar).parse(text)
    except UnexpectedInput as error:
        at = error.pos_in_stream
        if isinstance(error, UnexpectedCharacters):
            wanted = frozenset(error.allowed or ())
        elif isinstance(error, UnexpectedToken):
            wanted = frozenset(error.accepts or error.expected)
            at = len(text) if error.token.type == "$END" else at
        else:
            wanted = frozenset(error.expected) if isinstance(error, UnexpectedEOF) else frozenset()
        stop = Stop(text, len(text) if at is None or at < 0 else at, wanted)
    raise stop


def marked(text: str, start: int, end: int) -> str:
    """Show ``text`` with carets below ``[start:end]``.

    >>> print(marked("rate(1 days)", 7, 11))
        rate(1 days)
               ^^^^
    """
    line = re.sub(r"\s", " ", text)
    if len(line) > _WIDTH:
        left = max(0, min(start - _WIDTH // 2, len(line) - _WIDTH))
        cut = line[left : left + _WIDTH]
        head = "..." if left else ""
        tail = "..." if left + _WIDTH < len(line) else ""
        line, start, end = head + cut + tail, start - left + len(head), end - left + len(head)
        end = min(end, len(head) + _WIDTH)
    return f"    {line}".rstrip() + f"\n    {' ' * start}{'^' * max(1, end - start)}"


@dataclass(frozen=True, slots=True)
class Source:
    """A text under reading; it raises ``error`` with a mark below the faulty part."""

    text: str
    error: type[RheoError]

    def fault(self, what: str, start: int, end: int, hint: str) -> NoReturn:
        """Raise the error for ``text[start:end]``."""
        raise self.error(f"{what}\n{marked(self.text, start, end)}", hint=hint)

    def at(self, part: Token | Tree[Token], what: str, hint: str) -> NoReturn:
        """Raise the error for a part of the tree."""
        self.fault(what, *extent(part), hint)


def extent(part: Token | Tree[Token]) -> tuple[int, int]:
    """Return where a part of the tree starts and ends in the text."""
    from lark import Tree

    place = part.meta if isinstance(part, Tree) else part
    assert place.start_pos is not None and place.end_pos is not None
    return place.start_pos, place.end_pos


def tree_of(child: Token | Tree[Token]) -> Tree[Token]:
    """Narrow a child that the grammar says is a tree."""
    from lark import Tree

    assert isinstance(child, Tree)
    return child


def token_of(child: Token | Tree[Token]) -> Token:
    """Narrow a child that the grammar says is a token."""
    from lark import Token

    assert isinstance(child, Token)
    return child
