"""Files of a release, and what is there now -> what somebody changed by hand since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from rheo_platforms.lifecycle.changes import ADDED, CHANGED, REMOVED, Change
from rheo_platforms.lifecycle.stores import Store


def drifted(store: Store, files: Mapping[str, str], where: str) -> Iterator[Change]:
    """Yield each file that is not as the release wrote it, is gone, or was put beside it.

    Parameters
    ----------
    store
        Where the files are.
    files
        Their texts, by their paths.
    where
        What the place is called in what is yielded.
    """
    found = store.digests()
    for path in sorted(found.keys() | files.keys()):
        name = f"{where} {path}"
        if path not in files:
            yield Change(ADDED, name)
        elif path not in found:
            yield Change(REMOVED, name)
        elif found[path] != hashlib.md5(files[path].encode()).hexdigest() and store.read(path) != files[path]:
            yield Change(CHANGED, name)
