"""Releases of an application -> numbered in its bucket, each as it was brought out, for good.

The content of a release is a zip that is named after what it holds; its note, the last to be written, gives it
a number. A note is never changed. Releases of the same content share the zip.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from codegen.cloudformation.listener import zipped
from rheo_platforms.lifecycle.record import STATE
from rheo_platforms.lifecycle.release import Release
from rheo_platforms.lifecycle.stores import BucketStore
from rheodsl.errors import UnknownNameError

RELEASES = f"{STATE}releases/"
_FILES, _KEPT = "files/", "kept/"
_NOTE = ".json"


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a release.

    ``digest`` stands for its content and ``runtime`` for Rheo's own part of it; ``what`` says how it came
    about, ``plan`` what it changed, a line for each thing.
    """

    number: int
    digest: str
    runtime: str
    what: str
    by: str
    at: str
    commit: str = ""
    plan: tuple[str, ...] = ()

    def __str__(self) -> str:
        commit = f"  {self.commit[:12]}" if self.commit else ""
        return f"{self.number:>4}  {self.at}  {self.what}{commit}  {self.by}"


class History:
    """The releases of one application.

    Parameters
    ----------
    s3
        A client.
    bucket
        The application's bucket.
    app
        Its name.
    """

    def __init__(self, s3: Any, bucket: str, app: str) -> None:
        self.app = app
        self._store = BucketStore(s3, bucket, RELEASES)

    def notes(self) -> list[Note]:
        """Return what is known of each release, the first one first."""
        paths = sorted(path for path in self._store.paths() if path.endswith(_NOTE))
        texts = [self._store.read(path) for path in paths]
        return [_note(text) for text in texts if text is not None]

    def last(self) -> Note | None:
        """Return what is known of the release with the highest number."""
        paths = sorted(path for path in self._store.paths() if path.endswith(_NOTE))
        text = self._store.read(paths[-1]) if paths else None
        return None if text is None else _note(text)

    def keep(
        self,
        release: Release,
        stock: Mapping[str, bytes],
        *,
        active: int,
        what: str,
        by: str,
        plan: tuple[str, ...],
    ) -> Note:
        """Give a release its number; the one that it has, when it was begun and not finished.

        Parameters
        ----------
        stock
            What is kept of it beside its files.
        active
            The number of what was active last.
        what, by, plan
            As in `Note`.
        """
        digest, last = release.digest(stock), self.last()
        if last is not None and last.number != active and (last.digest, last.what) == (digest, what):
            return last
        self.put(release, stock)
        note = Note(
            number=1 if last is None else last.number + 1,
            digest=digest,
            runtime=release.runtime_id,
            what=what,
            by=by,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=commit(),
            plan=plan,
        )
        self._store.write({f"{note.number:06}{_NOTE}": json.dumps(asdict(note), indent=1, sort_keys=True)})
        return note

    def put(self, release: Release, stock: Mapping[str, bytes]) -> str:
        """Keep the content of a release, which has no number by that; return its digest."""
        digest = release.digest(stock)
        content = {f"{_FILES}{path}": text.encode() for path, text in release.files.items()}
        content |= {f"{_KEPT}{path}": data for path, data in stock.items()}
        if (zip_ := f"{digest}.zip") not in self._store.paths():
            self._store.write_bytes({zip_: zipped(content)})
        return digest

    def load(self, number: int) -> Release:
        """Return a release as it was. Raises UnknownNameError."""
        text = self._store.read(f"{number:06}{_NOTE}")
        if text is None:
            raise UnknownNameError(
                f"{self.app} has no release {number}", hint="see those that it has: rheo releases"
            )
        return self.content(_note(text).digest)

    def content(self, digest: str) -> Release:
        """Return the release of a content."""
        body = self._store.s3.get_object(Bucket=self._store.bucket, Key=f"{RELEASES}{digest}.zip")["Body"]
        with zipfile.ZipFile(io.BytesIO(body.read())) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        files = {n.removeprefix(_FILES): c.decode() for n, c in found.items() if n.startswith(_FILES)}
        kept = {n.removeprefix(_KEPT): c for n, c in found.items() if n.startswith(_KEPT)}
        return Release.again(files, kept)


def _note(text: str) -> Note:
    data = json.loads(text)
    return Note(**{**data, "plan": tuple(data["plan"])})


def commit() -> str:
    """Return the commit of the program, as the CI's variables or git have it; "" when neither knows.

    A ``+`` at its end says that files were changed since.
    """
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        if os.environ.get(name):
            return os.environ[name]
    said = _git("rev-parse", "HEAD")
    return said + "+" if said and _git("status", "--porcelain", "--untracked-files=no") else said


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=False)
    except OSError:  # there is no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
