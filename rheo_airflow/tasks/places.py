"""A line of a generated script -> the line of the application that it shows, for what people read of a failure."""

from __future__ import annotations

import re
from pathlib import Path

from rheo_airflow.tasks import settings

# The lines around the user's code, in a comment of Python or Scala: codegen.spark_script and scala_script
# write them. A comment for formatters may stand within.
BEGIN = "--- the application's code, as it stands there ---"
END = "--- the end of the application's code ---"
_COMMENT = re.compile(r"(?:#|//) ")


class Places:
    """Where the lines of one script stand in the application.

    Parameters
    ----------
    folder
        The compiled application's, with its ``graph.json``.
    script
        The script's path in it, such as ``glue/daily.py``.
    """

    def __init__(self, folder: Path, script: str) -> None:
        self.script = script
        self.file, self.first, self.lines, self.whole = "", 0, range(0), ""
        place, code = settings.place(folder, script), folder / script
        if place is None or not code.exists():
            return
        text = [_COMMENT.sub("", line, count=1) for line in code.read_text("utf-8").splitlines()]
        if BEGIN in text and END in text:
            self.file, self.first = place
            begin, end = text.index(BEGIN) + 1, text.index(END)
            begin += text[begin] == "fmt: off"
            end -= text[end - 1] == "fmt: on"
            self.lines = range(begin + 1, end + 1)  # counted from 1
        else:
            self.whole = f"{place[0]}:{place[1]}"  # a query: whatever fails in its script is the query

    def of(self, line: int) -> str | None:
        """Return the place of a line of the script, counted from 1; None for one that is not the user's."""
        if line not in self.lines:
            return None
        return f"{self.file}:{self.first + line - self.lines.start}"

    def told(self, text: str) -> str:
        """Return what a service says of a failure, with the application's lines in place of the script's.

        Glue says ``Failed Line Number: 28``, a traceback ``File ".../daily.py", line 28``, the compiler of
        Scala ``daily.scala:28: error: ...``.
        """
        name = re.escape(Path(self.script).name)

        def failed(found: re.Match[str]) -> str:
            place = self.of(int(found[1])) or self.whole
            return found[0] if not place else f"{place}: "

        def frame(found: re.Match[str]) -> str:
            file, _, line = (self.of(int(found[1])) or "").rpartition(":")
            return f'File "{file}", line {line}' if file else found[0]

        def compiled(found: re.Match[str]) -> str:
            return self.of(int(found[1])) or found[0]

        text = re.sub(rf"(?<![^\s;])(?:\S*/)?{name}:(\d+)(?=:)", compiled, text)
        text = re.sub(r"Failed Line Number: (\d+)[;.:]?\s*", failed, text)
        return re.sub(rf'File "(?:[^"\n]*/)?{name}", line (\d+)', frame, text)
