"""Names and their modules -> the import lines of a generated file, in the order that linters want."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.source import LINE

# Pairs of a module and a name in it.
Names = Iterable[tuple[str, str]]


def imports(names: Names) -> str:
    """Return the lines that import these names.

    >>> print(imports([("airflow.sdk", "DAG"), ("functools", "partial")]))
    from functools import partial
    <BLANKLINE>
    from airflow.sdk import DAG
    """
    wanted = set(names)
    modules = {m: _sorted(n for other, n in wanted if other == m) for m in sorted({m for m, _ in wanted})}
    groups = [
        "\n".join(_import(m, n) for m, n in modules.items() if _group(m) == group) for group in range(3)
    ]
    return "\n\n".join(filter(None, groups))


def _group(module_: str) -> int:
    """Python's own modules, others', ours."""
    return 2 if module_.startswith("rheo_runtime.") else int(module_.startswith("airflow."))


def _import(module_: str, names: list[str]) -> str:
    line = f"from {module_} import {', '.join(names)}"
    if len(line) <= LINE:
        return line
    return f"from {module_} import (\n" + "".join(f"    {n},\n" for n in names) + ")"


def _sorted(names: Iterable[str]) -> list[str]:
    """As isort does: constants, classes, functions."""
    return sorted(names, key=lambda n: (not n.isupper(), n.islower(), n))
