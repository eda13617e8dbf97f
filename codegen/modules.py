"""Modules of the user's own -> one file each, which jobs and the Airflow worker import by the module's name."""

from __future__ import annotations

from codegen.source import literal
from rheodsl import ir

_PACKAGE = '''\
"""The package {name} of the application, in one file: jobs take files, and no folders."""

import importlib.abc
import importlib.util
import linecache
import sys

_FILES = {files}


class _Package(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the parts of the package from their texts."""

    def find_spec(self, name, path=None, target=None):
        """Return what Python asks for, for a part of this package."""
        if name not in _FILES:
            return None
        return importlib.util.spec_from_loader(name, self, origin=_FILES[name][0], is_package=self.is_package(name))

    def is_package(self, name):
        """Say whether a part has parts of its own."""
        return _FILES[name][0].endswith("__init__.py")

    def get_source(self, name):
        """Return the text of a part."""
        return _FILES[name][1]

    def get_code(self, name):
        """Return the code of a part; a traceback shows its own lines."""
        file, text = _FILES[name]
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        return compile(text, file, "exec")


__path__ = []
_parts = _Package()
sys.meta_path.insert(0, _parts)
if {name!r} in _FILES:
    __package__ = __spec__.name
    __spec__.submodule_search_locations = __path__
    exec(_parts.get_code({name!r}), globals())
'''


def module_file(module: ir.Module) -> str:
    """Return the text of the file that stands for a module: its own, or that of a whole package."""
    if module.files and module.files[0][0] == "":
        return module.files[0][1]
    parts = {}
    for path, text in module.files:
        dotted = f"{module.name}/{path}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        parts[dotted] = (f"{module.name}/{path}", text)
    lines = "".join(
        f"    {literal(name)}: ({literal(file)}, {text!r}),\n" for name, (file, text) in parts.items()
    )
    return (
        _PACKAGE.replace("{name!r}", repr(module.name))
        .replace("{name}", module.name)
        .replace("{files}", f"{{\n{lines}}}")
    )
