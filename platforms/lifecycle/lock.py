"""One at a time: a lock object in the application's bucket, written on conditions."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from platforms.lifecycle.errors import LockedError

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
