"""The steps of a newcomer's day, each a command as a person types it, with what it must print; and their seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
GOOD = "SELECT item, sum(price) AS price FROM orders GROUP BY item"
BAD = "SELECT item, sum(prize) AS price FROM orders GROUP BY item"


class Broken(Exception):
    """A command did not end or say as it must."""


@dataclass
class Day:
    """A folder outside of the repository, with an environment of its own.

    Parameters
    ----------
    folder
        An empty folder.
    fast
        Install by uv, with its cache, in place of pip.
    """

    folder: Path
    fast: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """Where `rheo init` has begun."""
        return self.folder / "shop"

    def run(self) -> None:
        """Have the whole day; raises Broken where a step is not as it must be."""
        try:
            for step in (
                self.install, self.init, self.check, self.test, self.up, self.event, self.wait,
                self.fail, self.repair, self.plan, self.pause, self.down,
            ):  # fmt: skip
                began = time.monotonic()
                print(f"-- {step.__name__}", flush=True)
                step()
                self.seconds[step.__name__] = time.monotonic() - began
                print(f"   {self.seconds[step.__name__]:.0f} s", flush=True)
        finally:
            if self.project.exists():
                self.type("rheo down")

    # --- the steps ---

    def install(self) -> None:
        """An environment of one's own."""
        self.type(f"{sys.executable} -m venv .venv", cwd=self.folder)
        installer = "uv pip install" if self.fast else "python -m pip install --quiet"
        self.type(f"{installer} {ROOT}[local] pytest", cwd=self.folder)
        self.type("rheo --version", "rheo ", cwd=self.folder)

    def init(self) -> None:
        """A project."""
        self.type("rheo init shop", "shop is begun", cwd=self.folder)

    def check(self) -> None:
        """No fault."""
        self.type("rheo check", "shop: 2 nodes, no fault")

    def test(self) -> None:
        """When the nodes run."""
        self.type("python -m pytest", "2 passed")

    def up(self) -> None:
        """A real Airflow and Spark."""
        self.type("rheo up", "shop is active", "Airflow: http://127.0.0.1:")

    def event(self) -> None:
        """From data that arrives to a result."""
        self.type(
            "rheo emit orders NA 2026-01-07 --data tests/orders.csv", "sent s3://shop-orders/NA/2026-01-07"
        )
        self.follow("2026-01-07", "SUCCEEDED")
        self.type("rheo status", "sales", "week")

    def wait(self) -> None:
        """What waits, and why."""
        self.type("rheo explain week NA 2026-01-07", "waits", "missing  sales NA/2026-01-06")

    def fail(self) -> None:
        """From a failure to its cause: a column that is not there."""
        self.edit(GOOD, BAD)
        self.type("rheo activate", "shop is active")
        self.type("rheo emit orders NA 2026-01-08 --data tests/orders.csv")
        self.follow("2026-01-08", "FAILED")
        for command in ("rheo explain sales NA 2026-01-08", "rheo status"):
            self.type(command, "FAILED", "prize", "app.py:")

    def repair(self) -> None:
        """A fix, to green."""
        self.edit(BAD, GOOD)
        self.type("rheo plan", "sales", "sum(price)")
        self.type("rheo activate", "shop is active")
        self.type("rheo execute sales NA 2026-01-08", "internal_data/sales/NA/2026-01-08")

    def plan(self) -> None:
        """Nothing is left to do."""
        self.type("rheo plan", "shop is ACTIVE; nothing would change")

    def pause(self) -> None:
        """What `up` has started is known to all commands."""
        self.type("rheo pause", "shop is paused: events wait")
        self.type("rheo explain sales NA 2026-01-09", "the application is PAUSED")
        self.type("rheo resume", "shop goes on")

    def down(self) -> None:
        """The end."""
        self.type("rheo down", "the local stack is down")

    # --- tools ---

    def type(self, command: str, *said: str, cwd: Path | None = None, seconds: float = 1200) -> str:
        """Run a command as a shell in the environment does; raises Broken when it fails, or does not say that."""
        self.typed.append(command)
        path = os.pathsep.join(
            [str(self.folder / ".venv" / "bin"), str(ROOT / ".venv" / "bin"), os.environ["PATH"]]
        )
        own = ("AWS_", "AIRFLOW", "RHEO", "PYTHON", "VIRTUAL_ENV", "PYTEST")  # of whoever runs this
        known = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        env = {**known, "PATH": path, "VIRTUAL_ENV": str(self.folder / ".venv"), "COLUMNS": "200"}
        done = subprocess.run(
            command.split(), cwd=cwd or self.project, env=env, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
        told = done.stdout + done.stderr
        if done.returncode or any(text not in told for text in said):
            raise Broken(f"$ {command}\n{told}\nended with {done.returncode}; it must say {', '.join(said)}")
        return told

    def follow(self, day: str, state: str) -> None:
        """Wait until an execution of the day is over, as one who looks again and again does."""
        for _ in range(300):
            told = self.type(f"rheo explain sales NA {day}")
            if f"; {state} " in told:
                return
            if "; FAILED " in told:
                raise Broken(told)
            time.sleep(1)
        raise Broken(f"{day} is not {state}: {told}")

    def edit(self, old: str, new: str) -> None:
        """Change the application's file."""
        file = self.project / "app.py"
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")

    def table(self) -> str:
        """Return the seconds of each step, as a table of Markdown."""
        rows = [f"| {name} | {seconds:.0f} |" for name, seconds in self.seconds.items()]
        return "\n".join(
            ["| step | seconds |", "|---|---|", *rows, f"| all | {sum(self.seconds.values()):.0f} |"]
        )
