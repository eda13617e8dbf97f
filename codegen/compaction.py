"""Code that compacts tables -> the part of its script that defines ``compact_table``."""

from __future__ import annotations

import inspect
import re

from codegen import plan as p
from rheodsl import compute_sql

COMPACT = "compact_table"
_FUNCTIONS = (compute_sql.compact_table, compute_sql.latest_rows, compute_sql.equals, compute_sql.quoted)
_HEAD = '''\
# A copy of rheodsl/compute_sql.py.
class ComputeError(ValueError):
    """Arguments that name no table, or no partition of one."""

    def __init__(self, what, hint):
        super().__init__(f"{what}; {hint}")
'''


def compacts(task: p.ScriptTask) -> bool:
    """Say whether a script's code names ``compact_table``.

    >>> from codegen.plan import Code
    >>> compacts(p.ScriptTask(task_id="n", code=Code("compact_table()", "text", None, None), script="", lang="PYTHON", args=()))
    True
    """
    return task.lang == "PYTHON" and re.search(rf"\b{COMPACT}\b", task.code.text) is not None


def compaction_block() -> str:
    """Return the definition: the language's own text, without its types, so that it stands alone."""
    return "\n\n\n".join([_HEAD.rstrip(), *(_untyped(inspect.getsource(f)) for f in _FUNCTIONS)])


def _untyped(text: str) -> str:
    """A function's text without the types of its signature."""
    head, _, rest = text.partition(") -> str:\n")
    types = r": (?:str \| None|str|Sequence\[Sequence\[str\]\]|Sequence\[str\])"
    return re.sub(types, "", re.sub(f"{types} = ", "=", head)) + "):\n" + rest.rstrip()
