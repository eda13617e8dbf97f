"""User code of an inlined compute -> a file beside the DAG; names that it cannot have there are errors."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator
from functools import lru_cache

from codegen import plan as p
from rheodsl import compute, ir
from rheodsl.errors import ComputeError

# What the task offers beside Python's builtins; rheo_airflow.tasks.python_compute puts them there.
OFFERED = frozenset({"AWSCommonParams", "IInlinedCompute", "Signal", "diagnostics"})


def inlined_module(task: p.PythonTask) -> str:
    """Return the text of a task's file: the code alone; ``graph.json`` says where it is from."""
    return f"{task.code.text.rstrip()}\n"


def check_names(code: compute.Code, node: ir.Node) -> None:
    """Raise ComputeError when a function uses a name that will not exist where it runs."""
    offered = {*OFFERED, *(i.alias for i in node.inputs), *(f"input{n}" for n in range(len(node.inputs)))}
    unknown = sorted(free_names(code.text) - offered)
    if unknown:
        verb = "stands" if len(unknown) == 1 else "stand"
        raise ComputeError(
            f"{node.id}: {code.entry or 'the code'} uses {', '.join(unknown)}, which {verb} outside of it",
            where=code.where or node.where,
            hint="it runs alone, in the Airflow worker: import and define inside the function what it needs",
        )


def check_parameters(code: compute.Code, node: ir.Node) -> None:
    """Raise ComputeError when a Spark function asks for something that it cannot be given."""
    (function,) = (n for n in ast.parse(code.text).body if isinstance(n, ast.FunctionDef))
    arguments = function.args
    required = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    required = required[: len(required) - len(arguments.defaults)]
    required += [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    aliases = [i.alias for i in node.inputs]
    known = [*aliases, *(f"input{n}" for n in range(len(aliases))), "dimensions", "args", "spark"]
    if unknown := [name for name in required if name not in known] + [a.arg for a in arguments.posonlyargs]:
        raise ComputeError(
            f"{node.id}: {code.entry} asks for {', '.join(unknown)}, which it cannot be given",
            where=code.where or node.where,
            hint=f"its parameters may be {', '.join([*aliases, 'dimensions', 'args', 'spark'])}",
        )


@lru_cache(maxsize=256)
def free_names(text: str) -> frozenset[str]:
    """Return the names that code reads but neither defines nor has as builtins.

    >>> sorted(free_names("def f(a):\\n    return json.dumps(a) + len(b)"))
    ['b', 'json']
    """
    # Annotations are not evaluated at run time, so names in them do not count.
    table = symtable.symtable("from __future__ import annotations\n" + text, "code", "exec")
    defined = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    defined |= {child.get_name() for child in table.get_children()}
    tables = list(_tables([table]))
    defined |= {
        s.get_name()
        for t in tables
        for s in t.get_symbols()
        if s.is_global() and (s.is_assigned() or s.is_imported())
    }
    read = {s.get_name() for t in tables for s in t.get_symbols() if _reads_global(t, s)}
    return frozenset(read - defined - _ALWAYS)


_ALWAYS = frozenset({*dir(builtins), "annotations", "__name__", "__file__"})


def _tables(tables: Iterable[symtable.SymbolTable]) -> Iterator[symtable.SymbolTable]:
    for table in tables:
        yield table
        yield from _tables(table.get_children())


def _reads_global(table: symtable.SymbolTable, symbol: symtable.Symbol) -> bool:
    if not symbol.is_referenced():
        return False
    return table.get_type() == "module" or symbol.is_global()
