"""What a person asked of a deployed application and cannot have -> an error that says why."""

from __future__ import annotations

from rheodsl.errors import RheoError


class AskedError(RheoError, ValueError):
    """Something was asked for that the application cannot do."""

    code = "RD521"


class InputsMissingError(RheoError, LookupError):
    """An execution was asked for whose inputs are not there."""

    code = "RD522"


class ExecutionError(RheoError, RuntimeError):
    """An execution that was asked for did not succeed."""

    code = "RD523"
