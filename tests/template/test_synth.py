"""``rheo synth``: prints or writes the template, its nested ones and the zip."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from typer.testing import CliRunner

import rheo_platforms.cli  # noqa: F401 - registers the commands
from codegen.cloudformation.stack import dumps
from rheo_platforms.commands.shared import app

from .sample import ROOT, example, template_of

FLIGHTS = str(ROOT / "examples" / "flights" / "app.py")
MANY = """
from rheodsl import *
app = Application("many")
for n in range(500):
    app.create_data(f"n{n}", None, output_dimension_spec={"d": {"type": STRING}}, compute_targets="output = 1")
"""


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["synth", *arguments])
    return done.exit_code, done.output


def test_it_prints_the_template() -> None:
    assert run(FLIGHTS) == (0, dumps(template_of(example("flights"))))


def test_it_writes_template_and_zip(tmp_path: Path) -> None:
    file, zipped = tmp_path / "made" / "template.json", tmp_path / "listener.zip"
    code, said = run(FLIGHTS, "-o", str(file), "--zip", str(zipped), "--bucket", "my-own")
    assert code == 0, said
    made = json.loads(file.read_text("utf-8"))
    assert made["Resources"]["Bucket"]["Properties"]["BucketName"] == "my-own"
    with zipfile.ZipFile(zipped) as archive:
        assert '"s3://my-own/internal_data' in archive.read("routes.json").decode()


def test_nested_templates_are_written_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text(MANY, "utf-8")
    code, said = run(str(source))
    assert (code, "say by -o where" in said) == (1, True)
    code, said = run(str(source), "-o", str(tmp_path / "t.json"))
    assert code == 0, said
    parts = sorted(p.name for p in tmp_path.glob("jobs-*.json"))
    assert len(parts) == 4
    assert all(part in said for part in parts)
