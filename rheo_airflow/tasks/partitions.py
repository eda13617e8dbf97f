"""Paths of partitions -> the objects that are there, and the safe replacement of one partition's data."""

from __future__ import annotations

import dataclasses
import os
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rheo_formats import addressed, complete, hidden, is_data, markers
from rheo_runtime.records import Document, execution_place
from rheo_runtime.storage import delete
from rheo_runtime.templates import ITSELF
from rheo_runtime.values import datetime_kind, parse, render
from rheo_runtime.wire import S3Address

COMPLETION = "_SUCCESS"
# Beside what a job has staged: the results of the node's checks.
CHECKS = "_checks.json"
# Objects of a folder, by key, with their bytes.
Objects = Mapping[str, int]
# Bytes up to which a copy is one call; boto3's own threshold for a copy in parts.
AT_ONCE = 8 * 1024 * 1024
COPIES = 8  # of one partition at a time
LONGEST = 1000  # objects of one list (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html: MaxKeys)
OBJECTS = 20  # that a folder is thought to have, of those that are listed together


def split(path: str) -> tuple[str, str]:
    """Return bucket and key of an s3 path.

    >>> split("s3://bucket/a/b/")
    ('bucket', 'a/b')
    """
    bucket, key = S3Address.of(path)
    return bucket, key.rstrip("/")


def keys(s3: Any, path: str) -> Iterator[str]:
    """Yield the keys of all objects in a folder."""
    return (key for key, _ in _objects(s3, path))


def _objects(s3: Any, path: str) -> Iterator[tuple[str, int]]:
    """The key and the size of each object in a folder."""
    bucket, key = split(path)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/"):
        yield from ((entry["Key"], entry["Size"]) for entry in page.get("Contents", ()))


def dimensions(path: str, how: Mapping[str, Any]) -> list[str]:
    """Return the text of each dimension of a partition, by its path; ``how`` is as `rheo_formats.addressed` takes it.

    >>> how = {"pattern": "in/(..)-(..)-(....)", "texts": [[1, ".", 2, ".", 3]], "spelled": {"day": ["%d.%m.%Y", "%Y-%m-%d"]}}
    >>> dimensions("s3://lake/in/31-12-2024", {**how, "path": "in/{0:%d-%m-%Y}", "dimensions": [["day", "DATETIME"]]})
    ['2024-12-31']
    """
    pattern, made_of = addressed(how)
    found = re.match(pattern, path, re.DOTALL)
    if found is None:
        raise ValueError(f"{path} is not where {how['path']} leads to")
    texts = []
    for _, _, pieces, formats in made_of:
        text = "".join(found[piece] if isinstance(piece, int) else piece for piece in pieces)
        if formats:
            kind = datetime_kind(formats[0])
            text = render(parse(text, kind), dataclasses.replace(kind, format=formats[1]))
        texts.append(text)
    return texts


def listed(s3: Any, paths: Iterable[str]) -> dict[str, Objects]:
    """Return what lies in each of some folders of one bucket; folders beside one another are read in one list.

    A list that has come to its end goes on at the next folder, so it is never more than one for each folder and page.
    """
    wanted = {f"{key}/": path for bucket, key, path in ((*split(path), path) for path in paths)}
    found: dict[str, dict[str, int]] = {path: {} for path in wanted.values()}
    folders = sorted(wanted)
    if not folders:
        return {}
    bucket, _ = split(wanted[folders[0]])
    prefix = os.path.commonprefix(folders)  # noqa: RUF071 - keys are texts
    prefix = prefix[: prefix.rfind("/") + 1]
    # What follows the last folder is read for nothing: the first list of several folders is no longer than they likely are.
    most = LONGEST if len(folders) == 1 else min(LONGEST, OBJECTS * len(folders))
    where: dict[str, str] = {"StartAfter": folders[0]}
    while where:
        page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **where)
        last, most = "", LONGEST
        for entry in page.get("Contents", ()):
            last = entry["Key"]
            folder = folders[bisect_right(folders, last) - 1]
            if last.startswith(folder):
                found[wanted[folder]][last] = entry["Size"]
        following, where = bisect_right(folders, last), {}
        if page["IsTruncated"] and (not last or last.startswith(folders[following - 1])):
            where = {"ContinuationToken": page["NextContinuationToken"]}  # its folder may have more
        elif page["IsTruncated"] and following < len(folders):
            where = {"StartAfter": folders[following]}
    return dict(found)


def existing(
    s3: Any, paths: Sequence[str], completion: Iterable[str], format: str = ""
) -> dict[str, list[str]]:
    """Return the partitions that exist, each with the keys of its data; one that was announced empty has none.

    As in a Spark script: the first is the tip, which was announced or asked for; the others need their completion
    object. ``format`` is that of the data.
    """
    wanted = tuple(completion)
    marks = markers(wanted, format)
    found: dict[str, list[str]] = {}
    for number, path in enumerate(paths):
        if ITSELF in wanted:
            bucket, key = S3Address.of(path)
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
            if any(entry["Key"] == key for entry in listed):
                found[path] = [key]
            continue
        _, folder = split(path)
        there = {key.removeprefix(f"{folder}/"): size for key, size in _objects(s3, path)}
        data = [f"{folder}/{inside}" for inside, size in there.items() if is_data(inside, size, marks)]
        marked = complete((inside for inside in there if "/" not in inside), wanted)
        if (data or marked) if not number or not wanted else marked:
            found[path] = data
    return found


