"""``rheo plan``, ``activate`` and so on, in a pretended account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rheo_platforms.cli import app
from rheodsl.lifecycle import ApplicationState as S

from .test_activate import schedules
from .world import DAGS, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]

FILE = """
from rheodsl import *

app = AWSApplication("shop", "eu-west-1")
orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
app.create_data("daily", inputs=[orders], compute_targets="output = orders")
"""


@pytest.fixture
def file(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    from rheo_platforms.aws import account

    monkeypatch.setattr(account.Credentials, "session", lambda self, region: world.session)
    (tmp_path / "app.py").write_text(FILE)
    return str(tmp_path / "app.py")


def rheo(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


def test_an_application_lives_and_ends_by_commands(file: str, world: World) -> None:
    assert "+ daily" in rheo("plan", file)
    assert json.loads(rheo("plan", file, "--json"))["nodes"] == [
        {"action": "added", "name": "daily", "what": []}
    ]
    rheo("plan", file, "--check", status=2)
    assert "shop is active\n" in rheo("activate", file)
    assert rheo("plan", file, "--check") == "shop is ACTIVE; nothing would change\n"
    assert rheo("activate", file) == "shop is active as it was\n"
    assert "max_active_runs" in rheo("plan", file, "--one-at-a-time")
    schedules(world)
    assert rheo("pause", file) == "shop is paused: events wait\n"
    assert world.app().state is S.PAUSED
    assert rheo("resume", file) == "shop goes on\n"
    rheo("delete", file, "--yes", status=1)
    assert "shop is terminated; its data is kept\n" in rheo("terminate", file, "--wait", "--yes")
    rheo("delete", file, status=1)  # asked, and nobody answers
    assert rheo("delete", file, "--yes") == "shop is deleted\n"
    assert world.buckets() == [DAGS]


def test_explicit_keys_and_a_profile_reach_boto3() -> None:
    from rheo_platforms.aws.account import Credentials

    found = Credentials(access_id="id", access_key="key", session_token="token").session("eu-west-1")
    keys = found.get_credentials()
    assert keys is not None
    assert (keys.access_key, keys.secret_key, keys.token, found.region_name) == (
        "id",
        "key",
        "token",
        "eu-west-1",
    )
