"""Errors of reading data."""

from __future__ import annotations

from rheodsl.errors import RheoError


class MissingDataError(RheoError, LookupError):
    """A partition that does not exist."""

    code = "RD541"


class ReadingError(RheoError, RuntimeError):
    """Data that cannot be read: nothing is installed for it, or it is not what it is said to be."""

    code = "RD542"
