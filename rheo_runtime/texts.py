"""Kind -> remembered text/value conversions: what the hot path uses in place of `values.parse` and `render`.

A partition's coordinates repeat (a day, a region), so each conversion is done once and then costs
one dict look-up. A refused text is not remembered: refusals are rare and must not fill the memory.
All functions are shared by everything of the same kinds: with thousands of routes they stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Generic, TypeVar

from rheo_runtime.values import Kind, Partition, Value, parse, render

A = TypeVar("A")
B = TypeVar("B")

_LIMIT = 65_536  # then it starts over: bounded memory whatever the texts


class _Memo(dict[A, B], Generic[A, B]):
    """A dict that computes what it lacks; `dict.__getitem__` of a known key stays at C speed."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[A], B]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: A) -> B:
        value = self._compute(key)
        if len(self) >= _LIMIT:
            self.clear()
        self[key] = value
        return value


@cache
def parser(kind: Kind) -> Callable[[str], Value]:
    """Return a function from a text to its value; it raises BadValue like `values.parse`.

    >>> parser(Kind("LONG"))("7")
    7
    """
    return _Memo[str, Value](lambda text: parse(text, kind)).__getitem__


@cache
def renderer(kind: Kind) -> Callable[[Value], str]:
    """Return a function from a value to its text; it raises BadValue like `values.render`.

    >>> renderer(Kind("LONG", digits=3))(7)
    '007'
    """
    return _Memo[Value, str](lambda value: render(value, kind)).__getitem__


def tuple_of(functions: tuple[Callable[[A], B], ...]) -> Callable[[A], tuple[B, ...]]:
    """Return ``x -> (f(x), g(x), ...)``; the usual sizes are spelled out, which is twice as fast.

    >>> tuple_of((abs, float))(-2)
    (2, -2.0)
    """
    match functions:
        case ():
            return lambda x: ()
        case (f,):
            return lambda x: (f(x),)
        case (f, g):
            return lambda x: (f(x), g(x))
        case (f, g, h):
            return lambda x: (f(x), g(x), h(x))
        case _:
            return lambda x: tuple([f(x) for f in functions])


def zipped(functions: tuple[Callable[[A], B], ...]) -> Callable[[tuple[A, ...]], tuple[B, ...]]:
    """Return ``(a, b, ...) -> (f(a), g(b), ...)`` for tuples of exactly that length.

    >>> zipped((int, str.lower))(("7", "EU"))
    (7, 'eu')
    """
    match functions:
        case ():
            return lambda x: ()
        case (f,):
            return lambda x: (f(x[0]),)
        case (f, g):
            return lambda x: (f(x[0]), g(x[1]))
        case (f, g, h):
            return lambda x: (f(x[0]), g(x[1]), h(x[2]))
        case _:
            return lambda x: tuple([f(y) for f, y in zip(functions, x, strict=True)])


@cache
def partition_parser(kinds: tuple[Kind, ...]) -> Callable[[tuple[str, ...]], Partition]:
    """Return a function from the texts of a partition to its values; it raises BadValue."""
    return zipped(tuple(map(parser, kinds)))


@cache
def partition_renderer(kinds: tuple[Kind, ...]) -> Callable[[Partition], tuple[str, ...]]:
    """Return a function from the values of a partition to its texts."""
    return zipped(tuple(map(renderer, kinds)))


@cache
def joined_renderer(kinds: tuple[Kind, ...]) -> Callable[[Partition], str]:
    """Return a function from the values of a partition to its texts, joined by ``/``.

    >>> joined_renderer((Kind("STRING"), Kind("LONG", digits=2)))(("EU", 7))
    'EU/07'
    """
    match tuple(map(renderer, kinds)):
        case ():
            return lambda p: ""
        case (f,):
            return lambda p: f(p[0])
        case (f, g):
            return lambda p: f"{f(p[0])}/{g(p[1])}"
        case (f, g, h):
            return lambda p: f"{f(p[0])}/{g(p[1])}/{h(p[2])}"
        case functions:
            return lambda p: joined(tuple([f(y) for f, y in zip(functions, p, strict=True)]))


def identity(partition: Partition) -> Partition:
    """Return the argument: a key that is the partition itself."""
    return partition


@cache
def picker(positions: tuple[int, ...], size: int) -> Callable[[Partition], Partition]:
    """Return a function that takes the values at ``positions`` of a tuple of ``size`` values.

    >>> picker((1,), 2)(("EU", 7))
    (7,)
    """
    if positions == tuple(range(size)):
        return identity
    if len(positions) > 1:
        return itemgetter(*positions)
    return (lambda p: (p[positions[0]],)) if positions else (lambda p: ())


def joined(texts: tuple[str, ...]) -> str:
    """Return the text of a whole partition: its coordinates' texts joined by ``/``.

    >>> joined(("EWR", "2013-01-01"))
    'EWR/2013-01-01'
    """
    return "/".join(texts)
