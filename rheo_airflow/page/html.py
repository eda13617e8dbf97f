"""The page's parts -> one HTML text: served with live data, or written to a file with its data inside."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

# In the order in which they build on each other.
SCRIPTS = ("shared.js", "graph.js", "grid.js", "panel.js", "main.js")
STYLES = ("page.css",)


def served(nonce: str) -> str:
    """Return the page that reads its data from beside it; ``nonce`` is what its policy lets pass."""
    return _page("Rheo", "", f' nonce="{nonce}"')


def standalone(model: Mapping[str, Any]) -> str:
    """Return the page with one application's graph inside: a file that needs nothing else."""
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    data = json.dumps(model, ensure_ascii=False, separators=(",", ":"))
    # Inside a script element only this could end it, or begin what a browser reads in another way.
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<script type="application/json" id="data">{data}</script>\n'
    )
    return _page(f"Rheo: {model['app']}", head, "")


def _page(title: str, head: str, attribute: str) -> str:
    parts = {
        "title": html.escape(title),
        "head": head,
        "style": f"<style{attribute}>\n{_text(*STYLES)}</style>",
        "script": f"<script{attribute}>\n'use strict';\n{_text(*SCRIPTS)}</script>",
    }
    before, *rest = _text("page.html").split("<!--")
    # Each part stands where the page has a comment of its name.
    pieces = [before]
    for piece in rest:
        name, _, after = piece.partition("-->")
        pieces += [parts[name], after]
    return "".join(pieces)


@cache
def _text(*names: str) -> str:
    folder = files("rheo_airflow.page").joinpath("assets")
    return "".join(folder.joinpath(name).read_text("utf-8") for name in names)
