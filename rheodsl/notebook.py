"""Titles and rows -> a table of HTML, for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable


def as_html(caption: str, titles: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table, its texts escaped.

    >>> as_html("", ["a"], [["<b>"]])
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def preformatted(text: object) -> str:
    """Return a text as HTML that keeps its lines.

    >>> preformatted("a < b")
    '<pre>a &lt; b</pre>'
    """
    return f"<pre>{html.escape(str(text))}</pre>"
