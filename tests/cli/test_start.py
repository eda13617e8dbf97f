"""How one begins: a project of one's own, the application found without being named, faults of its file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from rheo_platforms.aws.faults import as_error
from rheo_platforms.commands import start
from rheo_platforms.commands.workflows import GITHUB, GITLAB

from .test_cli import FLIGHTS, ROOT, rheo

APP = """from rheodsl import *
app = Application("shop")
orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
"""


def project(folder: Path, text: str = APP) -> Path:
    (folder / "pyproject.toml").write_text('[tool.rheo]\napp = "app.py"\n')
    (folder / "app.py").write_text(text)
    return folder


def test_the_version() -> None:
    assert rheo("--version").stdout == f"rheo {version('rheodsl')}\n"


@pytest.mark.parametrize("words", [("-h",), ("check", "-h"), ("dlq", "list", "-h")])
def test_the_short_form_of_help(words: tuple[str, ...]) -> None:
    assert " [OPTIONS]" in rheo(*words).stdout.splitlines()[1]


def test_the_shell_completes() -> None:
    words = {"_RHEO_COMPLETE": "complete_bash", "COMP_WORDS": "rheo expl", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "from rheo_platforms.cli import main; main()"]
    env = {**os.environ, "_TYPER_COMPLETE_ARGS": "rheo expl", **words}
    run = [command[0], "-c", "import sys; sys.argv[0] = 'rheo'; " + command[2]]
    done = subprocess.run(run, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["explain"], done.stderr


@pytest.mark.parametrize("words", [("check", FLIGHTS), ("check", "--app", FLIGHTS), ("check", "-a", FLIGHTS)])
def test_an_application_is_named_as_a_word_or_by_its_option(words: tuple[str, ...]) -> None:
    assert rheo(*words).stdout == "flights: 3 nodes, no fault\n"


def test_an_application_may_stand_before_the_other_words(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    done = rheo("materialize", "app.py", "orders", "2026-01-01", cwd=tmp_path)
    assert done.stdout == "s3://lake/orders/2026-01-01\n"


def test_the_value_of_an_option_is_no_application(tmp_path: Path) -> None:
    project(tmp_path)
    assert rheo("graph", "-o", "x.py", cwd=tmp_path).stdout == "x.py: 1 nodes and signals\n"


@pytest.mark.parametrize("below", ["", "tests/deep"])
def test_the_project_names_its_application(tmp_path: Path, below: str) -> None:
    (project(tmp_path) / below).mkdir(parents=True, exist_ok=True)
    assert rheo("check", cwd=tmp_path / below).stdout == "shop: 0 nodes, no fault\n"


def test_no_application_is_named(tmp_path: Path) -> None:
    assert rheo("check", cwd=tmp_path).stderr == (
        "RD107: no application is named\n"
        '  hint name its file: --app app.py; or once for all in pyproject.toml: [tool.rheo] app = "app.py"\n'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.rheo]\n", "names no application\n  hint write there: app = \"app.py\""),
        ("[tool.rheo]\napp = 1\n", "names no application"),
        ("[tool", "is no TOML"),
        ('[tool.rheo]\napp = "app.py"\nplane = "prod"\n', "[tool.rheo] has no 'plane'\n  at   pyproject.toml:1\n  hint did you mean 'plain'?"),
        ('[tool.rheo]\napp = "app.py"\nstages = 5\n', "tool.rheo.stages of"),
    ],
)  # fmt: skip
def test_a_project_that_names_it_badly(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert said in rheo("check", cwd=tmp_path).stderr


# ── faults of the user's file ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'app.create_data("daily", inputs=[ordes])',
            "RD113: app.py stops with NameError: name 'ordes' is not defined\n"
            '  line app.create_data("daily", inputs=[ordes])\n'
            "  at   app.py:4\n"
            "  hint did you mean 'orders'?\n",
        ),
        (
            "import nothing_like_this",
            "RD113: app.py stops with ModuleNotFoundError: No module named 'nothing_like_this'\n"
            "  line import nothing_like_this\n"
            "  at   app.py:4\n"
            f"  hint install it where Rheo is installed: {sys.executable} -m pip install nothing_like_this\n",
        ),
        (
            "1 / 0",
            "RD113: app.py stops with ZeroDivisionError: division by zero\n"
            "  line 1 / 0\n"
            "  at   app.py:4\n"
            "  hint repair this line: nothing is known of the application before its file runs to its end\n",
        ),
        (
            "app.create_data(",
            "RD113: app.py stops with SyntaxError: '(' was never closed\n"
            "  line app.create_data(\n"
            "  at   app.py:4\n"
            "  hint repair this line: nothing is known of the application before its file runs to its end\n",
        ),
    ],
)
def test_a_fault_of_the_users_file_is_told_in_lines(tmp_path: Path, line: str, said: str) -> None:
    project(tmp_path, APP + line + "\n")
    done = rheo("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, said)
    assert len(said.splitlines()) <= 5


def test_a_fault_in_what_the_file_imports_is_told_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "helper_of_shop.py").write_text("\n\nboom()\n")
    project(tmp_path, APP + "import helper_of_shop\n")
    assert "  line boom()\n  at   helper_of_shop.py:3\n" in rheo("check", cwd=tmp_path).stderr


# ── AWS that does not answer, or refuses ──────────────────────────────────────────────────────────────


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        (NoCredentialsError(), "RD533: there are no credentials for AWS: Unable to locate credentials"),
        (
            EndpointConnectionError(endpoint_url="https://s3"),
            'RD535: AWS cannot be reached: Could not connect to the endpoint URL: "https://s3"',
        ),
        (refusal("ExpiredToken"), "RD533: AWS does not accept the credentials (GetObject): no"),
        (refusal("AccessDenied"), "RD536: AWS does not allow GetObject: no"),
        (refusal("SlowDown"), "RD536: AWS refuses GetObject: SlowDown: no"),
    ],
)
def test_what_boto_raises_is_an_error_with_a_next_step(fault: NoCredentialsError, first: str) -> None:
    told = str(as_error(fault)).splitlines()
    assert told[0] == first
    assert told[-1].startswith("  hint ")


def test_a_command_without_credentials_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    project(tmp_path, APP.replace('Application("shop")', 'AWSApplication("shop", "eu-west-1")'))
    done = rheo("plan", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("RD533: there are no credentials for AWS")


# ── a project to begin with ───────────────────────────────────────────────────────────────────────────


def test_a_project_is_begun(tmp_path: Path) -> None:
    done = rheo("init", "My Shop", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == (
        "my-shop is begun; go on: cd My Shop; rheo check, python -m pytest, rheo up"
    )
    folder = tmp_path / "My Shop"
    assert {path: (folder / path).read_text() for path in start.files_of("my-shop")} == start.files_of(
        "my-shop"
    )
    assert rheo("check", "--strict", cwd=folder).stdout == "my-shop: 2 nodes, no fault\n"


def test_its_tests_pass(tmp_path: Path) -> None:
    rheo("init", "shop", cwd=tmp_path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        words, cwd=tmp_path / "shop", capture_output=True, text=True, timeout=120, check=False
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_its_workflow_plans_previews_and_activates_without_keys() -> None:
    text = start.files_of("shop")[".github/workflows/rheo.yml"]
    found = yaml.safe_load(text)
    assert set(found[True]) == {"pull_request", "push"}  # "on" is YAML's true
    assert found["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    runs = {
        name: "\n".join(step["run"] for step in job["steps"] if "run" in step)
        for name, job in found["jobs"].items()
    }
    pr = "pr-${{ github.event.number }}"
    assert "rheo plan --stage prod" in runs["preview"]
    assert "gh pr comment" in runs["preview"]
    assert runs["preview"].endswith(f"rheo activate --stage {pr} --from prod")
    assert runs["remove"].endswith(f"rheo terminate --stage {pr} --yes\nrheo delete --stage {pr} --yes")
    assert runs["activate"].endswith("rheo activate --stage prod")
    assert found["jobs"]["activate"]["environment"] == "prod", "where somebody approves"
    roles = {name: "RHEO_DEPLOYER" in str(job) for name, job in found["jobs"].items()}
    assert roles == {"preview": False, "remove": False, "activate": True}
    assert "secrets." not in text


def test_its_workflow_for_gitlab(tmp_path: Path) -> None:
    rheo("init", "shop", "--gitlab", cwd=tmp_path)
    assert not (tmp_path / "shop" / ".github").exists()
    found = yaml.safe_load((tmp_path / "shop" / ".gitlab-ci.yml").read_text())
    assert found["preview"]["script"][-1] == "rheo activate --stage pr-$CI_MERGE_REQUEST_IID --from prod"
    assert found["activate"]["rules"] == [{"if": '$CI_COMMIT_BRANCH == "main"', "when": "manual"}]
    assert found["activate"]["variables"] == {"ROLE": "$RHEO_DEPLOYER"}
    assert found["remove"]["environment"]["action"] == "stop"
    assert found["preview"]["environment"]["on_stop"] == "remove"
    assert all(
        "AWS_WEB_IDENTITY_TOKEN_FILE" in str(found[job]["before_script"]) for job in ("preview", "activate")
    )


def test_commands_of_workflows_are_commands() -> None:
    for text in (GITHUB, GITLAB):
        for words in re.findall(r"rheo (\w+)((?: --\w+(?: [^ ;\n]+)?)*)", text):
            if words[0] in {"plan", "activate", "terminate", "delete", "check"}:
                said = rheo(words[0], "--help").stdout
                assert all(option in said for option in re.findall(r"--\w+", words[1])), words


def test_the_page_about_teams_shows_what_is_written() -> None:
    page = (ROOT / "docs" / "teams.md").read_text()
    for text in (GITHUB, GITLAB):
        assert f"```yaml\n{text.replace('PYTHON', '3.11')}```" in page


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("mine")
    done = rheo("init", cwd=tmp_path)
    assert "has app.py already" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["app.py"]


# ── JSON wherever something is printed ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        ("check",), ("show",), ("show", "--stage", "plan"), ("show", "--stage", "dag"), ("compile",), ("compile", "--check"),
        ("graph",), ("plugins",), ("down",), ("materialize", "orders", "2026-01-01"), ("replay", "events.jsonl"),
    ],
)  # fmt: skip
def test_commands_print_json_for_programs(tmp_path: Path, words: tuple[str, ...]) -> None:
    project(tmp_path, APP + 'app.create_data("daily", inputs=[orders], compute_targets="output = orders")\n')
    (tmp_path / "events.jsonl").write_text("nope\n")
    done = rheo(*words, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)
    assert "[" not in done.stderr


def test_every_command_that_prints_takes_json() -> None:
    from typer.main import get_command

    from rheo_platforms.cli import app

    found = get_command(app)
    dlq = found.commands.pop("dlq")  # type: ignore[attr-defined]
    every = {**found.commands, **{f"dlq {name}": each for name, each in dlq.commands.items()}}  # type: ignore[attr-defined]
    without = {n for n, c in every.items() if not any("--json" in p.opts for p in c.params)}
    assert without == {"synth", "dlq replay", "dlq drop"}  # the template is JSON; the other two act


def test_without_credentials_the_file_stops_by_what_aws_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheo_platforms.aws.platform.AWSPlatform.active_graph", _unsigned)
    project(tmp_path, 'from rheodsl import *\napp = AWSApplication("shop", "us-east-1")\napp.attach()\n')
    done = rheo("check", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "RD533: there are no credentials for AWS: Unable to locate credentials\n  at   app.py:3\n"
    )


def _unsigned(self: object, app: str) -> None:
    raise NoCredentialsError


# ── what the machine has not ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay", "nosuch.jsonl"), "RD112: nosuch.jsonl: No such file or directory\n"),
        (("compile", "--out", "app.py/x"), "RD112: app.py/x"),
        (("init", "app.py"), "RD112: app.py"),
    ],
)
def test_a_path_that_cannot_be_used(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    project(tmp_path)
    done = rheo(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.endswith("  hint look at this path: whether it is there, what it is, and whose\n")


# ── all faults at once ────────────────────────────────────────────────────────────────────────────────


def test_faults_of_the_graph_and_of_what_is_generated_are_said_together(tmp_path: Path) -> None:
    text = (
        APP + 'app.create_data("a", [orders.ref])\n'
        'app.create_data("b", [orders], compute_targets=Athena("SELECT * FROM orders"))\n'
    )
    told = rheo("check", cwd=project(tmp_path, text)).stderr
    assert told.startswith("RD100: application 'shop' has 2 faults\n")
    assert "a: every input is a reference" in told
    assert "the query needs to know the columns of 'orders'" in told


def test_what_nobody_thought_of_is_a_fault_of_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("codegen.compiler.plan_node", fails)
    told = rheo(
        "check",
        cwd=project(tmp_path, APP + 'app.create_data("a", [orders], compute_targets="output = orders")\n'),
    ).stderr
    assert "RD111: a cannot be generated: KeyError: 'lost'\n  at   app.py:4\n" in told


# ── the user's line ───────────────────────────────────────────────────────────────────────────────────


def test_the_command_itself_is_no_line_of_the_users(tmp_path: Path) -> None:
    """Python's own modules, and the script that starts the command, are not where a mistake is."""
    (tmp_path / "app.py").write_text(APP)
    command = Path(sys.executable).with_name("rheo")
    done = subprocess.run(
        [command, "status", "--app", "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "bin/rheo" not in done.stderr
