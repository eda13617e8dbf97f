"""The files of one dialect, told by how they differ from another's."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff

# What is kept of it whole; of every other dialect, how it differs.
KEPT = "mwaa-3.3"


def difference(of: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return what files have that others have not, and the other way round: the lines that differ, alone.

    >>> print(difference({"a.py": "x = 1\\n", "b.py": ""}, {"a.py": "x = 2\\n", "b.py": ""}), end="")
    --- a.py
    +++ a.py
    @@ -1 +1 @@
    -x = 1
    +x = 2
    """
    lines: list[str] = []
    for file in sorted({*of, *other}):
        before, after = of.get(file, "").splitlines(True), other.get(file, "").splitlines(True)
        lines += unified_diff(before, after, file, file, n=0)
    return "".join(lines)
