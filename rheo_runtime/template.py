"""S3 key -> the folder templates that it matches, and the texts that they capture: an index, not a scan.

Templates are grouped by shape: how many segments, and which of them are literal. An event costs one
look-up for each shape of its bucket and depth, however many templates there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Segments = list[str]
Capture = Callable[[Segments], tuple[str, ...] | None]
_NONE: dict[int, Any] = {}


class _Template(Generic[T]):
    """One template, and ``more`` of the same literal segments (``day={}`` beside ``{}``)."""

    __slots__ = ("capture", "more", "target")

    def __init__(self, capture: Capture, target: T, more: _Template[T] | None) -> None:
        self.capture = capture
        self.target = target
        self.more = more


class _Shape(Generic[T]):
    """All templates of one bucket and depth whose literal segments stand at the same ``positions``."""

    __slots__ = ("literals", "positions", "templates")

    def __init__(self, positions: tuple[int, ...]) -> None:
        self.positions = positions
        self.literals = _at(positions)
        self.templates: dict[tuple[str, ...], _Template[T]] = {}


class TemplateIndex(Generic[T]):
    """Folder templates and what is registered for each.

    >>> index = TemplateIndex()
    >>> index.add("nyc", "flights/origin={}/{}", "flights")
    >>> index.find("nyc", "flights/origin=EWR/2013-01-01/_SUCCESS".split("/"))
    [('flights', ('EWR', '2013-01-01'))]
    """

    def __init__(self) -> None:
        self._shapes: dict[str, dict[int, list[_Shape[T]]]] = {}

    def __contains__(self, bucket: str) -> bool:
        return bucket in self._shapes

    def add(self, bucket: str, template: str, target: T) -> None:
        """Register ``target`` for the objects directly in folders like ``template``."""
        segments = template.strip("/").split("/") if template.strip("/") else []
        positions = tuple(i for i, s in enumerate(segments) if "{}" not in s)
        shapes = self._shapes.setdefault(bucket, {}).setdefault(len(segments) + 1, [])
        shape = next((s for s in shapes if s.positions == positions), None)
        if shape is None:
            shape = _Shape(positions)
            shapes.append(shape)
        literals = tuple(segments[i] for i in positions)
        shape.templates[literals] = _Template(_capture(segments), target, shape.templates.get(literals))

    def find(self, bucket: str, segments: Segments) -> list[tuple[T, tuple[str, ...]]]:
        """Return each target whose template the key matches, with the texts in its ``{}``.

        ``segments`` is the key split at ``/``; its last entry is the object's own name.
        """
        found = []
        for shape in self._shapes.get(bucket, _NONE).get(len(segments), ()):
            template = shape.templates.get(shape.literals(segments))
            while template is not None:
                texts = template.capture(segments)
                if texts is not None:
                    found.append((template.target, texts))
                template = template.more
        return found


@cache
def _at(positions: tuple[int, ...]) -> Callable[[Segments], tuple[str, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return (lambda s: (s[positions[0]],)) if positions else (lambda s: ())


def _capture(segments: Segments) -> Capture:
    """Whole-segment captures are taken by position; ``region={}`` and the like are matched first."""
    if all(s == "{}" or "{}" not in s for s in segments):
        return _at(tuple(i for i, s in enumerate(segments) if s == "{}"))
    patterns = [
        (i, re.compile("(.*?)".join(map(re.escape, s.split("{}"))), re.DOTALL).fullmatch)
        for i, s in enumerate(segments)
        if "{}" in s
    ]

    def capture(actual: Segments) -> tuple[str, ...] | None:
        texts: list[str] = []
        for i, fullmatch in patterns:
            found = fullmatch(actual[i])
            if found is None:
                return None
            texts += found.groups()
        return tuple(texts)

    return capture
