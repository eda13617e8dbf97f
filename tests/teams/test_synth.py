"""Other tools: the roles of a CI, and a Terraform module."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from codegen.cloudformation.deployer import Repository, RepositoryError, deployer_template
from rheo_platforms.aws.terraform import MAIN, terraform_module, variable
from rheo_platforms.cli import app as command
from rheo_platforms.lifecycle.release import Release
from rheodsl import Application
from tests.lifecycle.test_policy import policy

GITHUB = Repository.of("github:team/sales")


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """What the policies of a role say."""
    return [
        statement
        for made in template["Resources"].values()
        if {"Ref": role} in made["Properties"].get("Roles", ())
        for statement in made["Properties"]["PolicyDocument"]["Statement"]
    ]


def actions(template: dict[str, Any], role: str) -> set[str]:
    return {action for each in statements(template, role) for action in each["Action"]}


def trust(template: dict[str, Any], role: str) -> dict[str, Any]:
    [found] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert found["Action"] == "sts:AssumeRoleWithWebIdentity"
    condition: dict[str, Any] = found["Condition"]
    return condition


# What the page lists for `execute`, `kill`, `dlq`, `logs` and `load_data`: a CI does none of them.
OPERATING = {"LedgerAndQueues", "Data", "Logs", "Jobs"}


def test_the_deployer_may_do_what_the_page_lists_for_activating() -> None:
    template = deployer_template("sales", "prod", GITHUB)
    listed = policy()
    assert {each["Sid"] for each in listed} > OPERATING
    named = {action for each in listed if each["Sid"] not in OPERATING for action in each["Action"]}
    assert named <= actions(template, "Deployer")
    assert not {"sqs:DeleteMessage", "dynamodb:DeleteItem"} & actions(template, "Deployer")


def test_who_plans_changes_nothing() -> None:
    for action in actions(deployer_template("sales", "prod", GITHUB), "Planner"):
        assert action.partition(":")[2].startswith(
            ("Get", "List", "Describe", "Detect", "Scan", "Query", "BatchGet")
        ), action


def resources(each: dict[str, Any]) -> Iterator[str]:
    """The resources of a statement, as they are in an account."""
    for resource in each["Resource"]:
        text = resource if isinstance(resource, str) else resource["Fn::Sub"]
        for name, value in (
            ("AWS::Partition", "aws"), ("AWS::AccountId", "1" * 12), ("AWS::Region", "eu-west-1"),
            ("MwaaEnvironment", "data"), ("DagBucket", "mwaa"), ("DagsPath", "dags"), ("AirflowRole", "airflow"),
        ):  # fmt: skip
            text = text.replace(f"${{{name}}}", value)
        assert "${" not in text, text
        yield text


@pytest.mark.parametrize(
    ("role", "resource", "action", "may"),
    [
        ("Deployer", "arn:aws:s3:::rheo-sales-111111111111-eu-west-1/rheo/graph.json", "s3:PutObject", True),
        ("Deployer", "arn:aws:s3:::rheo-sales--dev-111111111111-eu-west-1/x", "s3:PutObject", False),
        ("Deployer", "arn:aws:s3:::rheo-salesmen-111111111111-eu-west-1/x", "s3:PutObject", False),
        ("Deployer", "arn:aws:s3:::mwaa/dags/sales/daily.py", "s3:PutObject", True),
        ("Deployer", "arn:aws:s3:::mwaa/dags/sales--pr-1/daily.py", "s3:PutObject", False),
        ("Previewer", "arn:aws:s3:::mwaa/dags/sales--pr-1/daily.py", "s3:PutObject", True),
        ("Previewer", "arn:aws:s3:::mwaa/dags/sales/daily.py", "s3:PutObject", False),
        ("Previewer", "arn:aws:s3:::rheo-sales-111111111111-eu-west-1/rheo/graph.json", "s3:GetObject", True),
        ("Previewer", "arn:aws:s3:::rheo-sales-111111111111-eu-west-1/rheo/graph.json", "s3:PutObject", False),
        ("Previewer", "arn:aws:cloudformation:eu-west-1:111111111111:stack/rheo-sales/7", "cloudformation:DeleteStack", False),
        ("Previewer", "arn:aws:cloudformation:eu-west-1:111111111111:stack/rheo-sales--pr-1/7", "cloudformation:DeleteStack", True),
        ("Deployer", "arn:aws:iam::111111111111:role/rheo/sales/rheo-sales-glue", "iam:PassRole", True),
        ("Deployer", "arn:aws:iam::111111111111:role/rheo/other/rheo-other-glue", "iam:PassRole", False),
    ],
)  # fmt: skip
def test_each_role_reaches_its_own_stage_alone(role: str, resource: str, action: str, may: bool) -> None:
    template = deployer_template("sales", "prod", GITHUB)
    direct = [each for each in statements(template, role) if "Condition" not in each]
    found = any(
        any(fnmatchcase(action, pattern) for pattern in each["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in resources(each))
        for each in direct
    )
    assert found is may


def test_jobs_are_told_apart_by_what_vouches_for_them() -> None:
    template = deployer_template("sales", "prod", GITHUB)
    issuer = "token.actions.githubusercontent.com"
    assert trust(template, "Deployer") == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": "repo:team/sales:environment:prod",
        }
    }
    assert trust(template, "Planner")["StringEquals"][f"{issuer}:sub"] == "repo:team/sales:pull_request"
    gitlab = deployer_template("sales", "prod", Repository.of("gitlab:team/data/sales"))
    assert trust(gitlab, "Deployer")["StringEquals"] == {
        "gitlab.com:aud": "https://gitlab.com",
        "gitlab.com:sub": "project_path:team/data/sales:ref_type:branch:ref:main",
    }
    assert trust(gitlab, "Previewer")["StringLike"] == {
        "gitlab.com:sub": "project_path:team/data/sales:ref_type:branch:ref:*"
    }


@pytest.mark.parametrize("name", ["sales", "a" * 40])
def test_policies_and_names_are_within_the_limits_of_iam(name: str) -> None:
    template = deployer_template(name, "prod", GITHUB)
    for id, made in template["Resources"].items():
        if made["Type"] == "AWS::IAM::ManagedPolicy":
            # Of the values that are filled in, none is longer than what stands for it, but a region's by little.
            assert len(json.dumps(made["Properties"]["PolicyDocument"], separators=(",", ":"))) < 6144, id
        else:
            assert len(made["Properties"]["RoleName"]) <= 64


@pytest.mark.parametrize("text", ["", "github:", "github:sales", "svn:a/b", "github:a/b c"])
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(RepositoryError) as fault:
        Repository.of(text)
    assert f"RD241: {text!r} is no repository" in str(fault.value)
    assert "hint name it like github:OWNER/REPOSITORY or gitlab:GROUP/PROJECT" in str(fault.value)


# --- Terraform ---


def note(input_map: object, output: object, params: object) -> None:
    """Nothing."""


def shop() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    last = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    app.create_data("note", inputs=[last], compute_targets=note)
    return app


@pytest.fixture(scope="module")
def module() -> tuple[Release, dict[str, bytes]]:
    release = Release.of(shop().graph(), dialect="mwaa-3.3", bucket="rheo-shop")
    return release, terraform_module(release)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def test_everything_that_the_module_names_is_there(module: tuple[Release, dict[str, bytes]]) -> None:
    _, files = module
    main = json.loads(files[MAIN])
    known = {f"{kind}.{name}" for kind, made in main["resource"].items() for name in made}
    known |= {f"var.{name}" for name in main["variable"]} | {f"data.{kind}.{name}" for kind, made in main["data"].items() for name in made}  # fmt: skip
    for text in strings(main["resource"]):
        for name in re.findall(r"\$\{([^}]+)\}", text):
            if not name.startswith(("each.", "path.module")):
                parts = name.split(".")
                assert ".".join(parts[: 3 if parts[0] == "data" else 2]) in known, name
    for made in main["resource"]["aws_s3_object"].values():
        assert set(made.get("depends_on", ())) <= known
        for key in made["for_each"]:
            source = made["source"].replace("${path.module}/", "").replace("${each.key}", key)
            assert source in files, source
    used = {
        made["source"].replace("${path.module}/", "").replace("${each.key}", key)
        for made in main["resource"]["aws_s3_object"].values()
        for key in made["for_each"]
    }
    assert used == files.keys() - {MAIN}, "nothing lies there that is not brought out"


def test_the_stack_has_every_parameter_of_its_template(module: tuple[Release, dict[str, bytes]]) -> None:
    release, files = module
    main = json.loads(files[MAIN])
    stack = main["resource"]["aws_cloudformation_stack"]["application"]
    assert stack["name"] == "rheo-shop"
    assert stack["parameters"].keys() == release.template["Parameters"].keys()
    assert json.loads(files["template/template.json"]) == release.template
    for name, given in release.template["Parameters"].items():
        if f"${{var.{variable(name)}}}" in stack["parameters"][name]:
            assert main["variable"][variable(name)].get("default") == given.get("Default")


def test_the_module_brings_out_what_activating_does(module: tuple[Release, dict[str, bytes]]) -> None:
    release, files = module
    scripts = {p.removeprefix("scripts/rheo/") for p in files if p.startswith("scripts/")}
    assert scripts == release.files.keys()
    dags = {p.partition("/shop/")[2] for p in files if p.startswith(("dags/", "read/"))}
    assert dags == release.files.keys()
    assert release.runtime_id.encode() in files["dags/shop/daily.py"]
    assert f"runtime/_rheo/{release.runtime_id}/rheo_runtime/engine.py" in files
    assert json.loads(files["runtime/shop/runtime.json"]) == {"runtimes": [release.runtime_id]}
    order = json.loads(files[MAIN])["resource"]["aws_s3_object"]
    assert "aws_s3_object.runtime" in order["dags"]["depends_on"]


def test_the_command_writes_both(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from rheodsl import *\napp = Application('shop')\n"
        "app.create_data('n', [app.s3('s', 's3://lake/s/{day:%Y-%m-%d}')], compute_targets='output = s')\n"
    )
    file = str(tmp_path / "app.py")
    done = CliRunner().invoke(command, ["synth", file, "--deployer", "github:team/shop", "--stage", "dev"])
    assert done.exit_code == 0, done.exception
    assert json.loads(done.output)["Description"].startswith("shop--dev: who may plan")
    old = tmp_path / "tf" / "dags" / "shop" / "gone.py"
    old.parent.mkdir(parents=True)
    old.write_text("")
    words = ["synth", file, "--format", "terraform", "-o", str(tmp_path / "tf")]
    assert "files" in CliRunner().invoke(command, words).output
    assert (tmp_path / "tf" / MAIN).is_file()
    assert (tmp_path / "tf" / "dags" / "shop" / "n.py").is_file()
    assert not old.exists()
    assert CliRunner().invoke(command, words[:4]).exit_code == 1


def test_the_workflows_on_the_page_are_read_and_name_commands_that_there_are() -> None:
    import yaml

    page = (Path(__file__).parents[2] / "docs" / "teams.md").read_text("utf-8")
    blocks = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 2
    lines = [text for block in blocks for text in strings(block) if text.startswith("rheo ")]
    assert len(lines) >= 7
    for line in lines:
        words = line.partition(" |")[0].partition(" >")[0].split()[1:]
        told = CliRunner().invoke(command, [words[0], "--help"]).output
        for word in words:
            assert not word.startswith("--") or word in told, line
