"""Paths of partitions -> the objects that are there, and the safe replacement of one partition's data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rheo_runtime.records import Document

COMPLETION = "_SUCCESS"


def split(path: str) -> tuple[str, str]:
    """Return bucket and key of an s3 path.

    >>> split("s3://bucket/a/b/")
    ('bucket', 'a/b')
    """
    bucket, _, key = path.removeprefix("s3://").partition("/")
    return bucket, key.rstrip("/")


def keys(s3: Any, path: str) -> Iterator[str]:
    """Yield the keys of all objects in a folder."""
    bucket, key = split(path)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/"):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def is_data(key: str) -> bool:
    """Say whether an object is data: no folder, no mark such as ``_SUCCESS``."""
    return not key.endswith("/") and not key.rpartition("/")[2].startswith(("_", "."))


def existing(s3: Any, paths: Sequence[str], completion: Iterable[str]) -> dict[str, list[str]]:
    """Return the partitions that exist, each with the keys of its data.

    As in a Spark script: the first is the tip, which was announced; the others need their completion object.
    """
    wanted = set(completion)
    found: dict[str, list[str]] = {}
    for number, path in enumerate(paths):
        there = list(keys(s3, path))
        data = [key for key in there if is_data(key)]
        complete = not number or not wanted or wanted & {key.rpartition("/")[2] for key in there}
        if data and complete:
            found[path] = data
    return found


def inputs(
    s3: Any, document: Document, completion: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, list[str]]]:
    """Return, for each alias of ``completion``, its partitions that exist, with their keys.

    Raises FileNotFoundError when an input has none.
    """
    paths = {entry["alias"]: entry["paths"] for entry in document["inputs"]}
    found = {alias: existing(s3, paths[alias], names) for alias, names in completion.items()}
    for alias, partitions in found.items():
        if not partitions:
            raise FileNotFoundError(f"no partition of {alias!r} exists; looked for {', '.join(paths[alias])}")
    return found


def staging(document: Document, name: str) -> str:
    """Return a folder for what is to become the output: beside it, never announced."""
    bucket, _ = split(document["output"]["path"])
    return f"s3://{bucket}/staging/{name}"


def replace(s3: Any, output: str, moved: Mapping[str, str]) -> None:
    """Make the output partition hold what ``moved`` says, key of an object in its bucket -> name in the folder.

    The completion object goes first, so a reader never takes a half-written partition for a whole one.
    """
    bucket, folder = split(output)
    old = sorted(keys(s3, output), key=lambda key: key.rpartition("/")[2] != COMPLETION)
    for key in old:
        s3.delete_object(Bucket=bucket, Key=key)
    for key, name in sorted(moved.items()):
        s3.copy({"Bucket": bucket, "Key": key}, bucket, f"{folder}/{name}")
    for key in moved:
        s3.delete_object(Bucket=bucket, Key=key)


def move(s3: Any, staged: str, output: str) -> int:
    """Replace the output partition by the data of a folder in the same bucket; return how many objects it has."""
    _, folder = split(staged)
    data = {key: key.removeprefix(f"{folder}/") for key in keys(s3, staged) if is_data(key)}
    replace(s3, output, data)
    return len(data)
