"""What lies in the bucket of DAGs -> DAGs of a real Airflow that has Rheo from nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .world import DAGS, World

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from pathlib import Path

folder, root = sys.argv[1:]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "") + repr(f)]
sys.path[:] = [p for p in sys.path if p and Path(p).resolve() != Path(root)]
from airflow.dag_processing.dagbag import BundleDagBag

bag = BundleDagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="dags")
import rheo_runtime

print(json.dumps([sorted(bag.dags), dict(bag.import_errors), rheo_runtime.__file__]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_airflow_reads_the_folder_as_it_is(world: World, tmp_path: Path) -> None:
    world.app("shop", "more").activate()
    world.app("other").activate()
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
    dags, errors, file = json.loads(done.stdout.splitlines()[-1])
    assert errors == {}
    assert dags == ["other__daily", "shop__daily", "shop__more"]
    assert Path(file) == tmp_path / "dags" / "rheo_runtime" / "__init__.py"
