"""What an application's bucket knows of its activations: the state, by whom, since when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Record:
    """The state of an application, who brought it into it, and when.

    ``manifest`` is the text of the MANIFEST.json that is active, empty for none. While an activation is
    not finished, it is that of the last one that was.
    """

    state: ApplicationState = ApplicationState.INITIALIZED
    by: str = ""
    at: str = ""
    manifest: str = ""


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
    now
        The time.
    """

    def __init__(
        self, s3: Any, bucket: str, owner: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.owner = owner
        self.now = now

    def read(self) -> Record:
        """Return the record; that of a new application when there is none, or no bucket.

        Raises SpecError for the record of another version.
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
        return Record(**{**data, "state": ApplicationState(data["state"])})

    def write(self, state: ApplicationState, manifest: str) -> Record:
        """Replace the record, signed and dated."""
        record = Record(state, self.owner, self.now().isoformat(timespec="seconds"), manifest)
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
