"""What can go wrong when an application is activated, changed or ended."""

from __future__ import annotations

from rheodsl.errors import RheoError, StateError


class LockedError(RheoError, RuntimeError):
    """Somebody else is activating, pausing or ending the same application."""

    code = "RD531"


class DeployError(RheoError, RuntimeError):
    """AWS refused a part of an activation."""

    code = "RD532"


class AccountError(RheoError, ValueError):
    """The credentials, the account or the MWAA environment are not those that are meant."""

    code = "RD533"


class InactiveError(StateError):
    """An operation on an application that is not active."""
