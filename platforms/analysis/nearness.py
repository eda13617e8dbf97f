"""Texts of a dimension -> the one closest to another."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from rheo_runtime.values import BadValue, Kind, parse


def closest(texts: Iterable[str], wanted: str, kind: Kind) -> str | None:
    """Return the text whose value is closest to the wanted one; the earlier one of two.

    Texts that are no values are passed over. Words are compared by their letters.

    >>> closest(["2020-01-01", "2020-01-05", "tmp"], "2020-01-04", Kind("DATETIME", "%Y-%m-%d", "DAY"))
    '2020-01-05'
    >>> closest(["EU", "NA"], "NAX", Kind("STRING"))
    'NA'
    """
    known = {text: value for text in sorted(texts) if (value := _value(text, kind)) is not None}
    if wanted in known or not known:
        return wanted if wanted in known else None
    target = parse(wanted, kind)
    if isinstance(target, int):
        numbers = {text: value for text, value in known.items() if isinstance(value, int)}
        return min(numbers, key=lambda text: abs(numbers[text] - target))
    return next(iter(difflib.get_close_matches(wanted, known, 1, cutoff=0.0)), next(iter(known)))


def _value(text: str, kind: Kind) -> str | int | None:
    try:
        return parse(text, kind)
    except BadValue:
        return None
