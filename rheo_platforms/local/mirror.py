"""S3 prefixes -> files of one run -> the changes that the run made, back in S3."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

COMPLETION = "_SUCCESS"
_SCHEMES = ("s3://", "s3a://")
_PATTERN_SIGNS = "*?[{"
_THREADS = 8  # calls of S3 at a time


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A bucket and a key or prefix without slashes at its ends."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read an S3 address; what follows a pattern sign is left out, up to the folder before it.

        >>> Location.parse("s3://nyc/flights/EWR/")
        Location(bucket='nyc', key='flights/EWR')
        >>> Location.parse("s3a://nyc/flights/EWR/2013-*/part")
        Location(bucket='nyc', key='flights/EWR')
        """
        bucket, _, key = uri.split("://", 1)[1].partition("/")
        signs = [key.index(sign) for sign in _PATTERN_SIGNS if sign in key]
        if signs:
            key = key[: min(signs)].rpartition("/")[0]
        return cls(bucket, key.strip("/"))

    def holds(self, other: Location) -> bool:
        """Say whether ``other`` is this place or below it."""
        return self.bucket == other.bucket and (
            self.key in ("", other.key) or other.key.startswith(f"{self.key}/")
        )

    def above(self) -> Iterator[Location]:
        """This place and all that hold it.

        >>> [place.key for place in Location("nyc", "flights/EWR").above()]
        ['', 'flights', 'flights/EWR']
        """
        for parts in accumulate(["", *self.key.split("/")], "{}/{}".format):
            yield Location(self.bucket, parts.strip("/"))


class MirrorError(Exception):
    """Objects that files cannot stand for."""


def addresses(arguments: Mapping[str, str]) -> tuple[Location, ...]:
    """Return every S3 place that a job's arguments name, also inside JSON; nested places only once.

    >>> addresses({"--execution": '{"output": {"path": "s3://a/out/x"}, "n": 1}', "--all": "s3://a/out"})
    (Location(bucket='a', key='out'),)
    >>> addresses({"--extra-py-files": "s3://a/lib/b.zip,s3://a/lib/c.py"})
    (Location(bucket='a', key='lib/b.zip'), Location(bucket='a', key='lib/c.py'))
    """
    found = {Location.parse(uri) for value in arguments.values() for uri in _uris(value)}
    return tuple(
        place
        for place in sorted(found)
        if not any(other in found for other in place.above() if other != place)
    )


def _uris(text: str) -> Iterator[str]:
    if text.startswith(_SCHEMES):
        for part in text.split(","):
            # A comma may belong to a key; only a new address starts a new part.
            if part.startswith(_SCHEMES):
                yield part
    elif text.startswith(("{", "[")):
        try:
            yield from _strings(json.loads(text))
        except ValueError:
            return


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(_SCHEMES):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


class Mirror:
    """The files of one run: ``s3://bucket/key`` is ``root/bucket/key``."""

    def __init__(self, s3: S3Client, root: Path) -> None:
        self.s3 = s3
        self.root = root
        self._fetched: dict[Location, tuple[int, int]] = {}

    def fetch(self, places: Iterable[Location]) -> tuple[str, ...]:
        """Copy all objects at or below ``places``; return the account's buckets, each with a folder.

        Raises
        ------
        MirrorError
            When an object's key cannot be a file's path.
        """
        buckets = tuple(sorted(bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]))
        for bucket in buckets:
            (self.root / bucket).mkdir(parents=True, exist_ok=True)
        known = sorted(place for place in set(places) if place.bucket in buckets)
        for bucket, group in groupby(known, lambda place: place.bucket):
            _each(self._download, self._objects(bucket, list(group)))
        return buckets

    def _objects(self, bucket: str, places: list[Location]) -> Iterator[Location]:
        """The objects at or below places, in their order: a list that is past a place goes on at the next one."""
        wanted, last = set(places), ""
        while places:
            # Before the place itself: a list begins after what it is told.
            page = self.s3.list_objects_v2(Bucket=bucket, StartAfter=max(last, places[0].key[:-1]))
            for entry in page.get("Contents", []):
                last = entry["Key"]
                # A key that ends with "/" stands for a folder.
                if not last.endswith("/") and any(p in wanted for p in Location(bucket, last).above()):
                    yield Location(bucket, last)
            if not page["IsTruncated"]:
                return
            # What follows "a/b/" in order is "a/b0".
            places = [place for place in places if not place.key or f"{place.key}0" > last]

    def _download(self, place: Location) -> None:
        parts = place.key.split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise MirrorError(f"s3://{place.bucket}/{place.key} cannot be a file's path")
        path = self.root / place.bucket / place.key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(self.s3.get_object(Bucket=place.bucket, Key=place.key)["Body"], file)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise MirrorError(f"s3://{place.bucket}/{place.key} is both an object and a prefix") from error
        self._fetched[place] = _stamp(path)

    def push(self) -> tuple[int, int]:
        """Bring S3 to the state of the files; return how many objects were written and deleted.

        As with Spark on S3, old objects go before new ones come, and a completion object is the
        first to go and the last to come.
        """
        now = {place: _stamp(self._path(place)) for place in self._files()}
        gone = sorted(self._fetched.keys() - now.keys(), key=lambda place: (not _completes(place), place))
        changed = [place for place, stamp in now.items() if self._fetched.get(place) != stamp]
        changed.sort(key=lambda place: (_completes(place), place))
        for place in gone:
            self.s3.delete_object(Bucket=place.bucket, Key=place.key)
        for _, some in groupby(changed, _completes):
            _each(self._upload, some)
        self._fetched = now
        return len(changed), len(gone)

    def _upload(self, place: Location) -> None:
        with self._path(place).open("rb") as file:
            self.s3.put_object(Bucket=place.bucket, Key=place.key, Body=file)

    def _files(self) -> Iterator[Location]:
        for path in self.root.rglob("*"):
            inside = PurePosixPath(path.relative_to(self.root).as_posix())
            if path.is_file() and not _is_scratch(inside):
                yield Location(inside.parts[0], "/".join(inside.parts[1:]))

    def _path(self, place: Location) -> Path:
        return self.root / place.bucket / place.key


def _each(work: Callable[[Location], None], places: Iterable[Location]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(work, places):
            pass


def _completes(place: Location) -> bool:
    return place.key.rpartition("/")[2] == COMPLETION


def _is_scratch(path: PurePosixPath) -> bool:
    """Hadoop's checksum files, and what an attempt that lost its race leaves behind."""
    return (path.name.startswith(".") and path.name.endswith(".crc")) or "_temporary" in path.parts


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
