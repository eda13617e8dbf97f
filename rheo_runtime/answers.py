"""A fault of AWS -> what it says: its code, whether something is not there, and which permission is missing.

403 is not "not there": whoever asks AWS asks here which of the two an answer is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSED = frozenset(
    {
        "403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthorizationError", "Forbidden",
        "UnauthorizedException", "UnauthorizedOperation",
    }
)  # fmt: skip
_ABSENT = frozenset(
    {
        "404", "EntityNotFoundException", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)  # fmt: skip
_SAID = re.compile(r"not authorized to perform: ([\w-]+:\w+)(?: on resource: \"?(\S+?)\"?(?=\s|$))?")


class Denied(PermissionError):
    """AWS does not let one ask; ``permission`` is what is missing."""

    def __init__(self, what: str, permission: str) -> None:
        super().__init__(f"{what} may not be looked for: {permission} is missing")
        self.what = what
        self.permission = permission


def code(fault: BaseException) -> str:
    """Return the code of an answer of AWS; empty for another fault."""
    answer = getattr(fault, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""


def is_absent(fault: BaseException) -> bool:
    """Say whether AWS answers that something is not there, which a refusal never is."""
    return code(fault) in _ABSENT


def is_refusal(fault: BaseException) -> bool:
    """Say whether AWS answers that one may not ask."""
    return code(fault) in _REFUSED


def permission(fault: BaseException, asked: str) -> str:
    """Return the permission that a refusal lacks: as AWS names it, else ``asked``, which HEAD never names.

    >>> class Refusal(Exception):
    ...     response = {"Error": {"Code": "AccessDenied"}}
    >>> said = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: glue:GetTable on resource: arn:aws:glue:r:1:catalog because no policy allows it"
    >>> permission(Refusal(said), "glue:*"), permission(Refusal("Forbidden"), "s3:GetObject on arn:aws:s3:::b/k")
    ('glue:GetTable on arn:aws:glue:r:1:catalog', 's3:GetObject on arn:aws:s3:::b/k')
    """
    said = _SAID.search(str(fault))
    if said is None:
        return asked
    return f"{said[1]} on {said[2]}" if said[2] else said[1]
