"""A script for a Spark of any version: reads the table of cases as generated scripts do, and writes what came out wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from data.cases import CASES, TYPED, texts, wanted
from data.typed_cases import TYPED_CASES
from rheo_spark import Source


def wrong(spark: Any, home: Path) -> list[Any]:
    """Name each case that was read otherwise than it should be, with what was read."""
    found = []
    for number, case in enumerate((*CASES, *TYPED)):
        folder = home / str(number)
        folder.mkdir()
        for name, data in case.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        source = Source(spark, "orders", {"format": "CSV", "completion": case.completion, **case.options})
        try:
            rows: Any = texts([row.asDict() for row in source.read([folder.as_uri()]).collect()])
        except Exception as fault:  # noqa: BLE001 - Spark raises what it likes
            rows = str(source.named(fault) or fault)
            if case.error and case.error in rows and "a.csv" in rows:
                continue
        if case.error or rows != wanted(case):
            found.append((case.name, rows if isinstance(rows, list) else rows[:300]))
    return found


def wrong_typed(spark: Any, home: Path) -> list[Any]:
    """The same of files that know types; an error has to be one."""
    found = []
    for number, case in enumerate(TYPED_CASES):
        folder = home / f"typed{number}"
        for name, data in case.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        paths = sorted({(folder / name).parent.as_uri() for name in case.files})
        source = Source(spark, "orders", {"format": case.format, **case.options})
        try:
            rows: Any = texts([row.asDict(recursive=True) for row in source.read(paths).collect()])
        except Exception as fault:  # noqa: BLE001 - Spark raises what it likes
            rows = str(source.named(fault) or fault)
            if case.error and ("a.json is no JSON" in rows or case.error in rows):
                continue
        if case.error or rows != wanted(case):
            found.append((case.name, rows if isinstance(rows, list) else rows[:300]))
    return found


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    told = {
        "spark": session.version,
        "wrong": wrong(session, Path(sys.argv[1])) + wrong_typed(session, Path(sys.argv[1])),
    }
    Path(sys.argv[1], "told.json").write_text(json.dumps(told))
