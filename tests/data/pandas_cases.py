"""A script for a Python with any pandas: reads the table of cases as `load_data` does, and prints what came out wrong."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas

from data.cases import CASES, TYPED, Case, texts, wanted
from rheo_platforms.data.errors import ReadingError
from rheo_platforms.data.files import DataFile
from rheo_platforms.data.pandas_reader import read_frame
from rheodsl.analysis import Loading
from rheodsl.external import CsvFormat


class Store:
    """S3, as far as a reader asks for it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def get_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.files[Key])}


def read(case: Case) -> Any:
    """The rows of a case, or what the reader says."""
    store = Store(case.files)
    files = (DataFile("lake", key, store) for key in sorted(case.files))
    try:
        frame = read_frame(files, CsvFormat(**case.options), Loading(), None)
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
