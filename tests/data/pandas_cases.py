"""A script for a Python with any pandas: reads the table of cases as `load_data` does, and prints what came out wrong."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas

from data.cases import CASES, TYPED, Case, texts, wanted
from data.typed_cases import TYPED_CASES, TypedCase
from rheo_platforms.data.errors import ReadingError
from rheo_platforms.data.files import files
from rheo_platforms.data.pandas_reader import merge_frames, read_frame
from rheo_platforms.data.places import Place
from rheodsl.analysis import Loading
from rheodsl.external import CsvFormat, make_data


class Store:
    """S3, as far as a reader asks for it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def get_paginator(self, _: str) -> Store:
        return self

    def paginate(self, Prefix: str, **_: Any) -> list[dict[str, Any]]:
        found = sorted(key for key in self.files if key.startswith(Prefix))
        return [{"Contents": [{"Key": key, "Size": len(self.files[key])} for key in found]}]

    def get_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.files[Key])}


def read(case: Case) -> Any:
    """The rows of a case, or what the reader says."""
    format = CsvFormat(**case.options)
    store = Store({f"d/{name}": data for name, data in case.files.items()})
    try:
        found = files(Place("s3://lake/d", format, case.completion), store)
        frame = read_frame(found, format, Loading(), None)
    except ReadingError as fault:
        return fault.what
    return texts(frame.astype(object).to_dict("records"))


def read_typed(case: TypedCase) -> Any:
    """The rows of a case of files that know types, or what the reader says: a frame for each partition, merged."""
    format = make_data(case.format, **case.options)
    store, folders = Store(case.files), sorted({name.partition("/")[0] for name in case.files})
    try:
        frames = [
            read_frame(files(Place(f"s3://lake/{folder}", format), store), format, Loading(), None)
            for folder in folders
        ]
    except ReadingError as fault:
        return fault.what
    return texts(merge_frames(frames).astype(object).to_dict("records"))


if __name__ == "__main__":
    found: list[tuple[Any, Any]] = [(case, read(case)) for case in (*CASES, *TYPED)]
    found += [(case, read_typed(case)) for case in TYPED_CASES]
    wrong = [
        (case.name, rows)
        for case, rows in found
        if not (case.error in rows if case.error else rows == wanted(case))
    ]
    print(json.dumps({"pandas": pandas.__version__, "wrong": wrong}, default=str))
