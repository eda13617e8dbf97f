"""Rheo's code as the files that an Airflow needs: beside its DAG files, and in its plugins folder.

Tasks import ``rheo_airflow``, ``rheo_runtime`` and ``rheo_formats``; the page in Airflow's menu is one plugin module and a
copy of both. Files of DAGs that were compiled when the tasks were still ``rheo_runtime.tasks`` find them
there: `renamed` are modules of the old names, for whoever ships the folders.
"""

from __future__ import annotations

from pathlib import Path

import rheo_airflow
import rheo_formats
import rheo_runtime
from codegen.cloudformation.listener import zipped

PACKAGES = ("rheo_runtime", "rheo_airflow")
FORMATS = "rheo_formats.py"
PLUGIN = "rheo_plugin.py"
BESIDE = "rheo_page"  # as the plugin has it
_ROOTS = {
    "rheo_runtime": Path(rheo_runtime.__file__).parent,
    "rheo_airflow": Path(rheo_airflow.__file__).parent,
}
_TASKS = "rheo_airflow.tasks"
_OLD_TASKS = "rheo_runtime/tasks"


def root() -> Path:
    """Return the folder that holds both packages, for Python's path."""
    return _ROOTS["rheo_runtime"].parent


def sources() -> dict[str, str]:
    """Return the text of each Python file that tasks import, and of `renamed`, by its path.

    >>> {"rheo_runtime/engine.py", "rheo_airflow/tasks/claim.py"} <= sources().keys()
    True
    """
    found = {
        f"{package}/{file.relative_to(folder).as_posix()}": file.read_text("utf-8")
        for package, folder in _ROOTS.items()
        for file in sorted(folder.rglob("*.py"))
    }
    return {**found, FORMATS: Path(rheo_formats.__file__).read_text("utf-8"), **renamed()}


def renamed() -> dict[str, str]:
    """Return the modules by which DAG files of Rheo 0.1 import their tasks: each is the one of today.

    >>> print(renamed()["rheo_runtime/tasks/glue.py"], end="")
    import sys
    <BLANKLINE>
    import rheo_airflow.tasks.glue
    <BLANKLINE>
    # The module itself under its old name, for DAG files that were compiled before it moved.
    sys.modules[__name__] = rheo_airflow.tasks.glue
    """
    names = sorted(file.stem for file in (_ROOTS["rheo_airflow"] / "tasks").glob("*.py"))
    package = f"from {_TASKS} import *\n"
    return {
        f"{_OLD_TASKS}/{name}.py": package if name == "__init__" else _ALIAS.format(module=f"{_TASKS}.{name}")
        for name in names
    }


_ALIAS = """\
import sys

import {module}

# The module itself under its old name, for DAG files that were compiled before it moved.
sys.modules[__name__] = {module}
"""


def plugin() -> str:
    """Return the text of the plugin: one module, that finds the rest of Rheo when it is asked for the page."""
    return (_ROOTS["rheo_airflow"] / "page" / "plugin.py").read_text("utf-8")


def plugins_zip() -> bytes:
    """Return a ``plugins.zip`` for MWAA: the plugin, and all that it needs; the same bytes for the same code."""
    found = {
        PLUGIN: plugin(),
        ".airflowignore": f"{BESIDE}/\n",  # Airflow takes every other module here for a plugin
    }
    for package, folder in _ROOTS.items():
        for file in folder.rglob("*"):
            path = file.relative_to(folder)
            if file.is_file() and "__pycache__" not in path.parts and path.parts[0] != "tasks":
                found[f"{BESIDE}/{package}/{path.as_posix()}"] = file.read_text("utf-8")
    return zipped(found)
