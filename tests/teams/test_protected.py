"""A stage that only one role may change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rheo_platforms.aws import account
from rheo_platforms.aws.account import Account
from rheo_platforms.cli import app as command
from rheo_platforms.lifecycle.errors import ProtectedError
from tests.lifecycle.world import REGION, World

from .test_previews import everything

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")

DEPLOYER = "arn:aws:sts::123456789012:assumed-role/deployer/run-7"
FILE = """
from rheodsl import *

app = AWSApplication("shop", "eu-west-1")
orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
app.create_data("daily", inputs=[orders], compute_targets="output = orders")
"""
SETTINGS = """
[tool.rheo]
plain = "prod"

[tool.rheo.stages.prod]
activated-by = "arn:aws:iam::123456789012:role/ci/deployer"
"""


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Become somebody, by their ARN."""

    def become(arn: str) -> None:
        caller = property(lambda self: {"Arn": arn, "Account": "123456789012"})
        monkeypatch.setattr(Account, "_caller", caller)

    return become


def test_only_that_role_changes_it_whoever_has_which_settings(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, be: Callable[[str], None]
) -> None:
    monkeypatch.setattr(account.Credentials, "session", lambda self, region: world.session)
    (tmp_path / "app.py").write_text(FILE)
    settings = tmp_path / "pyproject.toml"
    settings.write_text(SETTINGS)
    file = str(tmp_path / "app.py")

    def rheo(*words: str) -> Any:
        from rheodsl.project import read_settings

        read_settings.cache_clear()
        return CliRunner().invoke(command, words)

    be("arn:aws:iam::123456789012:user/ann")
    assert isinstance(rheo("activate", file).exception, ProtectedError)
    assert world.buckets() == ["mwaa-dags"]
    be(DEPLOYER)
    assert "shop is active\n" in rheo("activate", file, "--stage", "prod").output
    settings.write_text('[tool.rheo]\nplain = "prod"\n')
    be("arn:aws:sts::123456789012:assumed-role/developer/ann")
    (tmp_path / "app.py").write_text(FILE.replace("output = orders", "output = orders.limit(1)"))
    assert rheo("activate", file, "--stage", "pr-1", "--from", "prod").exit_code == 0, "a preview is free"
    before = everything(world)
    for words in (
        ["activate", file],
        ["activate", file, "--stage", "prod", "--refresh"],
        ["rollback", file],
        ["rollback", "1", "--app", file],
        ["promote", "prod", "--app", file, "--stage", "pr-1"],
        ["pause", file],
        ["resume", file],
        ["terminate", file, "--yes"],
        ["delete", file, "--yes"],
        ["delete", file, "--name", "shop"],
    ):
        refused = rheo(*words).exception
        assert isinstance(refused, ProtectedError), (words, refused)
    assert everything(world) == before
    assert world.record()["state"] == "ACTIVE"
    assert world.record()["release"] == 1
    assert "may be changed by arn:aws:iam::123456789012:role/ci/deployer alone, and you are developer" in str(
        refused
    )
    assert "dev" in rheo("activate", file, "--stage", "dev").output, "another stage is free"
    settings.write_text(SETTINGS)
    be(DEPLOYER)
    assert rheo("promote", "prod", "--app", file, "--stage", "pr-1").exit_code == 0
    assert rheo("rollback", file).exit_code == 0
    assert rheo("terminate", file, "--yes").exit_code == 0
    asked = CliRunner().invoke(command, ["delete", file], input="shop--prod\n")
    assert "Type the name of shop" in asked.output
    assert "is deleted only if its name is given" in str(asked.exception)
    for words in (["--yes"], ["--name", "shop--dev"]):
        assert "is deleted only if its name is given" in str(rheo("delete", file, *words).exception)
    assert rheo("delete", file, "--name", "shop").output == "shop is deleted\n"


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        (DEPLOYER, "deployer"),
        ("arn:aws:iam::123456789012:user/team/ann", "ann"),
        ("arn:aws:iam::123456789012:root", "root"),
    ],
)
def test_the_role_of_credentials(be: Callable[[str], None], arn: str, role: str) -> None:
    be(arn)
    assert Account(None, REGION).role == role
