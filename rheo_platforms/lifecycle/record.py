"""What an application's bucket knows of its activations: the state, by whom, since when, and who holds the lock."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from rheo_platforms.lifecycle.errors import LockedError, NameTakenError
from rheodsl.errors import SpecError
from rheodsl.lifecycle import ApplicationState

VERSION = 1
# Beside the data and the active files, below which none of either lies.
STATE = "rheo-state/"
RECORD = f"{STATE}record.json"
LOCK = f"{STATE}lock.json"
DRAFT = f"{STATE}dev.json"
ZIPS = f"{STATE}listener/"
PARTS = f"{STATE}parts/"
TEMPLATE = f"{STATE}template.json"
PROMOTION = f"{STATE}promotion.json"


@dataclass(frozen=True, slots=True)
class Record:
    """The state of an application, who brought it into it, and when.

    ``manifest`` is the text of the MANIFEST.json that is active, empty for none. While an activation is
    not finished, it is that of the last one that was. ``app`` is the application's name as it is written:
    several names may have one bucket. It is empty in records of older versions. ``activated_by`` is the only
    role that may change what runs, "" for anybody. ``release`` is the number of the active release, 0 for none or one of
    an older version, ``digest`` its content, ``runtime`` the version of Rheo in Airflow that it needs.
    """

    state: ApplicationState = ApplicationState.INITIALIZED
    by: str = ""
    at: str = ""
    manifest: str = ""
    app: str = ""
    activated_by: str = ""
    release: int = 0
    digest: str = ""
    runtime: str = ""


class Records:
    """The record in a bucket.

    Parameters
    ----------
    s3
        A client.
    bucket
        The application's bucket.
    owner
        Who works on it.
    app
        The application's name.
    now
        The time.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        owner: str,
        app: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.app = app
        self.owner = owner
        self.now = now

    def read(self) -> Record:
        """Return the record; that of a new application when there is none, or no bucket.

        Raises SpecError for the record of another version, NameTakenError for that of another application.
        """
        text = self.text(RECORD)
        if text is None:
            return Record()
        data = json.loads(text)
        if data.pop("version") != VERSION:
            raise SpecError(
                f"s3://{self.bucket}/{RECORD} is of another version of Rheo",
                hint="use the version that activated the application",
            )
        record = Record(**{**data, "state": ApplicationState(data["state"])})
        if record.app not in ("", self.app):
            raise NameTakenError.of(self.app, record.app, f"s3://{self.bucket}")
        return record

    def write(self, record: Record) -> Record:
        """Replace the record, signed and dated."""
        at = self.now().isoformat(timespec="seconds")
        record = replace(record, by=self.owner, at=at, app=self.app)
        self.put(RECORD, json.dumps({"version": VERSION, **asdict(record)}, indent=1, sort_keys=True))
        return record

    def text(self, key: str) -> str | None:
        """Return the text of an object; None when it, or the bucket, is not there."""
        try:
            found: str = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        except (self.s3.exceptions.NoSuchKey, self.s3.exceptions.NoSuchBucket):
            return None
        return found

    def put(self, key: str, text: str) -> None:
        """Write an object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())


# Longer than a step of an activation: each step renews it. CloudFormation renews it while it waits.
SECONDS = 900.0
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@dataclass
class Lock:
    """The lock of an application.

    Parameters
    ----------
    s3
        A client.
    bucket, key
        Where the lock lies while somebody has it.
    owner
        Who asks for it, in words that tell others whom to ask.
    now
        The time, in seconds since 1970.

    A lock that was left behind is free after a quarter of an hour. Who has it already may take it again.
    """

    s3: Any
    bucket: str
    key: str
    owner: str
    now: Callable[[], float] = time.time
    _token: str = field(default_factory=lambda: str(uuid.uuid4()))
    _since: float = 0.0

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Hold the lock while ``what`` is done.

        Raises LockedError when somebody else has it.
        """
        self._take(what)
        try:
            yield
        finally:
            self.release()

    def renew(self) -> None:
        """Say that the work goes on. Raises LockedError when somebody took the lock over meanwhile."""
        found = self._read()
        if found is None or found[0]["token"] != self._token:
            raise LockedError(
                "the lock was lost: it had expired, and somebody else may have begun",
                hint="see what runs, and do it again",
            )
        body, etag = found
        self._write({**body, "until": self.now() + SECONDS}, IfMatch=etag)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not ours."""
        found = self._read()
        if found is not None and found[0]["token"] == self._token:
            self.s3.delete_object(Bucket=self.bucket, Key=self.key)

    def left(self) -> str:
        """Return what is done under the lock, by whomever; or what was not finished under one that was left behind."""
        found = self._read()
        return "" if found is None else str(found[0]["what"])

    def _take(self, what: str) -> None:
        now = self.now()
        wanted = {
            "token": self._token,
            "owner": self.owner,
            "what": what,
            "since": now,
            "until": now + SECONDS,
        }
        for _ in range(3):  # whoever else is faster twice is named by the last look
            if self._write(wanted, IfNoneMatch="*"):
                return
            found = self._read()
            if found is None:
                continue
            body, etag = found
            free = body["token"] == self._token or body["until"] < now
            if free and self._write(wanted, IfMatch=etag):
                return
            if not free:
                raise LockedError(
                    f"{body['owner']} is at it: {body['what']}, since {_spell(body['since'])}",
                    hint=f"wait until it is done; when nobody works on it any more, it is free at"
                    f" {_spell(body['until'])}, or at once without s3://{self.bucket}/{self.key}",
                )
        raise LockedError("others take the lock again and again", hint="try again")

    def _read(self) -> tuple[dict[str, Any], str] | None:
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self.key)
        except self.s3.exceptions.NoSuchKey:
            return None
        return json.loads(answer["Body"].read()), answer["ETag"]

    def _write(self, body: dict[str, Any], **condition: str) -> bool:
        text = json.dumps(body, sort_keys=True).encode()
        try:
            self.s3.put_object(Bucket=self.bucket, Key=self.key, Body=text, **condition)
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        return True


def _spell(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
