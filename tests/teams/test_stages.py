"""A name and a stage -> names that no other application has, and what differs at the stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from codegen.compiler import compile_graph
from codegen.targets.glue import job_name
from rheo_platforms.cli import app as command
from rheo_runtime.wire import resource_name
from rheodsl import Application, AWSApplication
from rheodsl.errors import RheoError
from rheodsl.project import best, read_settings
from rheodsl.stages import StageError, chosen, deployed_name, stage_of

STAGE = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)


@given(NAME, STAGE)
def test_a_name_and_its_stage_are_read_back(name: str, stage: str) -> None:
    full = deployed_name(name, stage)
    assert stage_of(full) == stage
    assert full.removesuffix(f"--{stage}") == name
    assert Application(full).name == Application(name, stage=stage).name == full
    assert Application(full).stage == stage


@given(NAME, STAGE, STAGE)
def test_two_stages_share_no_name_of_a_resource(name: str, one: str, two: str) -> None:
    names = {resource_name(deployed_name(name, stage)) for stage in (one, two)} | {resource_name(name)}
    assert len(names) == len({one, two}) + 1


def shop(stage: str | None = None) -> Application:
    app = Application("shop", stage=stage)
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    return app


def test_without_a_stage_all_is_as_it_was() -> None:
    assert shop().stage is None
    assert shop().name == "shop"
    assert "activated_by" not in compile_graph(shop().graph())["graph.json"]


def test_everything_carries_the_stage() -> None:
    plain, dev = compile_graph(shop().graph()), compile_graph(shop("dev").graph())
    assert plain.keys() == dev.keys()
    stack = json.loads(dev["stack.json"])
    assert (stack["app"], stack["table"], stack["queue"]) == ("shop--dev", "rheo-shop--dev", "rheo-shop--dev")
    assert stack["dags"] == ["shop--dev__daily", "shop--dev__rheo__pump"]
    assert [job["name"] for job in stack["glue_jobs"]] == [job_name("shop--dev", "daily", "")]
    for path in plain:
        if path != "MANIFEST.json":  # a list of digests
            text = dev[path].replace(job_name("shop--dev", "daily", ""), "shop-daily")
            assert text.replace("shop--dev", "shop") == plain[path]


def test_the_command_or_the_variable_chooses_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    with chosen("dev"):
        assert (shop().name, shop("prod").name) == ("shop--dev", "shop--prod")
    assert shop().name == "shop"
    monkeypatch.setenv("RHEO_STAGE", "test")
    assert shop().name == "shop--test"


FILE = """
from rheodsl import *

app = Application("shop")
orders = app.s3("orders", app.by_stage({"prod": "s3://lake", "*": "s3://trial"}) + "/orders/{day:%Y-%m-%d}")
app.create_data("daily", inputs=[orders], compute_targets="output = orders")
"""
SETTINGS = """
[tool.rheo]
plain = "prod"

[tool.rheo.stages.prod]
activated-by = "arn:aws:iam::111222333444:role/deploy/deployer"

[tool.rheo.stages."pr-*"]
region = "us-west-2"
account-id = "555666777888"
alarms = false
parameters = { MaximumConcurrency = "2" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text(FILE)
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*words: str) -> str:
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_every_command_takes_a_stage_and_forgets_it(folder: Path) -> None:
    assert told("check", "app.py", "--stage", "dev") == "shop--dev: 1 node, no fault\n"
    assert told("check", "app.py") == "shop: 1 node, no fault\n"
    told("compile", "app.py", "--stage", "dev")
    assert "s3://trial/orders" in (folder / "dags_out" / "shop--dev" / "daily.py").read_text()
    told("compile", "app.py", "--stage", "prod")
    assert "s3://lake/orders" in (folder / "dags_out" / "shop" / "daily.py").read_text()


def test_the_plain_stage_has_the_names_that_were_always_there(folder: Path) -> None:
    source = (
        "from rheodsl import Application\napp = Application('shop')\nprod = Application('shop', stage='prod')"
    )
    scope: dict[str, Application] = {}
    exec(compile(source, str(folder / "app.py"), "exec"), scope)
    assert (scope["app"].name, scope["app"].stage) == ("shop", "prod")
    assert (scope["prod"].name, scope["prod"].stage) == ("shop", "prod")
    assert scope["app"].graph().activated_by.endswith("/deployer")


def test_settings_go_before_the_program(folder: Path) -> None:
    source = """
from rheodsl import AWSApplication
of = {s: AWSApplication("shop", "eu-west-1", "111222333444", stage=s, parameters={"EventBus": "b"}) for s in ("dev", "pr-7")}
"""
    scope: dict[str, dict[str, AWSApplication]] = {}
    exec(compile(source, str(folder / "app.py"), "exec"), scope)
    dev, preview = scope["of"]["dev"], scope["of"]["pr-7"]
    assert dev._aws._given == ("eu-west-1", "111222333444", None)
    assert preview._aws._given == ("us-west-2", "555666777888", None)
    assert preview._aws.parameters == {"EventBus": "b", "MaximumConcurrency": "2"}


def test_alarms_that_are_off_call_nobody(folder: Path) -> None:
    source = """
from rheodsl import *
def made(stage):
    app = Application("shop", stage=stage)
    etl = app.create_metric("etl")
    app.create_alarm(
        "many", etl["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)], threshold=1,
        default_actions=AlarmDefaultActionsMap(ALARM_ACTIONS={SnsAction("arn:aws:sns:eu-west-1:111222333444:ops")}),
    )
    return app
"""
    scope: dict[str, object] = {}
    exec(compile(source, str(folder / "app.py"), "exec"), scope)
    made = scope["made"]
    assert callable(made)
    texts = {stage: compile_graph(made(stage).graph())["graph.json"] for stage in ("dev", "pr-7")}
    assert "arn:aws:sns" in texts["dev"]
    assert "arn:aws:sns" not in texts["pr-7"]
    assert '"many"' in texts["pr-7"], "it still changes its state"


def test_the_name_of_a_stage_comes_before_a_pattern() -> None:
    assert best({"*": 1, "pr-*": 2, "dev": 3}, "dev") == "dev"
    assert best({"pr-*": 2, "*": 1}, "pr-1") == "pr-*"
    assert best({"dev": 3}, "prod") is None


@pytest.mark.parametrize("stage", ["", "Dev", "a--b", "-a", "a_b", "ä"])
def test_what_is_no_stage(stage: str) -> None:
    with pytest.raises(StageError, match="is no name of a stage"):
        Application("shop", stage=stage)


def test_a_name_is_never_too_long_for_what_is_named_after_it() -> None:
    with pytest.raises(RheoError, match="is longer than 40 characters"):
        Application("a" * 30, stage="b" * 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.rheo.stages]\ndev = 5\n",
            "RD107: tool.rheo.stages.dev of {file} is no table\n  at   pyproject.toml:1\n  hint write there: [tool.rheo.stages.dev]",
        ),
        (
            "[tool.rheo.stages.dev]\nregoin = 'eu-west-1'\n",
            "RD107: [tool.rheo.stages.dev] has no 'regoin'\n  at   pyproject.toml:1\n  hint did you mean 'region'?",
        ),
        ("[tool", "RD107: {file} is no TOML: "),
        (
            "[tool]\nrheo = 1\n",
            "RD107: tool.rheo of {file} is no table\n  at   pyproject.toml:1\n  hint write there: [tool.rheo]",
        ),
    ],
)
def test_what_a_project_cannot_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(RheoError) as fault:
        read_settings(str(tmp_path))
    assert str(fault.value).startswith(message.format(file=tmp_path / "pyproject.toml"))
