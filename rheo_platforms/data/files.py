"""A place -> the files of data in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rheo_formats
from rheo_airflow.rows import DataFile
from rheo_platforms.data.places import Place


def files(place: Place, s3: Any) -> Iterator[DataFile]:
    """Yield the files of a place in the order of their keys; markers and hidden ones are none."""
    markers = rheo_formats.markers(place.markers, place.spec.format)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix):
        for entry in page.get("Contents", ()):
            if place.whole:
                if entry["Key"] == place.prefix:
                    yield DataFile(place.bucket, entry["Key"], s3)
                continue
            inside = entry["Key"][len(place.prefix) :]
            if rheo_formats.is_data(inside, entry["Size"], markers):
                yield DataFile(place.bucket, entry["Key"], s3)
