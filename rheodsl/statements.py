"""A user's file that stops at a wrong declaration -> all that are wrong in it and do not follow from one another."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rheodsl.errors import GraphError, RheoError, UnknownNameError
from rheodsl.stopped import stopped

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Scope = dict[str, Any]


def faults_of(file: Path) -> tuple[_Scope, list[RheoError]]:
    """Run a file statement by statement, past those that raise something; return its names, and the errors.

    A statement that uses a name which a faulty one was to give is left out, and so are the names that it gives. What
    the file prints has been printed before: it is not shown. Where the file itself says that it goes no further, by
    ``exit``, ``raise`` or ``assert``, that ends it.
    """
    try:
        statements = ast.parse(file.read_bytes(), str(file)).body
    except (SyntaxError, ValueError):
        return {}, []
    futures = [s for s in statements if isinstance(s, ast.ImportFrom) and s.module == "__future__"]
    scope: _Scope = {"__name__": "<run_path>", "__file__": str(file), "__builtins__": __builtins__}
    lost: set[str] = set()  # names that have no value, as what gives it is faulty
    spoilt: set[str] = set()  # texts in faulty statements, which may be ids that others ask for
    faults: list[RheoError] = []
    with redirect_stdout(io.StringIO()):
        for statement in statements:
            given = {
                n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                given.add(statement.name)
            try:
                if lost.isdisjoint(_used(statement)):
                    module = ast.Module([*futures, statement], [])
                    exec(compile(module, str(file), "exec", dont_inherit=True), scope)
                    lost -= given
                    continue
            except UnknownNameError as fault:
                if not any(repr(text) in fault.what for text in spoilt):
                    faults.append(fault)
            except GraphError as fault:
                faults += fault.faults
            except RheoError as fault:
                faults.append(fault)
            except SystemExit:
                break
            except Exception as fault:  # noqa: BLE001 - the user's statement
                if not (isinstance(fault, NameError) and fault.name in lost):  # in a function that was called
                    faults.append(stopped(fault, file))
                if any(isinstance(n, ast.Raise | ast.Assert) for n in ast.walk(statement)):
                    break
            lost |= given
            spoilt |= _texts(statement)
    return scope, faults


def _used(node: ast.AST) -> Iterator[str]:
    """The names that a statement needs when it runs: not those within functions that it defines."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for name, child in ast.iter_fields(node):
        if name == "body" and isinstance(node, _FUNCTIONS):
            continue
        for each in child if isinstance(child, list) else [child]:
            if isinstance(each, ast.AST):
                yield from _used(each)


def _texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
