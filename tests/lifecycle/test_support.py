"""What lies in the bucket of DAGs -> DAGs of a real Airflow that has Rheo from nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rheo_platforms import airflow_files

from .world import DAGS, World

ROOT = Path(__file__).parents[2]
BEFORE = ROOT / "tests" / "golden" / "compiled_before"
CODE = """
import json, sys
from pathlib import Path

folder, root = sys.argv[1:]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "") + repr(f)]
sys.path[:] = [p for p in sys.path if p and Path(p).resolve() != Path(root)]
from airflow.dag_processing.dagbag import BundleDagBag

bag = BundleDagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="dags")
import rheo_airflow, rheo_runtime

files = [rheo_runtime.__file__, rheo_airflow.__file__]
print(json.dumps([sorted(bag.dags), dict(bag.import_errors), files]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_airflow_reads_the_folder_as_it_is(world: World, tmp_path: Path) -> None:
    world.app("shop", "more").activate()
    world.app("other").activate()
    dags, errors, files = airflow_reads(world, tmp_path)
    assert errors == {}
    assert dags == [
        "other__daily", "other__rheo__pump", "shop__daily", "shop__more", "shop__rheo__pump",
    ]  # fmt: skip
    [runtime] = json.loads(world.text(DAGS, "dags/shop/runtime.json"))["runtimes"]
    home = tmp_path / "dags" / "_rheo" / runtime
    assert files == [str(home / name / "__init__.py") for name in ("rheo_runtime", "rheo_airflow")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_an_application_that_was_compiled_before_still_runs(world: World, tmp_path: Path) -> None:
    """Its files import ``rheo_runtime.tasks``, which has moved; another application brings the new code."""
    for file in BEFORE.glob("*.py"):
        world.s3.put_object(Bucket=DAGS, Key=f"dags/before/{file.name}", Body=file.read_bytes())
    world.app("other").activate()
    dags, errors, _ = airflow_reads(world, tmp_path)
    assert errors == {}
    assert dags == [
        "hooked__both",
        "hooked__both__pending",
        "other__daily",
        "other__rheo__pump",
        "services__everything",
        "services__on_athena",
        "services__predictions",
        "shop__total",
    ]


def test_each_name_of_before_is_the_one_of_today(tmp_path: Path) -> None:
    """By the modules that an upload puts beside the runtime, and that the local stack has."""
    for path, text in airflow_files.sources().items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    code = """
import rheo_airflow.tasks, rheo_airflow.tasks.claim, rheo_airflow.tasks.settings
import rheo_runtime.tasks.claim, rheo_runtime.tasks.settings
from rheo_runtime.tasks import ClaimOperator
from rheo_runtime.tasks.claim import ClaimOperator as Again
assert ClaimOperator is Again is rheo_airflow.tasks.ClaimOperator
assert rheo_runtime.tasks.settings is rheo_airflow.tasks.settings
"""
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "AIRFLOW_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def airflow_reads(world: World, tmp_path: Path) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the DAGs that an Airflow finds, its import errors, and whence it has our packages."""
    for key in world.objects(DAGS):
        file = tmp_path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(world.text(DAGS, key), "utf-8")
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "AIRFLOW", "PYTHONPATH"))},
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE, str(tmp_path / "dags"), str(ROOT)],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    dags, errors, files = json.loads(done.stdout.splitlines()[-1])
    return dags, errors, files
