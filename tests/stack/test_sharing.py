"""Two connected applications on the running stack: what one makes, the other reads."""

from __future__ import annotations

from typing import Any

import pytest

from rheodsl import Application

from .conftest import Lab

pytestmark = pytest.mark.slow
PLACE = ("123456789012", "us-east-1")


def make(input_map: Any, output: Any, params: Any) -> None:
    """Write something."""
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    params["AWS_BOTO_SESSION"].client("s3").put_object(Bucket=bucket, Key=f"{key}/made", Body=b"by repo")


def read(input_map: Any, output: Any, params: Any) -> None:
    """Write what the upstream has written."""
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    bucket, _, key = (
        input_map["foo"].get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    )
    text = s3.get_object(Bucket=bucket, Key=f"{key}/made")["Body"].read()
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{key}/seen", Body=b"made " + text)


def repo(stack: Lab, format: str = "%Y-%m-%d") -> Application:
    app = Application("share-repo", platform=stack.platform)
    raw = app.s3("raw", f"s3://share-raw/raw/{{day:{format}}}")
    app.create_data("foo", inputs=[raw], compute_targets=make)
    app.authorize_downstream("share-reader", *PLACE)
    return app


def test_what_one_application_makes_the_other_reads(stack: Lab) -> None:
    repo(stack).activate()
    reader = Application("share-reader", platform=stack.platform)
    foo = reader.import_upstream("share-repo", *PLACE)["foo"]
    reader.create_data("etl", inputs=[foo], compute_targets=read)
    reader.activate()
    stack.put("s3://share-raw/raw/2020-01-01/_SUCCESS")
    [run] = stack.until(lambda: stack.runs("share-reader", "etl", "success"))
    assert run["partition_key"] == "2020-01-01"
    assert stack.read("s3://rheo-share-reader/internal_data/etl/2020-01-01/seen") == "made by repo"
    assert len(stack.runs("share-repo", "foo")) == 1

    # The contract: both sides are told.
    assert reader.plan().empty
    changed = repo(stack, "%d-%m-%Y")
    told = "! foo: its dimension day had format '%Y-%m-%d', now '%d-%m-%Y'"
    assert told in str(changed.plan())
    assert len(stack.runs("share-reader", "etl")) == 1
