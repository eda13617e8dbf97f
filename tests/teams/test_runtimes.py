"""Versions of Rheo side by side in one environment: what has begun on one finishes on it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lifecycle.world import DAGS, World

from .test_releases import newer as newer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]

# A worker: it loads a DAG file, works, and imports more of Rheo while it works.
WORKER = """
import runpy, sys
runpy.run_path(sys.argv[1])
import rheo_runtime.values
print(rheo_runtime.values.__file__, flush=True)
input()
import rheo_runtime.engine
print(rheo_runtime.engine.__file__, flush=True)
"""
HEAD = "del sys.modules[_name]\n"


def sync(world: World, folder: Path) -> None:
    """Let a worker's folder be as the bucket, as MWAA does it. Of DAG files the head stays: Airflow is not here."""
    shutil.rmtree(folder, ignore_errors=True)
    for key in world.objects(DAGS, "dags/"):
        text = world.text(DAGS, key)
        if key.count("/") == 2 and key.endswith(".py"):
            head, found, _ = text.partition(HEAD)
            assert found, key
            text = head + found
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_text(text)


class Worker:
    """A process of Airflow that works on one task."""

    def __init__(self, folder: Path, dag: str) -> None:
        words = [sys.executable, "-I", "-c", WORKER, str(folder / "dags" / dag)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.began = self._version(self._process.stdout.readline())

    def finish(self) -> str:
        """Let it go on to its end; return the version that it finished on."""
        out, _ = self._process.communicate("\n", timeout=60)
        assert self._process.returncode == 0
        return self._version(out)

    @staticmethod
    def _version(line: str) -> str:
        return Path(line.strip()).parents[1].name


def test_what_has_begun_finishes_on_its_version(world: World, newer: Any, tmp_path: Path) -> None:
    world.app("one").activate()
    world.app("two").activate()
    sync(world, tmp_path)
    worker = Worker(tmp_path, "one/daily.py")
    old = worker.began
    assert f"dags/_rheo/{old}/rheo.json" in world.objects(DAGS)
    newer()
    world.app("one").activate()
    sync(world, tmp_path)
    later = Worker(tmp_path, "one/daily.py")
    new = later.began
    assert new != old
    other = Worker(tmp_path, "two/daily.py")
    assert other.began == old, "another application stands where it stood"
    assert worker.finish() == old
    assert later.finish() == new
    assert other.finish() == old
    assert "# newer" in (tmp_path / "dags" / "_rheo" / new / "rheo_runtime" / "engine.py").read_text()
