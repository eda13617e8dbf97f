"""An execution -> names and tokens for what it starts, and the user's texts about it. No Airflow in here.

A name is the same whenever the same try of the same execution asks, so nothing is started twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from rheo_runtime.records import Document


def token(document: Document, attempt: int) -> str:
    """Return an idempotency token: 64 hexadecimal digits.

    >>> len(token({"app": "a", "id": "n/EU#1"}, 1))
    64
    """
    return hashlib.sha256(f"{document['app']}/{document['id']}/{attempt}".encode()).hexdigest()


def name(document: Document, attempt: int, longest: int = 63) -> str:
    """Return a name that people can read: node, partition, and what makes it unique.

    Letters, digits and single dashes only, which every service takes.

    >>> name({"app": "a", "id": "n/EU#1", "node": "n", "partition": "EU"}, 2)[:7]
    'n-EU-2-'
    """
    unique = f"-{attempt}-{token(document, 0)[:12]}"
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{document['node']}-{document['partition']}").strip("-")
    return readable[: longest - len(unique)].rstrip("-") + unique


def filled(value: Any, document: Document, spelled: Callable[[str], str] = str) -> Any:
    """Return JSON values with the ``{...}`` of their texts filled in.

    ``{day}`` is a dimension of the output; ``{output}``, ``{inputs[orders]}``, ``{app}``, ``{node}`` and
    ``{execution}`` are what they say; ``{{`` is a brace. ``spelled`` writes each of them as the place that
    takes it needs it: they may come from the names of others' folders.

    >>> out = {"dimensions": {"day": "2013-01-01"}, "path": "s3://b/n/2013-01-01"}
    >>> document = {"app": "a", "id": "n/1#1", "node": "n", "output": out, "inputs": []}
    >>> filled({"cmd": ["--day", "{day}", "{output}"]}, document)
    {'cmd': ['--day', '2013-01-01', 's3://b/n/2013-01-01']}
    """
    names = _spelled(_names(document), spelled)

    def fill(part: Any) -> Any:
        if isinstance(part, str):
            return part.format_map(names)
        if isinstance(part, Mapping):
            return {fill(key): fill(each) for key, each in part.items()}
        if isinstance(part, list | tuple):
            return [fill(each) for each in part]
        return part

    return fill(value)


def _spelled(names: Any, spelled: Callable[[str], str]) -> Any:
    if isinstance(names, dict):
        return {name: _spelled(value, spelled) for name, value in names.items()}
    return spelled(names) if isinstance(names, str) else names


def _names(document: Document) -> dict[str, Any]:
    return {
        "app": document["app"],
        "node": document["node"],
        "execution": document["id"],
        "output": document["output"]["path"],
        "inputs": {entry["alias"]: (entry["paths"] or [""])[0] for entry in document["inputs"]},
        **document["output"]["dimensions"],
    }
