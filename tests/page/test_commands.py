"""``rheo graph`` and ``rheo plugins``, and the plugin as Airflow loads it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rheo_airflow.page.html import standalone
from rheo_platforms.airflow_files import PLUGIN, plugins_zip
from rheo_platforms.cli import app

ROOT = Path(__file__).parents[2]


def test_a_graph_is_written_as_one_file(tmp_path: Path) -> None:
    file = tmp_path / "out" / "alarms.html"
    result = CliRunner().invoke(app, ["graph", str(ROOT / "examples/alarms/app.py"), "-o", str(file)])
    assert result.exit_code == 0, result.output
    assert result.output == f"{file}: 12 nodes and signals\n"
    text = file.read_text("utf-8")
    data = json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[0]
    )
    assert {v["kind"] for v in data["vertices"]} == {"node", "s3", "metric", "alarm", "composite"}
    assert data["app"] == "alarming-ex"
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:|/)", text), "it loads nothing"


def test_the_same_application_gives_the_same_file(tmp_path: Path) -> None:
    texts = []
    for name in ("a.html", "b.html"):
        CliRunner().invoke(app, ["graph", str(ROOT / "examples/flights/app.py"), "-o", str(tmp_path / name)])
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_data_cannot_end_the_script_that_holds_it() -> None:
    text = standalone({"app": "</script><script>alert(1)</script>", "vertices": [], "edges": []})
    assert "<script>alert" not in text and "&lt;/script&gt;" in text


def test_plugins_are_an_archive_of_which_airflow_loads_one_module() -> None:
    data = plugins_zip()
    assert data == plugins_zip()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        assert archive.read(".airflowignore") == b"rheo_page/\n"
    outside = {name for name in names if not name.startswith("rheo_page/")}
    assert outside == {PLUGIN, ".airflowignore"}
    assert {"rheo_page/rheo_airflow/page/assets/page.html", "rheo_page/rheo_runtime/dynamodb.py"} <= names
    assert not any("__pycache__" in name or "/tasks/" in name for name in names)


LOADS = """
import sys
from pathlib import Path
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path({root!r})]
import airflow.plugins_manager, airflow.configuration, urllib.parse
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._get_plugins()
ours = [p for p in plugins if p.name == "rheo"]
assert not errors, errors
assert len(ours) == 1, plugins
print(">", sorted(m for m in set(sys.modules) - before if m.split(".")[0] in ("rheo_airflow", "rheo_runtime", "fastapi", "boto3")))
view = ours[0].external_views[0]
print(">", view["name"], view["href"], view["destination"])
"""


# Airflow's own login, with its simple manager: nobody, a stranger's token, and users of each role.
ASKS = """
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
from airflow import settings
from airflow.models.revoked_token import RevokedToken
RevokedToken.__table__.create(settings.engine)  # all of the database that a login needs
manager = create_auth_manager()
web = TestClient(ours[0].fastapi_apps[0]["app"])
def ask(token=None, **how):
    return web.get("/api/apps", headers={"Authorization": f"Bearer {token}"} if token else {}, **how).status_code
def token(role):
    return manager.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
web.cookies.set("_token", token("VIEWER"))
cookie = ask()
web.cookies.clear()
assert "rheo_page" in sys.modules["rheo_runtime"].__file__
print(">", ask(), ask("not.a.token"), ask(token("VIEWER")), ask(token("ADMIN")), cookie, ask(token(None)))
"""


@pytest.mark.slow
def test_airflow_loads_the_archive_for_next_to_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(plugins_zip())) as archive:
        archive.extractall(tmp_path / "plugins")
    env = {
        "PATH": "/usr/bin:/bin",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "secret" * 12,
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__API__BASE_URL": "https://example.com/air",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    script = LOADS.format(root=str(ROOT)) + ASKS
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stdout.splitlines() if line.startswith("> ")]  # Airflow has its say, too
    assert said == ["> []", "> Rheo /air/rheo/ nav", "> 401 403 200 200 200 403"]
