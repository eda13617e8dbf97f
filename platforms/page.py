"""The page's plugin -> the plugins folder of an Airflow, or an archive of one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import rheo_runtime

PLUGIN = "rheo_plugin.py"
BESIDE = "rheo_page"  # as the plugin has it
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows
_MODE = 0o100644 << 16


def plugin() -> str:
    """Return the text of the plugin: one module, that finds the rest of Rheo when it is asked for the page."""
    return (_root() / "ui" / "plugin.py").read_text("utf-8")


def plugins_zip() -> bytes:
    """Return a ``plugins.zip`` for MWAA: the plugin, and all that it needs; the same bytes for the same code."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in sorted(_files()):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = _MODE
            info.create_system = 3
            archive.writestr(info, text, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def _files() -> Iterator[tuple[str, str]]:
    yield PLUGIN, plugin()
    yield ".airflowignore", f"{BESIDE}/\n"  # Airflow takes every other module here for a plugin
    root = _root()
    for file in root.rglob("*"):
        path = file.relative_to(root)
        if file.is_file() and "__pycache__" not in path.parts and path.parts[0] != "tasks":
            yield f"{BESIDE}/{root.name}/{path.as_posix()}", file.read_text("utf-8")


def _root() -> Path:
    return Path(rheo_runtime.__file__).parent
