"""What is printed -> a terminal: whatever a value, an error or a log line holds, it moves no cursor and sets no colour."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

# Control characters but line ends and tabs, half characters, and what turns the direction of reading round.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def seen(text: str) -> str:
    r"""Return a text with what a terminal would obey, or cannot show, written out, as JSON does.

    >>> print(seen("\x1b[31mEU\x07 stays as it is"))
    \u001b[31mEU\u0007 stays as it is
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _Seen:
    """Something to print, of which only what Rich itself adds is obeyed."""

    def __init__(self, what: ConsoleRenderable) -> None:
        self._what = what

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._what, options):
            yield segment if segment.control else Segment(seen(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Seen(each) for each in renderables]


def console(**options: Any) -> Console:
    """Return a console, the only kind that is printed to: see `seen`."""
    made = Console(highlight=False, **options)
    made.push_render_hook(_Hook())
    return made
