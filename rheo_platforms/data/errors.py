"""Errors of reading data."""

from __future__ import annotations

from collections.abc import Mapping

import rheo_formats
from rheodsl.errors import RheoError


class MissingDataError(RheoError, LookupError):
    """A partition that does not exist."""

    code = "RD541"


class ReadingError(RheoError, RuntimeError):
    """Data that cannot be read: nothing is installed for it, or it is not what it is said to be."""

    code = "RD542"


class told:
    """A block in which data that is not what it is declared to be is a ReadingError.

    ``names`` are what files are called that the block reads under other names.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = {} if names is None else names

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, rheo_formats.FormatError):
            what = fault.what
            for name, called in self._names.items():
                what = what.replace(name, called)
            raise ReadingError(what, hint=fault.hint or None) from None
