"""Credentials, a region, an account, an MWAA environment -> a session that was checked."""

from __future__ import annotations

import getpass
import hashlib
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, TokenRetrievalError

from rheo_platforms.lifecycle.errors import AccountError
from rheo_platforms.sessions import Session
from rheo_runtime.wire import resource_name

_LONGEST_BUCKET = 63
# An environment that is being updated runs its DAGs all the same.
_USABLE = frozenset({"AVAILABLE", "UPDATING", "CREATING_SNAPSHOT", "PENDING", "UPDATE_FAILED"})


@dataclass(frozen=True, slots=True)
class Environment:
    """An MWAA environment: where its DAG files are, and as which role it works.

    ``dags`` is the folder of the DAGs, ``dags/``.
    """

    name: str
    bucket: str
    dags: str
    role: str
    version: str


@dataclass(frozen=True)
class Credentials:
    """How one signs in; what is left out follows boto3's own rules (variables, profile, role)."""

    profile: str | None = None
    access_id: str | None = None
    access_key: str | None = None
    session_token: str | None = None

    def session(self, region: str) -> Session:
        """Return a session."""
        return Session(
            profile_name=self.profile,
            aws_access_key_id=self.access_id,
            aws_secret_access_key=self.access_key,
            aws_session_token=self.session_token,
            region_name=region,
        )


class Account:
    """An account in a region. It is asked for nothing before it is needed.

    Parameters
    ----------
    session
        Makes clients.
    region
        Such as ``us-east-1``.
    account_id
        The account that is meant; that of the credentials when left out.
    mwaa_environment
        The environment that is meant; the only one in the region when left out.
    """

    def __init__(
        self, session: Any, region: str, account_id: str | None = None, mwaa_environment: str | None = None
    ) -> None:
        self.session = session
        self.region = region
        self.wanted = account_id
        self.mwaa_environment = mwaa_environment

    @cached_property
    def _caller(self) -> dict[str, str]:
        try:
            found: dict[str, str] = self.session.client("sts").get_caller_identity()
        except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError) as fault:
            raise AccountError(
                f"there are no credentials for AWS: {fault}",
                hint="sign in (aws sso login), or give profile=... or access_id=... and access_key=...",
            ) from None
        except ClientError as fault:
            raise AccountError(
                f"AWS does not accept the credentials: {fault}", hint="sign in again"
            ) from None
        if self.wanted is not None and found["Account"] != self.wanted:
            raise AccountError(
                f"the credentials are of account {found['Account']}, not of {self.wanted}",
                hint="give a profile of that account: profile=...",
            )
        return found

    @property
    def id(self) -> str:
        """The account's number. Raises AccountError when it is not the one that is meant."""
        return self._caller["Account"]

    @property
    def owner(self) -> str:
        """Who works here: for others, who wait for them."""
        return f"{self._caller['Arn']} ({_user()}@{socket.gethostname()})"

    @property
    def role(self) -> str:
        """The name of the role, or user, of the credentials."""
        kind, _, rest = self._caller["Arn"].rpartition(":")[2].partition("/")
        return rest.partition("/")[0] if kind == "assumed-role" else rest.rpartition("/")[2] or kind

    def principals(self) -> list[str]:
        """Return who works here as ``aws:PrincipalArn`` has it: a role by its own ARN, whose path is not known.

        >>> class Session:
        ...     def client(self, _): return self
        ...     def get_caller_identity(self):
        ...         return {"Account": "1", "Arn": "arn:aws:sts::1:assumed-role/Deployer/jane"}
        >>> Account(Session(), "eu-west-1").principals()
        ['arn:aws:iam::1:role/*/Deployer', 'arn:aws:iam::1:role/Deployer']
        """
        arn = self._caller["Arn"]
        head, _, rest = arn.partition(":assumed-role/")
        if not rest:
            return [arn]
        role, account = rest.partition("/")[0], f"{head.replace(':sts:', ':iam:')}:role"
        return [f"{account}/*/{role}", f"{account}/{role}"]

    def bucket(self, app: str) -> str:
        """Return the name of an application's bucket: names of buckets are one space for all of AWS."""
        return bucket_name(app, self.id, self.region)

    @cached_property
    def environment(self) -> Environment:
        """The MWAA environment. Raises AccountError when it cannot be told, or used."""
        _ = self.id
        mwaa = self.session.client("mwaa")
        name = self.mwaa_environment or self._only(mwaa)
        try:
            found = mwaa.get_environment(Name=name)["Environment"]
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise AccountError(
                f"account {self.id} has no MWAA environment {name!r} in {self.region}",
                hint=f"it has {', '.join(_names(mwaa)) or 'none'}",
            ) from None
        if found["Status"] not in _USABLE:
            raise AccountError(f"the MWAA environment {name} is {found['Status']}", hint="repair it first")
        return Environment(
            name=name,
            bucket=found["SourceBucketArn"].rpartition(":")[2],
            dags=found["DagS3Path"].strip("/") + "/",
            role=found["ExecutionRoleArn"].rpartition("/")[2],
            version=found["AirflowVersion"],
        )

    def _only(self, mwaa: Any) -> str:
        names = _names(mwaa)
        if len(names) == 1:
            return names[0]
        raise AccountError(
            f"account {self.id} has {len(names)} MWAA environments in {self.region}",
            hint=f"say which: mwaa_environment={names[0]!r}" if names else "create one: see docs/deploy.md",
        )


def bucket_name(app: str, account: str, region: str) -> str:
    """Return the name of an application's bucket, wherever it lives."""
    name = resource_name(app)
    full = f"{name}-{account}-{region}"
    if len(full) <= _LONGEST_BUCKET:
        return full
    digest = hashlib.sha256(f"{app}/{region}".encode()).hexdigest()[:8]
    room = _LONGEST_BUCKET - len(account) - len(digest) - 2
    return f"{name[:room].rstrip('-')}-{digest}-{account}"


def _names(mwaa: Any) -> list[str]:
    pages = mwaa.get_paginator("list_environments").paginate()
    return sorted(name for page in pages for name in page["Environments"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"
