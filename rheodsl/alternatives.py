"""``a | b``, ``(a & b) | c`` -> the alternatives of a node's inputs: each starts it by its own arrivals.

What an alternative does not name is read where it exists: see `resolve`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from rheodsl.errors import SpecError, TruthError

HINT = "a | b and a & b stand in inputs=[...] alone: window, link and check the views that they are made of"


class Combinable:
    """What ``|`` and ``&`` combine to alternatives: views, and alternatives themselves."""

    __slots__ = ()

    def _options(self) -> tuple[tuple[Any, ...], ...]:
        return ((self,),)

    def __or__(self, other: Combinable) -> Alternatives:
        return Alternatives((*self._options(), *_checked(self, "|", other)._options()))

    def __ror__(self, other: Combinable) -> Alternatives:
        return Alternatives((*_checked(self, "|", other)._options(), *self._options()))

    def __and__(self, other: Combinable) -> Alternatives:
        right = _checked(self, "&", other)._options()
        return Alternatives(tuple((*a, *b) for a in self._options() for b in right))

    def __rand__(self, other: Combinable) -> Alternatives:
        left = _checked(self, "&", other)._options()
        return Alternatives(tuple((*a, *b) for a in left for b in self._options()))

    def __bool__(self) -> NoReturn:
        raise TruthError(
            f"{self!r} has no truth value",
            hint="write a & b, or a | b, in place of and, or; or a list: [a, b]",
        )


def _checked(one: Combinable, operator: str, other: object) -> Combinable:
    if not isinstance(other, Combinable):
        raise SpecError(
            f"{one!r} {operator} {other!r}: {other!r} is no input",
            hint="alternatives are made of signals and views of them: (orders & ships[1]) | total",
        )
    return other


class Alternatives(Combinable):
    """Several ways to start a node: ``options`` are the views of each.

    >>> from rheodsl import Application
    >>> app = Application("shop")
    >>> a, b, c = (app.s3(name, f"s3://lake/{name}") for name in "abc")
    >>> (a & b) | c
    (a & b) | c
    """

    __slots__ = ("options",)

    def __init__(self, options: tuple[tuple[Any, ...], ...]) -> None:
        self.options = options

    def _options(self) -> tuple[tuple[Any, ...], ...]:
        return self.options

    def __repr__(self) -> str:
        several = len(self.options) > 1
        texts = [" & ".join(map(repr, option)) for option in self.options]
        return " | ".join(
            f"({text})" if several and len(option) > 1 else text
            for text, option in zip(texts, self.options, strict=True)
        )

    def _refuse(self, what: str) -> NoReturn:
        raise SpecError(f"{self!r} {what}: alternatives are inputs, and nothing else", hint=HINT)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse(f"has no {name!r}")

    def __getitem__(self, index: object) -> NoReturn:
        self._refuse("takes no index")

    def __iter__(self) -> NoReturn:
        self._refuse("cannot be iterated")
