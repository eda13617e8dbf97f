"""A code of an error -> its section of docs/errors.md, which is shipped beside this module."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from rheodsl.errors import UnknownNameError, did_you_mean


@lru_cache(maxsize=1)
def sections() -> dict[str, str]:
    """Return the sections of the page by their codes.

    >>> sections()["RD104"].splitlines()[0]
    'RD104: a link between values that can never be equal'
    """
    text = (files("rheodsl") / "errors.md").read_text("utf-8")
    return {part[:5]: part.strip() for part in re.split(r"^## (?=RD)", text, flags=re.MULTILINE)[1:]}


def section(code: str) -> str:
    """Return the section of a code: cause, example, repair. Raises UnknownNameError."""
    if code.upper() not in sections():
        hint = did_you_mean(code.upper(), sections(), f"there are {', '.join(sections())}")
        raise UnknownNameError(f"there is no error {code}", hint=hint)
    return sections()[code.upper()]
