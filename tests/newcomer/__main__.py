"""``python -m tests.newcomer [--fast]``: have a newcomer's day in a fresh folder, and print the seconds of each step."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.newcomer.day import Broken, Day


def main() -> int:
    """Have the day; return the exit status."""
    parser = argparse.ArgumentParser(description="A newcomer's day with Rheo.")
    parser.add_argument("--fast", action="store_true", help="install by uv, with its cache, in place of pip")
    parser.add_argument("--folder", type=Path, help="an empty folder; a temporary one when left out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        day = Day(given.folder or Path(made), given.fast)
        try:
            day.run()
        except Broken as fault:
            print(fault)
            return 1
        finally:
            print(day.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
