"""What a run sees of S3, and what S3 sees of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_platforms.local.mirror import Location, Mirror, MirrorError, addresses

pytestmark = pytest.mark.slow


def test_addresses_are_found_in_values_lists_and_json() -> None:
    execution = {
        "output": {"path": "s3://app/data/out/EWR"},
        "inputs": [{"paths": ["s3://nyc/flights/EWR/1", "s3://nyc/flights/EWR/2"]}, {"paths": []}],
    }
    arguments = {
        "--execution": json.dumps(execution),
        "--extra-py-files": "s3://app/lib/a.zip,s3://app/lib/b.py",
        "--table": "s3a://nyc/weather/*/x=1",
        "--name": "not s3://an/address",
        "--bad": "{s3://not/json",
    }
    assert addresses(arguments) == (
        Location("app", "data/out/EWR"),
        Location("app", "lib/a.zip"),
        Location("app", "lib/b.py"),
        Location("nyc", "flights/EWR/1"),
        Location("nyc", "flights/EWR/2"),
        Location("nyc", "weather"),
    )


def test_only_what_is_named_comes(
    put: Callable[..., None], client: Callable[..., Any], tmp_path: Path
) -> None:
    for key in ("in/a/1.csv", "in/a/deep/2.csv", "in/ab/3.csv", "in/b", "in/a/folder/"):
        put(f"s3://mirror-in/{key}", key)
    buckets = Mirror(client("s3"), tmp_path).fetch(
        [Location("mirror-in", "in/a"), Location("mirror-in", "in/b")]
    )
    assert "mirror-in" in buckets
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"mirror-in/in/a/1.csv", "mirror-in/in/a/deep/2.csv", "mirror-in/in/b"}
    assert (tmp_path / "mirror-in/in/a/deep/2.csv").read_text() == "in/a/deep/2.csv"


def test_only_changes_go_back(
    put: Callable[..., None], listing: Callable[[str], list[str]], client: Callable[..., Any], tmp_path: Path
) -> None:
    for key in ("out/_SUCCESS", "out/old.csv", "out/kept.csv", "out/rewritten.csv", "other/x"):
        put(f"s3://mirror-out/{key}", key)
    calls: list[str] = []
    s3 = client("s3")
    s3.meta.events.register(
        "before-call.s3", lambda model, params, **_: calls.append(model.name + params["url_path"])
    )
    mirror = Mirror(s3, tmp_path)
    mirror.fetch([Location("mirror-out", "out")])
    out = tmp_path / "mirror-out" / "out"
    (out / "_SUCCESS").unlink()
    (out / "old.csv").unlink()
    (out / "rewritten.csv").write_text("new")
    (out / "part").mkdir()
    (out / "part" / "new.csv").write_text("new")
    (out / "part" / ".new.csv.crc").write_text("checksum")
    (out / "_temporary" / "0").mkdir(parents=True)
    (out / "_temporary" / "0" / "half.csv").write_text("half")
    (out / "part" / "_SUCCESS").write_text("")
    calls.clear()
    assert mirror.push() == (3, 2)
    # Files go back several at a time, what completes them last.
    assert [*calls[:2], *sorted(calls[2:4]), *calls[4:]] == [
        "DeleteObject/out/_SUCCESS",
        "DeleteObject/out/old.csv",
        "PutObject/out/part/new.csv",
        "PutObject/out/rewritten.csv",
        "PutObject/out/part/_SUCCESS",
    ]
    assert listing("s3://mirror-out/") == [
        "other/x", "out/kept.csv", "out/part/_SUCCESS", "out/part/new.csv", "out/rewritten.csv"
    ]  # fmt: skip
    calls.clear()
    assert mirror.push() == (0, 0)
    assert calls == []


@pytest.mark.parametrize(
    ("name", "keys"), [("both", ("a", "a/b")), ("parent", ("a/../b",)), ("empty", ("a//b",))]
)
def test_keys_that_files_cannot_have_are_refused(
    name: str, keys: tuple[str, ...], put: Callable[..., None], client: Callable[..., Any], tmp_path: Path
) -> None:
    bucket = f"mirror-odd-{name}"
    for key in keys:
        put(f"s3://{bucket}/{key}")
    with pytest.raises(MirrorError, match=bucket):
        Mirror(client("s3"), tmp_path).fetch([Location(bucket, "")])
