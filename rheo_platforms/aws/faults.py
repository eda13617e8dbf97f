"""What boto3 raises -> an error of Rheo: no network, no credentials, no permission."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from rheo_platforms.lifecycle.errors import AccountError, AwsError, UnreachableError
from rheo_runtime.answers import is_refusal
from rheodsl.errors import RheoError

SIGN_IN = "sign in (aws sso login), or give profile=... or access_id=... and access_key=..."
_UNSIGNED = (
    NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError, TokenRetrievalError,
)  # fmt: skip
_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)


def as_error(fault: BotoCoreError | ClientError) -> RheoError:
    """Return what boto3 raised as an error with a next step.

    >>> as_error(NoCredentialsError()).what
    'there are no credentials for AWS: Unable to locate credentials'
    """
    if isinstance(fault, ClientError):
        return _answered(fault)
    if isinstance(fault, _UNSIGNED):
        return AccountError(f"there are no credentials for AWS: {fault}", hint=SIGN_IN)
    if isinstance(fault, NoRegionError):
        return AccountError("no region of AWS is named", hint="name it where the application is made")
    if isinstance(fault, ConnectionError | HTTPClientError):
        return UnreachableError(
            f"AWS cannot be reached: {fault}", hint="look at the network, the proxy and the region's name"
        )
    return AwsError(f"boto3 stops: {fault}", hint="look at what it names; nothing else was done")


def _answered(fault: ClientError) -> RheoError:
    code, said = fault.response["Error"].get("Code", ""), fault.response["Error"].get("Message", "")
    call = fault.operation_name
    if code in _EXPIRED:
        return AccountError(
            f"AWS does not accept the credentials ({call}): {said or code}", hint="sign in again"
        )
    if is_refusal(fault):
        return AwsError(
            f"AWS does not allow {call}: {said or code}", hint="docs/deploy.md lists the permissions"
        )
    return AwsError(
        f"AWS refuses {call}: {code}: {said}", hint="try again when it is repaired: it is safe to repeat"
    )
