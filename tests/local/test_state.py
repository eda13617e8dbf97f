"""What is written down of a stack: found by any process, and as the last one left it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rheo_platforms.local.processes import StackError, Started
from rheo_platforms.local.state import FILE, Resident, State, StateFile, load, save

pytestmark = pytest.mark.slow


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = State("env", {"moto": 1}, {"a": Resident("a", "/a", "q", paused=True)})
    state.processes.append(Started("listener", 7, 1.5, "log", "a"))
    save(state, tmp_path)
    assert load(tmp_path) == state
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_two_processes_see_what_the_other_does(tmp_path: Path) -> None:
    one, two = StateFile(tmp_path), StateFile(tmp_path)
    assert one.read() is None
    one.write(State("env", {}))
    seen = two.read()
    assert seen is not None and seen is two.read()
    seen.residents["b"] = Resident("b", "/b", "q")
    two.write(seen)
    again = one.read()
    assert again is not None and list(again.residents) == ["b"]
    two.forget()
    assert one.read() is None and two.read() is None


def test_the_only_application_need_not_be_named(tmp_path: Path) -> None:
    state = State("env", {}, {"a": Resident("a", "/a", "q")})
    assert state.resident() is state.resident("a")
    with pytest.raises(StackError, match="runs a, not b"):
        state.resident("b")
    state.residents["b"] = Resident("b", "/b", "q")
    with pytest.raises(StackError, match="the local stack runs a, b"):
        state.resident()
    with pytest.raises(StackError, match="runs no application"):
        State("env", {}).resident()


def test_processes_are_found_by_name_and_application() -> None:
    state = State("env", {})
    state.processes = [Started("listener", n, 0, "", app) for n, app in enumerate(["a", "b", "a"])]
    assert [p.pid for p in state.of("listener", "a")] == [0, 2]
    assert [p.pid for p in state.of("listener")] == [0, 1, 2]


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"version": 1, "app": "x"}')
    with pytest.raises(StackError, match="another version"):
        StateFile(tmp_path).read()
