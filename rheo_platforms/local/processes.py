"""Processes of a stack: each leads a session of its own, to be found and ended from any other process."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from rheodsl.errors import RheoError

_LOOPBACK = "127.0.0.1"

# Below what systems give to outgoing connections (from 32768 on Linux: net.ipv4.ip_local_port_range; from 49152
# elsewhere: RFC 6335): a server binds seconds after its port is chosen, and any client would take such a one meanwhile.
_PORTS = range(20_000, 30_000)


class StartError(RheoError, RuntimeError):
    """A process of the local stack did not start."""

    code = "RD501"

    def __init__(self, name: str, log: str) -> None:
        end = tail(Path(log), 15)
        super().__init__(f"{name} did not start; its log ends with:\n{end}", hint=f"the whole log is {log}")


class StackError(RheoError, RuntimeError):
    """The local stack is not in the state that an operation needs."""

    code = "RD502"


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a text file; an absent file is empty."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(frozen=True, slots=True)
class Started:
    """A process that leads its own session; ``created`` tells it from a later one with the same id.

    ``app`` is the application that it serves, empty when it serves all.
    """

    name: str
    pid: int
    created: float
    log: str
    app: str = ""


def spawn(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    user: str | None = None,
    cwd: Path | None = None,
    app: str = "",
) -> Started:
    """Start ``command`` as the leader of a new session, its output appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            cwd=cwd,
        )
    # The object is not kept: from here on the process is known by its id, as to any other process.
    process.returncode = 0
    try:
        created: float = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        created = time.time()
    return Started(name, process.pid, created, str(log), app)


def alive(started: Started) -> bool:
    """Say whether the process itself still runs (its children do not count)."""
    return any(process.pid == started.pid for process in members(started))


def members(started: Started) -> list[psutil.Process]:
    """Return the running processes of a session; empty once its id belongs to another process."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != started.pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.pid == started.pid and abs(process.create_time() - started.created) > 1:
                return []
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
        found.append(process)
    return found


def find(started: Iterable[Started], words: str) -> list[psutil.Process]:
    """Return the processes of the sessions that have ``words`` on their command line."""
    found: list[psutil.Process] = []
    for process in (process for each in started for process in members(each)):
        try:
            if words in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def end(started: Iterable[Started], *, grace: float | None = 10.0) -> None:
    """End every process of the sessions: asked first, killed after ``grace`` seconds (None: not asked)."""
    sessions = list(started)
    everyone = {process for each in sessions for process in members(each)}
    end_processes(everyone, grace=grace, more=lambda: (p for each in sessions for p in members(each)))
    _reap(sessions)


def end_processes(
    processes: Iterable[psutil.Process],
    *,
    grace: float | None = 10.0,
    more: Callable[[], Iterable[psutil.Process]] = tuple,
) -> None:
    """End processes and all their descendants, and whatever ``more`` finds meanwhile; as ``end`` does.

    Those that are killed are stopped first, all of them: none sees another one die, and tells somebody.
    """
    left = set(processes)
    asking = [] if grace is None else [(signal.SIGTERM, grace)]
    for sign, patience in (*asking, (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        if sign is signal.SIGKILL:
            left = _stopped(left, more)
        asked: set[psutil.Process] = set()
        # A task may have made a session of its own: it is found as a descendant, while its parent lives.
        while left := {p for p in left | descendants(left) | set(more()) if _running(p)}:
            for process in left - asked:
                send(process.pid, sign)
            asked |= left
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    if left:
        raise RuntimeError(f"processes that cannot be killed: {sorted(process.pid for process in left)}")


def _stopped(
    processes: Iterable[psutil.Process], more: Callable[[], Iterable[psutil.Process]]
) -> set[psutil.Process]:
    """Stop processes and their descendants until none is left that could make another one; return them."""
    found, stopped = set(processes), set[psutil.Process]()
    while new := {p for p in found | descendants(found) | set(more()) if _running(p)} - stopped:
        for process in new:
            send(process.pid, signal.SIGSTOP)
        stopped |= new
        found |= new
    return stopped


def marked(name: str, value: str) -> list[psutil.Process]:
    """Return all other processes whose environment has this variable: those of a dead starter, too."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # another user's, or gone
    return found


def send(pid: int, sign: signal.Signals) -> None:
    """Send a signal; a process that has just ended is no fault."""
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return


def descendants(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Return the children of processes, their children, and so on; those of a process that is gone are lost."""
    found: set[psutil.Process] = set()
    for process in processes:
        try:
            found |= set(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    return found


def _running(process: psutil.Process) -> bool:
    try:
        # is_running() also compares creation times: an id that was given again does not count.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _reap(sessions: Iterable[Started]) -> None:
    for each in sessions:
        try:
            os.waitpid(each.pid, os.WNOHANG)
        except ChildProcessError:  # started by another process, or reaped before
            continue


def memory(started: Iterable[Started]) -> dict[str, int]:
    """Return the private memory of each session in bytes (shared pages are divided among their users)."""
    result: dict[str, int] = {}
    for each in started:
        total = 0
        everyone = members(each)
        for process in descendants(everyone) | set(everyone):
            try:
                info = process.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            total += getattr(info, "pss", info.rss)
        result[each.name] = total
    return result


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 that are free, and that no outgoing connection is given until they are used.

    Raises
    ------
    StackError
        When there are not that many.
    """
    found = list(itertools.islice(filter(_free, random.sample(_PORTS, len(_PORTS))), count))
    if len(found) < count:
        raise StackError(f"no free port of {_LOOPBACK} from {_PORTS.start} to {_PORTS.stop - 1}")
    return found


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def listening(port: int) -> bool:
    """Say whether something accepts connections on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_LOOPBACK, port)) == 0


def wait_for_line(started: Started, text: str, *, skip: int = 0, timeout: float = 60.0) -> None:
    """Wait until ``started`` has written ``text``, after the first ``skip`` bytes of its log.

    Raises
    ------
    StartError
        When the process ends or does not write it in time.
    """
    deadline = time.monotonic() + timeout
    while text.encode() not in Path(started.log).read_bytes()[skip:]:
        if not alive(started) or time.monotonic() > deadline:
            raise StartError(started.name, started.log)
        time.sleep(0.05)


def wait_for_port(started: Started, port: int, *, timeout: float = 60.0) -> None:
    """Wait until ``started`` listens on ``port``.

    Raises
    ------
    StartError
        When the process ends or does not listen in time; the end of its log is in the message.
    """
    deadline = time.monotonic() + timeout
    while not listening(port):
        if not alive(started) or time.monotonic() > deadline:
            raise StartError(started.name, started.log)
        time.sleep(0.05)
