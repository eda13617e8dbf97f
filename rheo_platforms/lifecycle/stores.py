"""Files by their paths, in a folder or below a prefix of a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from codegen import compiler
from rheo_runtime.storage import delete

THREADS = 8


class Store(Protocol):
    """A place for files; each is written whole, or not at all."""

    def paths(self) -> set[str]:
        """Return the path of each file."""

    def digests(self) -> dict[str, str]:
        """Return an MD5 of each file; another text where the place does not know it."""

    def read(self, path: str) -> str | None:
        """Return the text of a file; None when there is none."""

    def write(self, files: Mapping[str, str]) -> None:
        """Write files; others stay."""

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; those that are not there are not missed."""


@dataclass(frozen=True)
class BucketStore:
    """The objects below a prefix, ``some/where/``, of a bucket."""

    s3: Any
    bucket: str
    prefix: str

    def paths(self) -> set[str]:
        """Return the path of each object, below the prefix."""
        return set(self.digests())

    def digests(self) -> dict[str, str]:
        """Return the ETag of each object: its MD5, but where it is encrypted by a key of one's own."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        objects = (found for page in pages for found in page.get("Contents", ()))
        return {found["Key"][len(self.prefix) :]: found["ETag"].strip('"') for found in objects}

    def folders(self, within: str = "") -> set[str]:
        """Return the names of the folders in a folder, ``some/where/``, without a look at what is in them."""
        below = f"{self.prefix}{within}"
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=below, Delimiter="/"
        )
        found = (each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ()))
        return {prefix[len(below) :].rstrip("/") for prefix in found}

    def read(self, path: str) -> str | None:
        """Return the text of an object; None when there is none."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + path)["Body"]
        except self.s3.exceptions.NoSuchKey:
            return None
        text: str = body.read().decode()
        return text

    def write(self, files: Mapping[str, str]) -> None:
        """Write objects, several at once; raises what S3 says to any of them."""
        self.write_bytes({path: text.encode() for path, text in files.items()})

    def write_bytes(self, files: Mapping[str, bytes]) -> None:
        """Write objects that are no text."""

        def put(path: str) -> None:
            self.s3.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=files[path])

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(put, sorted(files)))

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects; raises what S3 says to any of them."""
        delete(self.s3, self.bucket, [self.prefix + path for path in sorted(paths)])


@dataclass(frozen=True)
class FolderStore:
    """The files of a folder of this machine."""

    folder: Path

    def paths(self) -> set[str]:
        """Return the path of each file."""
        files = (f for f in self.folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
        return {file.relative_to(self.folder).as_posix() for file in files}

    def digests(self) -> dict[str, str]:
        """Return the MD5 of each file."""
        return {path: hashlib.md5((self.folder / path).read_bytes()).hexdigest() for path in self.paths()}

    def read(self, path: str) -> str | None:
        """Return the text of a file; None when there is none."""
        file = self.folder / path
        return file.read_text("utf-8") if file.is_file() else None

    def write(self, files: Mapping[str, str]) -> None:
        """Write files."""
        for path, text in files.items():
            compiler.put(self.folder / path, text)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, and folders that become empty."""
        for path in paths:
            file = self.folder / path
            file.unlink(missing_ok=True)
            for parent in file.parents:
                if parent == self.folder or not parent.is_dir() or any(parent.iterdir()):
                    break
                parent.rmdir()
