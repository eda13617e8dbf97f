"""``Application(modules=[...])`` -> Python modules of the user's own that go where the application's code runs."""

from __future__ import annotations

import ast
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from rheodsl import compute, ir
from rheodsl.errors import ComputeError, SourceLocation, here

LARGEST = 1_000_000  # characters of all modules: they travel with each activation
ModuleLike = ModuleType | str | Path

# What is there wherever the code runs, or is shipped by Rheo itself.
_KNOWN = frozenset({
    "rheodsl", "rheo_runtime", "rheo_airflow", "rheo_platforms", "rheo_spark", "rheo_formats", "codegen",
    "rheo_diagnostics", "rheo_compaction", *sys.stdlib_module_names,
})  # fmt: skip


def read_modules(given: Sequence[ModuleLike]) -> tuple[ir.Module, ...]:
    """Return modules with their texts, sorted by name.

    Parameters
    ----------
    given
        Modules, their names, or paths of a file or a package's folder. Of ``package.part`` the whole package.

    Raises ComputeError for what is no module, holds no Python text, or is too large.
    """
    if isinstance(given, str | Path | ModuleType):
        raise ComputeError("modules= is a list", hint="modules=[helpers], or modules=['helpers']")
    found = {module.name: module for module in map(_read, given)}
    size = sum(len(text) for module in found.values() for _, text in module.files)
    if size > LARGEST:
        raise ComputeError(
            f"modules= holds more than {LARGEST:,} characters",
            hint="install what is as large, by the environment's requirements.txt",
        )
    return tuple(found[name] for name in sorted(found))


def _read(given: ModuleLike) -> ir.Module:
    shown = given.__name__ if isinstance(given, ModuleType) else str(given)
    if (top := shown.partition(".")[0]) in _KNOWN:
        raise ComputeError(
            f"modules= names {top!r}, which Python or Rheo has already",
            hint="what is there wherever the code runs is not shipped: leave it out, or rename your own",
        )
    origin = _origin(given)
    if origin is None:
        raise ComputeError(
            f"modules= names {shown!r}, which is no module",
            hint="give a module, its name as it is imported, or the path of its file or folder",
        )
    if origin.suffix not in ("", ".py"):
        raise ComputeError(
            f"modules= names {origin.name}, which is no Python text",
            hint="install it where the code runs: by the environment's requirements.txt, or Glue's own options",
        )
    if origin.is_dir():
        files = sorted(p for p in origin.rglob("*.py") if "__pycache__" not in p.parts)
        texts = tuple((p.relative_to(origin).as_posix(), p.read_text("utf-8")) for p in files)
    else:
        texts = (("", origin.read_text("utf-8")),)
    return ir.Module(
        origin.stem if texts[:1] and texts[0][0] == "" else origin.name, texts, SourceLocation(str(origin), 1)
    )


def _origin(given: ModuleLike) -> Path | None:
    """The file of a module, or the folder of a package; None when there is none."""
    if isinstance(given, Path):
        path = given if given.is_absolute() else _beside() / given
        found = path if path.is_file() or any(path.glob("*.py")) else None
        return None if found is None else found.resolve()
    name = given.__name__ if isinstance(given, ModuleType) else given
    top = name.partition(".")[0]
    return (_local(_beside(), top) or _found(top)) if top.isidentifier() else None


def _beside() -> Path:
    """The folder of the file that declares the application."""
    place = here()
    return Path.cwd() if place is None or place.file.startswith("<") else Path(place.file).parent


def _local(folder: Path, name: str) -> Path | None:
    if (folder / f"{name}.py").is_file():
        return folder / f"{name}.py"
    package = folder / name
    return package if package.is_dir() and any(package.glob("*.py")) else None


def _found(name: str) -> Path | None:
    """The file or folder of a module that Python finds."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin and os.path.isabs(spec.origin) else None


# --- what code imports ---


def imports_missing(graph: ir.Graph) -> Iterator[ComputeError]:
    """Yield a fault for each module of the user's own that code imports where it will not be.

    Installed packages are the environment's: which ones are there is not known here.
    """
    shipped = {module.name for module in graph.modules}
    for node in graph.nodes:
        for code in _codes(node):
            yield from _missing(node.id, code.text, code.where or node.where, shipped)
    for module in graph.modules:
        root = None if module.where is None else Path(module.where.file).parent
        for path, text in module.files:
            if root is not None and root.is_dir():
                file = root / module.name / path if path else root / f"{module.name}.py"
                yield from _missing(
                    f"modules={module.name}", text, SourceLocation(str(file), 1), shipped, relative=bool(path)
                )


def _codes(node: ir.Node) -> Iterator[compute.Code]:
    for target in (*node.computes, *(hook for _, hooks in node.hooks for hook in hooks)):
        if isinstance(target, compute.EmrCompute | compute.InlinedPython) or (
            isinstance(target, compute.SparkCompute) and target.lang is compute.Lang.PYTHON
        ):
            yield target.code
    yield from (check.code for check in node.checks if check.code is not None)


def _missing(
    what: str, text: str, where: SourceLocation | None, shipped: set[str], *, relative: bool = False
) -> Iterator[ComputeError]:
    for name, line in _imported(text, relative):
        top = name.partition(".")[0]
        if name.startswith("."):
            hint = "import it by its full name, and ship the package: Application(..., modules=[...])"
        elif top in shipped or top in _KNOWN or not _is_own(top, where):
            continue
        else:
            hint = f"ship it with the application: Application(..., modules=[{top!r}])"
        at = None if where is None else SourceLocation(where.file, where.line + line - 1)
        yield ComputeError(
            f"{what}: the code imports {name}, which is not there where it runs", where=at, hint=hint
        )


@lru_cache(maxsize=10_000)
def _imported(text: str, relative: bool) -> tuple[tuple[str, int], ...]:
    """The modules that code imports, with their lines; none of what is no Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ()
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                found.setdefault(name.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not relative:
                found.setdefault("." * node.level + (node.module or node.names[0].name), node.lineno)
            elif not node.level and node.module:
                found.setdefault(node.module, node.lineno)
    return tuple(sorted(found.items(), key=lambda entry: entry[1]))


def _is_own(name: str, where: SourceLocation | None) -> bool:
    """Whether a module is the user's: it stands beside the code, or where no package is installed."""
    if where is not None and os.path.isabs(where.file):
        folder = Path(where.file).parent
        if _local(folder, name) is not None:
            return True
    origin = _found(name)
    return origin is not None and not str(origin).startswith(_INSTALLED)


def _installed() -> Iterable[str]:
    paths = sysconfig.get_paths()
    yield from (paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))
    yield from site.getsitepackages()
    yield site.getusersitepackages()


_INSTALLED = tuple(os.path.join(path, "") for path in _installed())
