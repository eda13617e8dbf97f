"""The run time and a route table -> the listener's zip, the same bytes for the same code."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "rheo_runtime"
ROUTES = "routes.json"
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows
_MODE = 0o100644 << 16


def lambda_zip(routes: str) -> bytes:
    """Return the zip of the listener: our own code and the route table; boto3 is in Lambda's image.

    Parameters
    ----------
    routes
        The text of ``routes.json``.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in [*_sources(), (ROUTES, routes)]:
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = _MODE
            info.create_system = 3
            archive.writestr(info, text, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def _sources() -> list[tuple[str, str]]:
    """The modules that the listener imports, directly or not, by their paths; no others."""
    root = Path(__file__).parents[2]
    found: dict[str, str] = {}
    waiting = [f"{PACKAGE}.listener"]
    while waiting:
        name = waiting.pop()
        file = root.joinpath(*name.split("."))
        path = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        where = path.relative_to(root).as_posix()
        if where in found or not path.exists():  # a name in a module, not a module
            continue
        found[where] = path.read_text("utf-8")
        waiting += _imported(found[where])
        waiting += name.rpartition(".")[:1]  # the package that it is in
    return sorted((path, undocumented(source)) for path, source in found.items())


def undocumented(source: str) -> str:
    """Return a module without its docstrings, each line at its number: tracebacks stay right.

    >>> undocumented("def f():\\n    'It returns 1.'\\n    return 1\\n")
    'def f():\\n    ""\\n    return 1\\n'
    """
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                match node.body:
                    case [ast.Expr(ast.Constant(str()) as text), *_]:
                        _blank(lines, text)
    return "\n".join(lines) + "\n"


def _blank(lines: list[str], text: ast.Constant) -> None:
    first, last = text.lineno - 1, (text.end_lineno or text.lineno) - 1
    # A docstring may share its line with code; offsets count bytes.
    before = lines[first].encode()[: text.col_offset].decode()
    after = lines[last].encode()[text.end_col_offset :].decode()
    lines[first : last + 1] = [f'{before}""{after}', *[""] * (last - first)]


def _imported(source: str) -> Iterator[str]:
    """Names of our own modules, or of what is in them, that a module imports at any place."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
