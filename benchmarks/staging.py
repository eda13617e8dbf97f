"""What it costs to write a partition beside the old one, and to put it in its place, against writing in place.

Of Spark publish takes over what was staged; Athena's and SageMaker's own tasks move it; inlined Python and AWS Batch
write in place. The calls are those that the code makes, counted by the client; their time is that of moto in this
process, where a copy moves bytes as it does not for a caller of S3: it is told as a ratio alone.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import boto3

from rheo_airflow.tasks import partitions

BUCKET, OUTPUT, STAGED = "rheo-bench", "internal_data/daily/2024-01-02", "staging/daily/2024-01-02/2"
SIZE = 1 << 20  # bytes of a file
FILES = (1, 10, 100)
TRIES = 5
WRITES = ("PutObject", "CopyObject", "ListObjectsV2")  # what AWS bills as such; deletions are free

Result = dict[str, Any]


def run() -> list[Result]:
    """Replace a partition of some files by one of as many, in place and beside it."""
    results: list[Result] = []
    with mock.patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}):
        for files in FILES:
            placed, place_calls = _measured(files, _in_place)
            for engine, replace in ENGINES.items():
                taken, calls = _measured(files, replace)
                billed, before = (sum(each[name] for name in WRITES) for each in (calls, place_calls))
                extra = {name: n - place_calls[name] for name, n in calls.items() if n != place_calls[name]}
                more = ", ".join(f"{n:+} {name}" for name, n in sorted(extra.items()))
                note = f"all calls: {more}" if more else "no call more"
                results += [
                    {
                        "name": f"{engine}, {files} files: billed calls",
                        "value": billed,
                        "unit": "calls",
                        "baseline": before,
                        "ratio": round(billed / before, 2),
                        "note": note,
                    },
                    {"name": f"{engine}, {files} files: time on moto", "ratio": round(taken / placed, 2)},
                ]
    return results


def _measured(files: int, replace: Callable[[Any, int], None]) -> tuple[float, Counter[str]]:
    """Return the shortest time of some tries, and the calls of one."""
    tries = [_one(files, replace) for _ in range(TRIES)]
    return min(seconds for seconds, _ in tries), tries[0][1]


def _one(files: int, replace: Callable[[Any, int], None]) -> tuple[float, Counter[str]]:
    from moto import mock_aws

    calls: Counter[str] = Counter()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        _write(s3, OUTPUT, "old", files)
        s3.meta.events.register("before-call.s3.*", lambda model, **_: calls.update([model.name]))
        start = time.perf_counter()
        replace(s3, files)
        seconds = time.perf_counter() - start
        names = {key.rpartition("/")[2] for key in partitions.keys(s3, f"s3://{BUCKET}/{OUTPUT}")}
    assert names == {partitions.COMPLETION, *(f"new-{number}" for number in range(files))}
    calls["ListObjectsV2"] -= 1  # that of the assertion
    return seconds, calls


def _write(s3: Any, folder: str, name: str, files: int) -> None:
    """What a job writes: its files, then the mark."""
    _write_files(s3, folder, name, files)
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/{partitions.COMPLETION}", Body=b"")


def _write_files(s3: Any, folder: str, name: str, files: int) -> None:
    for number in range(files):
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/{name}-{number}", Body=b"x" * SIZE)


def _in_place(s3: Any, files: int) -> None:
    """The old data goes, its mark first, and the new is written."""
    old = list(partitions.keys(s3, f"s3://{BUCKET}/{OUTPUT}"))
    for key in sorted(old, key=lambda key: not key.endswith(partitions.COMPLETION)):
        s3.delete_object(Bucket=BUCKET, Key=key)
    _write(s3, OUTPUT, "new", files)


def _staged(s3: Any, files: int) -> None:
    """A job writes beside the partition; publish takes it over, and marks it."""
    _write(s3, STAGED, "new", files)
    staged, output = f"s3://{BUCKET}/{STAGED}", f"s3://{BUCKET}/{OUTPUT}"
    there, old = (partitions.listed(s3, [path])[path] for path in (staged, output))
    partitions.take_over(s3, staged, output, there, old)
    partitions.drop(s3, BUCKET, there)
    s3.put_object(Bucket=BUCKET, Key=f"{OUTPUT}/{partitions.COMPLETION}", Body=b"")


def _moved(s3: Any, files: int) -> None:
    """A service writes beside the partition, its task moves that into place, and publish marks it."""
    _write_files(s3, STAGED, "new", files)
    partitions.move(s3, f"s3://{BUCKET}/{STAGED}", f"s3://{BUCKET}/{OUTPUT}")
    s3.put_object(Bucket=BUCKET, Key=f"{OUTPUT}/{partitions.COMPLETION}", Body=b"")


ENGINES: dict[str, Callable[[Any, int], None]] = {
    "Spark": _staged,
    "Athena and SageMaker": _moved,
    "inlined Python and AWS Batch": _in_place,
}
