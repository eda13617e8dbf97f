"""``python -m benchmarks [NAME ...]``: run benchmarks, print their tables, write ``build/bench/NAME.json``.

A benchmark is a module here with ``run() -> list of {name, value, unit, baseline, ratio, note}``. One that
says ``BY_NAME = True`` runs only when it is named.
"""

from __future__ import annotations

import json
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path("build/bench")


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    here = Path(__file__).parent
    known = sorted(m.name for m in pkgutil.iter_modules([str(here)]) if not m.name.startswith("_"))
    if unknown := set(names) - set(known):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    console = Console()
    for name in names or known:
        module = import_module(f"benchmarks.{name}")
        if not hasattr(module, "run") or (not names and getattr(module, "BY_NAME", False)):
            continue
        results = module.run()
        (FOLDER / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        table = Table(title=name, title_justify="left")
        for column in ("name", "value", "unit", "baseline", "ratio", "note"):
            table.add_column(column, justify="right" if column in ("value", "baseline", "ratio") else "left")
        for result in results:
            table.add_row(*("" if (v := result.get(c.header)) is None else _shown(v) for c in table.columns))
        console.print(table)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
