"""Processes that must be found and ended, whatever they do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rheo_platforms.local import processes
from rheo_platforms.local.processes import StackError, Started, StartError

Start = Callable[[str], Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(code)`` -> a Python process that runs it."""
    made: list[Started] = []

    def run(code: str) -> Started:
        command = [sys.executable, "-c", "import os, signal, subprocess, sys, time\n" + code]
        made.append(processes.spawn("part", command, env=os.environ, log=tmp_path / "part.log"))
        return made[-1]

    yield run
    processes.end(made, grace=0.0)


def lines(started: Started, count: int) -> list[str]:
    deadline = time.monotonic() + 10
    while len(found := Path(started.log).read_text().splitlines()) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_a_process_is_known_by_id_and_birth(start: Start) -> None:
    started = start("print('up', flush=True); time.sleep(600)")
    lines(started, 1)
    assert processes.alive(started)
    later = replace(started, created=started.created - 100)
    assert not processes.alive(later), "the id belongs to another process now"
    processes.end([later])
    assert processes.alive(started), "which is none of ours"
    processes.end([started])
    assert not processes.alive(started)
    processes.end([started])


def test_children_end_too_wherever_they_went(start: Start) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import os, time; {}; os.write(1, str(os.getpid()).encode() + bytes([10])); time.sleep(600)'])"
    started = start(
        "\n".join(child.format(leave) for leave in ("pass", "os.setpgid(0, 0)", "os.setsid()"))
        + "\ntime.sleep(600)"
    )
    pids = [int(line) for line in lines(started, 3)]
    assert len(processes.members(started)) == 3, "the one with a session of its own is no member"
    assert processes.memory([started])["part"] > 10_000_000
    processes.end([started])
    assert [pid for pid in pids if psutil.pid_exists(pid) and _runs(pid)] == []


def _runs(pid: int) -> bool:
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def test_children_of_a_dead_leader_are_found(start: Start) -> None:
    started = start("if os.fork() == 0:\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n")
    (child,) = (int(line) for line in lines(started, 1))
    while processes.alive(started):
        time.sleep(0.02)
    assert [process.pid for process in processes.members(started)] == [child]
    processes.end([started])
    assert processes.members(started) == []


def test_who_does_not_listen_is_killed(start: Start) -> None:
    started = start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    )
    lines(started, 1)
    began = time.monotonic()
    processes.end([started], grace=0.5)
    assert 0.5 <= time.monotonic() - began < 3
    assert not processes.alive(started)


def test_who_is_killed_is_not_asked(start: Start) -> None:
    started = start(
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\nprint('up', flush=True)\ntime.sleep(600)"
    )
    lines(started, 1)
    processes.end([started], grace=None)
    assert not processes.alive(started)
    assert lines(started, 1) == ["up"]


def test_none_tells_of_another_that_is_killed_with_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a machine that is lost: a parent that lives a moment longer would say that its children have failed."""
    code = "[subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']) for _ in range(20)]"
    started = start(f"{code}; print('up', flush=True); os.wait(); print('one is dead', flush=True)")
    lines(started, 1)

    def slowly(pid: int, sign: signal.Signals) -> None:
        os.kill(pid, sign)
        time.sleep(0.05)

    monkeypatch.setattr(processes, "send", slowly)
    processes.end([started], grace=None)
    assert lines(started, 1) == ["up"]


def test_who_listens_can_tidy_up(start: Start) -> None:
    started = start(
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidy', flush=True), sys.exit()))\n"
        "print('up\\n', end='', flush=True)\ntime.sleep(600)"  # in one write: the signal may come after a part
    )
    lines(started, 1)
    processes.end([started])
    assert lines(started, 2) == ["up", "tidy"]


def test_waiting_for_a_port_ends_with_the_process(start: Start) -> None:
    port, silent = processes.free_ports(2)
    listening = start(f"import socket; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)")
    processes.wait_for_port(listening, port, timeout=10)
    broken = start("print('no such setting'); sys.exit(3)")
    with pytest.raises(StartError, match="part did not start; its log ends with:\nno such setting"):
        processes.wait_for_port(broken, silent)
    slow = start("time.sleep(600)")
    with pytest.raises(StartError):
        processes.wait_for_port(slow, silent, timeout=0.3)


def test_free_ports_are_none_that_a_client_is_given_meanwhile() -> None:
    ports = processes.free_ports(50)
    assert len(set(ports)) == 50
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", ports[0])))
        clients = [stack.enter_context(socket.create_connection(server.getsockname())) for _ in range(50)]
        given = {each.getsockname()[1] for each in clients}
        assert not given & set(processes._PORTS), "outgoing connections have a range of their own"


def test_a_port_that_is_used_is_not_free() -> None:
    with pytest.MonkeyPatch.context() as patch:
        taken = processes.free_ports(1)[0]
        patch.setattr(processes, "_PORTS", range(taken, taken + 1))
        with socket.create_server(("127.0.0.1", taken)), pytest.raises(StackError) as caught:
            processes.free_ports(1)
    assert str(caught.value).startswith(f"RD502: no free port of 127.0.0.1 from {taken} to {taken}")