def beside(s3: Any, paths: Iterable[str], completion: Iterable[str], format: str) -> list[str]:
    """Return the addresses of objects that are no data but by a completion name, which services do not know."""
    marks = [mark for mark in markers(completion, format) if not hidden(mark)]
    found = []
    for path in paths if marks else ():
        bucket, folder = split(path)
        for key, size in _objects(s3, path):
            inside = key.removeprefix(f"{folder}/")
            if is_data(inside, size) and not is_data(inside, size, marks):
                found.append(f"s3://{bucket}/{key}")
    return found


def inputs(
    s3: Any, document: Document, described: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, list[str]]]:
    """Return, for each alias of ``described``, its partitions that exist, with their keys.

    How each is described says its ``completion`` and its ``format``. Raises FileNotFoundError when an input has none, is not said to be absent, and is not the node's own past.
    """
    paths = {entry["alias"]: entry["paths"] for entry in document["inputs"]}
    absent = {
        entry["alias"]
        for entry in document["inputs"]
        if entry.get("absent") or entry["signal"] == document["node"]
    }
    found = {
        alias: existing(s3, paths[alias], how["completion"], how["format"])
        for alias, how in described.items()
    }
    for alias, partitions in found.items():
        if not partitions and alias not in absent:
            raise FileNotFoundError(f"no partition of {alias!r} exists; looked for {', '.join(paths[alias])}")
    return found


def staging(document: Document, name: str) -> str:
    """Return a folder for what is to become the output: beside it, never announced."""
    bucket, _ = split(document["output"]["path"])
    return f"s3://{bucket}/staging/{name}"


def staged(document: Document) -> str | None:
    """Return the folder in which a job writes what becomes the output when the run publishes; None without one.

    >>> output = {"path": "s3://bucket/internal_data/n/EU"}
    >>> staged({"id": "n/EU#2", "output": output})
    's3://bucket/staging/n/EU/2'
    """
    path = document["output"]["path"]
    return None if path is None else staging(document, execution_place(document["id"]))


def aside(document: Document) -> Document:
    """Return an execution whose output is the folder that publish takes over: for code that knows one output alone.

    >>> aside({"id": "n/EU#2", "output": {"path": "s3://bucket/internal_data/n/EU"}})["output"]["path"]
    's3://bucket/staging/n/EU/2'
    """
    return {**document, "output": {**document["output"], "path": staged(document)}}


def clear(s3: Any, folder: str) -> None:
    """Delete what lies in a folder."""
    bucket, _ = split(folder)
    delete(s3, bucket, list(keys(s3, folder)))


def replace(s3: Any, output: str, moved: Mapping[str, str], sizes: Objects | None = None) -> None:
    """Make the output partition hold what ``moved`` says, key of an object in its bucket -> name in the folder.

    ``sizes`` are those of the objects, where they are known: else each is asked for.
    The completion object goes first, so a reader never takes a half-written partition for a whole one.
    """
    bucket, folder = split(output)
    targets = {key: f"{folder}/{name}" for key, name in moved.items()}
    _replace(s3, bucket, set(keys(s3, output)), targets, sizes or {})
    delete(s3, bucket, sorted(moved))


def _replace(s3: Any, bucket: str, old: Collection[str], moved: Mapping[str, str], sizes: Objects) -> None:
    """Copy objects, key -> new key, to where they are all that a folder holds which held the ``old`` ones."""
    for key in old:
        if key.rpartition("/")[2] == COMPLETION:
            s3.delete_object(Bucket=bucket, Key=key)

    def copy(key: str) -> None:
        source = {"Bucket": bucket, "Key": key}
        if sizes.get(key, AT_ONCE) < AT_ONCE:
            s3.copy_object(CopySource=source, Bucket=bucket, Key=moved[key])
        else:
            s3.copy(source, bucket, moved[key])

    with ThreadPoolExecutor(COPIES) as pool:
        list(pool.map(copy, sorted(moved)))
    delete(s3, bucket, sorted(set(old) - set(moved.values())))


def move(s3: Any, staged: str, output: str) -> int:
    """Replace the output partition by the data of a folder in the same bucket; return how many objects it has."""
    _, folder = split(staged)
    sizes = dict(_objects(s3, staged))
    names = ((key, key.removeprefix(f"{folder}/")) for key in sizes)
    data = {key: name for key, name in names if is_data(name)}
    replace(s3, output, data, sizes)
    return len(data)


def take_over(s3: Any, folder: str, output: str, there: Objects, old: Objects) -> None:
    """Put what lies staged in a folder in the place of an output partition, which holds the ``old`` objects.

    ``there`` is what lies in the folder. Readers that ask for the output's completion object see the old partition,
    then none, then (once it is written) the new one. May be repeated after a crash at any call: what is staged stays
    until `drop`.
    """
    bucket, prefix = split(folder)
    _, target = split(output)
    names = ((key, key.removeprefix(f"{prefix}/")) for key in there)
    data = {key: f"{target}/{name}" for key, name in names if is_data(name)}
    _replace(s3, bucket, old, data, there)


def drop(s3: Any, bucket: str, there: Iterable[str]) -> None:
    """Delete what was staged, of one partition or of many, once it is in its place.

    The completion objects go before any of the data: without one, nothing is taken over again. The results of the
    checks stay where they are: a run that is tried again tells them again.
    """
    names = {key: key.rpartition("/")[2] for key in there}
    delete(s3, bucket, sorted(key for key, name in names.items() if name == COMPLETION))
    delete(s3, bucket, sorted(key for key, name in names.items() if name not in (COMPLETION, CHECKS)))
