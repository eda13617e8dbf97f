"""Paths that a policy of IAM would take for a pattern are refused where they are written."""

from __future__ import annotations

import pytest

from codegen.cloudformation.stack import dumps
from rheodsl import Application
from rheodsl.errors import SpecError

from .sample import template_of


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("s3://lake/*/{day}", "'*'"),
        ("s3://lake/a?b/{day}", "'?'"),
        ("s3://lake/../other/{day}", "a level '..'"),
        ("s3://lake/a/../{day}", "a level '..'"),
    ],
)
def test_what_would_grant_more_than_it_names_is_refused(path: str, what: str) -> None:
    with pytest.raises(SpecError, match="the path") as raised:
        Application("shop").s3("orders", path)
    assert what in str(raised.value)


@pytest.mark.parametrize("path", ["s3://lake/${aws:username}/{day}", "s3://lake/${AWS::AccountId}/{day}"])
def test_no_variable_of_iam_or_cloudformation_is_filled_in(path: str) -> None:
    with pytest.raises(SpecError):
        Application("shop").s3("orders", path)


@pytest.mark.parametrize("path", ["s3://lake/a b/{day}", "s3://lake/a..b/{day}", "s3://lake/é=1/{day}"])
def test_other_paths_are_granted_as_they_are(path: str) -> None:
    app = Application("shop")
    orders = app.s3("orders", path)
    app.create_data("daily", [orders], compute_targets="output = orders")
    assert path.removeprefix("s3://").replace("{day}", "*") in dumps(template_of(app))
