"""A script for a Python with any pandas: reads the table of cases as `load_data` does, and prints what came out wrong."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas

from data.cases import CASES, TYPED, Case, texts, wanted
from rheo_platforms.data.errors import ReadingError
from rheo_platforms.data.files import files
from rheo_platforms.data.pandas_reader import read_frame
from rheo_platforms.data.places import Place
from rheodsl.analysis import Loading
from rheodsl.external import CsvFormat


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


if __name__ == "__main__":
    found = [(case, read(case)) for case in (*CASES, *TYPED)]
    wrong = [
        (case.name, rows)
        for case, rows in found
        if not (case.error in rows if case.error else rows == wanted(case))
    ]
    print(json.dumps({"pandas": pandas.__version__, "wrong": wrong}, default=str))
