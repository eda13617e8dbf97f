"""What tasks of generated DAGs call, against the policy that the template of their application gives.

Airflow's execution role carries a task out. The fixture ``watch`` fails a test in which one calls what it may not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.client
from moto.core import DEFAULT_ACCOUNT_ID

from codegen.cloudformation.stack import build_template
from codegen.graph_json import load_graph
from codegen.planning import build_plan
from rheodsl.testing.dags import Run
from support.iam import TEST, Call, Grant, Recorder, grants, refused, role_statements

REGION = "us-east-1"


@dataclass(frozen=True)
class Who:
    """Airflow's role, for an application whose files lie in a folder."""

    folder: Path

    def grants(self) -> list[Grant]:
        """What it is allowed."""
        app, made = _template((self.folder / "graph.json").read_text("utf-8"))
        roles = [id for id in made["Resources"] if id.startswith("AirflowPolicy")]
        return grants(
            [s for role in roles for s in role_statements(made, app, role, REGION, DEFAULT_ACCOUNT_ID)]
        )


@cache
def _template(text: str) -> tuple[str, dict[str, Any]]:
    graph = load_graph(text)
    return graph.app, build_template(build_plan(graph), graph)


@dataclass
class Watch:
    """The calls of tasks, and which of them nobody allows."""

    recorder: Recorder = field(default_factory=lambda: Recorder(DEFAULT_ACCOUNT_ID, REGION))
    known: dict[str, Who] = field(default_factory=dict)

    @contextmanager
    def calling(self, who: Who | None) -> Iterator[None]:
        """What is called meanwhile is called by ``who``, or by the test itself."""
        name, before = TEST if who is None else str(who), self.recorder.who
        if who is not None:
            self.known[name] = who
        self.recorder.who = name
        try:
            yield
        finally:
            self.recorder.who = before

    def refused(self) -> list[str]:
        """The calls that IAM would refuse."""
        calls = self.recorder.calls
        return [
            call for name, who in self.known.items() for call in refused(calls.get(name, ()), who.grants())
        ]

    def calls(self) -> set[Call]:
        """All that was called, for whatever application."""
        return {call for name in self.known for call in self.recorder.calls.get(name, ())}


_watches: list[Watch] = []


@contextmanager
def worker(dag: Any) -> Iterator[None]:
    """A task of a DAG is carried out: what is called is called by Airflow's role, where somebody watches."""
    with ExitStack() as stack:
        for watch in _watches:
            stack.enter_context(watch.calling(Who(Path(dag.fileloc).parent)))
        yield


@contextmanager
def nobody() -> Iterator[None]:
    """What is called meanwhile, in a task, a stand-in for a service does."""
    with ExitStack() as stack:
        for watch in _watches:
            stack.enter_context(watch.calling(None))
        yield


@contextmanager
def watched() -> Iterator[Watch]:
    """Record what tasks of generated DAGs call: those that `rheodsl.testing` runs, and those in a ``worker``."""
    watch = Watch()
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    do, callbacks = Run._do, Run._call

    def noted(self: Any, operation: str, given: dict[str, Any]) -> Any:
        watch.recorder.note(self.meta.service_model.service_name, operation, given)
        return call(self, operation, given)

    def doing(self: Run, task: Any, context: Any) -> None:
        with watch.calling(Who(Path(self.dag.fileloc).parent)):
            do(self, task, context)

    def called(self: Run, given: Any, context: Any) -> None:
        with watch.calling(Who(Path(self.dag.fileloc).parent)):
            callbacks(self, given, context)

    with (
        mock.patch.object(botocore.client.BaseClient, "_make_api_call", noted),
        mock.patch.object(Run, "_do", doing),
        mock.patch.object(Run, "_call", called),
    ):
        _watches.append(watch)
        try:
            yield watch
        finally:
            _watches.remove(watch)
