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


class UnreachableError(RheoError, ConnectionError):
    """AWS, or the local stack, does not answer."""

    code = "RD535"


class AwsError(RheoError, RuntimeError):
    """AWS answers, and refuses."""

    code = "RD536"


class NameTakenError(StateError):
    """Another application has the names that this one's resources would have."""

    code = "RD534"

    @classmethod
    def of(cls, app: str, other: str, name: str) -> NameTakenError:
        """Say whose a name is."""
        return cls(
            f"{name} belongs to the application {other}, not to {app}",
            hint="names of resources have small letters, digits and '-' alone: choose a name that differs in these",
        )


class InactiveError(StateError):
    """An operation on an application that is not active."""


class ProtectedError(RheoError, PermissionError):
    """The application is one that only a named role may change, or whose name must be typed to delete it."""

    code = "RD537"
