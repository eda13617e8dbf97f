"""Rheo's run time -> beside the DAG files of an MWAA environment, where Airflow can import it.

Airflow has the folder of DAGs on its path, so that neither plugins nor requirements of the environment
change: an update of an environment takes half an hour, a copy of some files a second.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import rheo_runtime
from platforms.lifecycle.errors import DeployError
from platforms.lifecycle.stores import BucketStore

FOLDER = "rheo_runtime/"
_MARK = "rheo.json"  # written last: what is there, whole
_DISTRIBUTION = "rheodsl"


def sources() -> dict[str, str]:
    """Return the text of each file of the run time, by its path in the package."""
    root = Path(rheo_runtime.__file__).parent
    found = {
        file.relative_to(root).as_posix(): file.read_text("utf-8") for file in sorted(root.rglob("*.py"))
    }
    # Airflow must not look for DAGs in it.
    return {**found, ".airflowignore": "**\n"}


def install(s3: object, bucket: str, dags: str) -> bool:
    """Let the environment have this version of the run time; return whether anything changed.

    Parameters
    ----------
    bucket, dags
        Where the environment reads its DAG files.

    Raises DeployError when another application has brought a later version.
    """
    store = BucketStore(s3, bucket, dags + FOLDER)
    files = sources()
    mark = {"version": version(_DISTRIBUTION), "digest": _digest(files)}
    text = store.read(_MARK)
    known = json.loads(text) if text is not None else None
    if known == mark:
        return False
    if known is not None and _order(known["version"]) > _order(mark["version"]):
        raise DeployError(
            f"s3://{bucket}/{dags}{FOLDER} is of version {known['version']}, this is {mark['version']}",
            hint=f"install the later one: pip install {_DISTRIBUTION}=={known['version']}",
        )
    store.write(files)
    store.remove(store.paths() - files.keys() - {_MARK})
    store.write({_MARK: json.dumps(mark, sort_keys=True)})
    return True


def uninstall(s3: object, bucket: str, dags: str) -> None:
    """Take the run time away, unless some application needs it."""
    everything = BucketStore(s3, bucket, dags)
    if not any(path.endswith("/MANIFEST.json") for path in everything.paths()):
        store = BucketStore(s3, bucket, dags + FOLDER)
        store.remove(store.paths())


def _digest(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _order(text: str) -> tuple[int, ...]:
    """The numbers of a version, to be compared.

    >>> _order("0.10.1") > _order("0.9")
    True
    """
    return tuple(int(part) for part in text.split(".") if part.isdigit())
