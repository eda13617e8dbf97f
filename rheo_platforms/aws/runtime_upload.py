"""What tasks import of Rheo -> beside the DAG files of an MWAA environment, each release with its own.

Neither plugins nor requirements of the environment change: an update of an environment takes half an hour,
a copy of some files a second. Each version lies in a folder of its own, ``_rheo/ID/``, and the first lines of a
DAG file say which one it imports, so that applications of one environment need not agree on a version. A version
stays while an application names it in its ``runtime.json``: that of its release, and the one before, on which
runs may be under way.

DAG files that were brought out before there were folders import from the folder of DAGs itself; while there are
any, what they import stays there, and is that of the latest version that somebody brought.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version

from rheo_platforms import airflow_files
from rheo_platforms.lifecycle.place import NAMED
from rheo_platforms.lifecycle.stores import BucketStore

HOME = "_rheo/"  # no name of an application begins like this
_FOLDERS = tuple(f"{package}/" for package in airflow_files.PACKAGES)
SHARED = (*_FOLDERS, airflow_files.FORMATS)
_MARK = "rheo.json"  # written last: what is there, whole
_SHARED_MARK = f"rheo_runtime/{_MARK}"
_IGNORED = {".airflowignore": "**\n"}  # Airflow must not look for DAGs in it
_SHARED_IGNORED = dict.fromkeys((f"{folder}.airflowignore" for folder in _FOLDERS), "**\n")
_DISTRIBUTION = "rheodsl"

_HEADER = """\
import sys
from pathlib import Path

# Rheo, as it was when this file was brought out.
if sys.path[0] != (_home := str(Path(__file__).parents[1] / "_rheo" / "{id}")):
    sys.path.insert(0, _home)
    for _name in [name for name in sys.modules if name.partition(".")[0] in ("rheo_airflow", "rheo_formats", "rheo_runtime")]:
        del sys.modules[_name]
"""


def bound(text: str, id: str) -> str:
    """Return a DAG file that imports the version ``id``: after its docstring stands where to find it.

    >>> bound("'A DAG.'\\n\\nimport rheo_airflow\\n", "0123").splitlines()[:3]
    ["'A DAG.'", '', 'import sys']
    """
    first = ast.parse(text).body[0]
    end = first.end_lineno or 0 if isinstance(first, ast.Expr) else 0
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:end], "\n", _HEADER.format(id=id), *lines[end:]])


def install(store: BucketStore, app: str, id: str, files: Mapping[str, str]) -> None:
    """Let the environment have a version, for an application.

    Parameters
    ----------
    store
        The folder of the environment's DAG files.
    id, files
        The version, and its files by their paths.
    """
    known = _named(store, app)
    named = [id, *(each for each in known if each != id)][:2]
    if named != known:  # before the files: nobody else takes them away then
        store.write({f"{app}/{NAMED}": json.dumps({"runtimes": named})})
    home = BucketStore(store.s3, store.bucket, f"{store.prefix}{HOME}{id}/")
    if home.read(_MARK) is None:
        whole = support_files(files)
        home.write({path: text for path, text in whole.items() if path != _MARK})
        home.write({_MARK: whole[_MARK]})
    if _older(store):
        _install_shared(store)


def support_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return all files of a version's folder, from those that DAG files import; the mark is the last one."""
    return {**files, **_IGNORED, _MARK: json.dumps({"version": version(_DISTRIBUTION)})}


def prune(store: BucketStore) -> None:
    """Take away each version that no application of the environment needs any more."""
    needed = {id for app in store.folders() for id in _named(store, app)}
    for id in sorted(store.folders(HOME) - needed):
        home = BucketStore(store.s3, store.bucket, f"{store.prefix}{HOME}{id}/")
        home.remove([_MARK])  # first: what is half there is not taken for whole
        home.remove(home.paths())
    if _shared(store) and not _older(store):
        store.remove([_SHARED_MARK])
        store.remove(path for path in store.paths() if path.startswith(SHARED))


def _named(store: BucketStore, app: str) -> list[str]:
    text = store.read(f"{app}/{NAMED}")
    found: list[str] = [] if text is None else json.loads(text)["runtimes"]
    return found


def _shared(store: BucketStore) -> bool:
    """Whether something of Rheo lies in the folder of DAGs itself."""
    return not store.folders().isdisjoint(airflow_files.PACKAGES)


def _older(store: BucketStore) -> bool:
    """Whether an application has DAG files that import from the folder of DAGs itself."""
    if not _shared(store):
        return False
    paths = store.paths()
    bound_ = {path.partition("/")[0] for path in paths if path.endswith(f"/{NAMED}")}
    dags = {path.partition("/")[0] for path in paths if path.count("/") == 1 and path.endswith(".py")}
    return bool(dags - bound_ - {folder.rstrip("/") for folder in _FOLDERS})


def _install_shared(store: BucketStore) -> None:
    """Bring this version for DAG files of before, unless a later one is there."""
    files = {**airflow_files.sources(), **_SHARED_IGNORED}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    mark = {"version": version(_DISTRIBUTION), "digest": digest}
    text = store.read(_SHARED_MARK)
    known = json.loads(text) if text is not None else None
    if known == mark or (known is not None and _order(known["version"]) > _order(mark["version"])):
        return
    store.write(files)
    there = {path for path in store.paths() if path.startswith(SHARED)}
    store.remove(there - files.keys() - {_SHARED_MARK})
    store.write({_SHARED_MARK: json.dumps(mark, sort_keys=True)})


def _order(text: str) -> tuple[int, ...]:
    """The numbers of a version, to be compared.

    >>> _order("0.10.1") > _order("0.9")
    True
    """
    return tuple(int(part) for part in text.split(".") if part.isdigit())
