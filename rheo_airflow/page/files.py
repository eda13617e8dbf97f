"""Folders of the DAGs, or buckets -> the files of compiled applications: the page needs three of each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

STACK, GRAPH, ROUTES = "stack.json", "graph.json", "routes.json"
PREFIX = "rheo/"  # where a platform puts the files of the active compile in the application's bucket
BUCKETS = "AIRFLOW__RHEO__BUCKETS"


class Files(Protocol):
    """The files of one compiled application."""

    def read(self, name: str) -> str:
        """Return a file's text; raises OSError when it is not there."""

    def version(self) -> str:
        """Return a text that changes when the files do."""


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Beside the DAG files."""

    folder: Path

    def read(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def version(self) -> str:
        return str([(self.folder / name).stat().st_mtime_ns for name in (STACK, GRAPH, ROUTES)])


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """In the application's bucket, for a web server that has no DAG files."""

    bucket: str
    client: Any

    def read(self, name: str) -> str:
        try:
            text: str = self.client.get_object(Bucket=self.bucket, Key=PREFIX + name)["Body"].read().decode()
        except self.client.exceptions.ClientError as fault:
            raise OSError(f"s3://{self.bucket}/{PREFIX}{name}: {fault}") from fault
        return text

    def version(self) -> str:
        try:
            heads = [self.client.head_object(Bucket=self.bucket, Key=PREFIX + n) for n in (GRAPH, ROUTES)]
        except self.client.exceptions.ClientError as fault:
            raise OSError(f"s3://{self.bucket}/{PREFIX}: {fault}") from fault
        return str([head["ETag"] for head in heads])


def find_files(folder: Path, buckets: Iterable[str]) -> Iterator[tuple[str, Files]]:
    """Yield each application's name and files; what cannot be read is left out.

    Parameters
    ----------
    folder
        Airflow's DAGs folder; the applications' folders may be anywhere below.
    buckets
        Names of buckets of further applications.
    """
    found: list[Files] = []
    seen: set[str] = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
        if (real := os.path.realpath(path)) in seen:
            folders.clear()  # links that lead in a circle
            continue
        seen.add(real)
        if {STACK, GRAPH, ROUTES} <= set(names):
            folders.clear()  # nothing but the parts of this one is below
            found.append(FolderFiles(Path(path)))
    if buckets := [bucket.strip() for bucket in buckets if bucket.strip()]:
        import boto3

        client = boto3.client("s3")
        found += [BucketFiles(bucket, client) for bucket in buckets]
    for files in found:
        try:
            name = json.loads(files.read(STACK))["app"]
        except (OSError, ValueError, KeyError):
            continue
        yield name, files
