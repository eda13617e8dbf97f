"""The hooks that a simulated run, or inputs that wait, would call -> a list that a test looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rheodsl import ir
from rheodsl.compute import Compute
from rheodsl.hooks import CHECKPOINT


@dataclass(frozen=True)
class HookCall:
    """One call of a hook: ``name`` is the moment, such as "on_success", ``node`` whose it is.

    ``id`` is the execution's; for inputs that wait, it says what waits and since when. ``called`` is what
    would be called, ``document`` what it would be told.
    """

    name: str
    node: str
    id: str
    called: tuple[Compute, ...] = field(repr=False, compare=False)
    document: Mapping[str, Any] = field(repr=False, compare=False)


class RunWithHooks(Protocol):
    """What is needed of a run."""

    node: str
    state: str
    hooks: list[HookCall]

    @property
    def document(self) -> Mapping[str, Any]:
        """The execution."""


class HookCalls:
    """The calls of hooks in one simulation; ``calls`` are all of them, in order.

    Each compute of a run succeeds, or each fails; none is retried.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.calls: list[HookCall] = []
        self._slots = {node.id: dict(node.hooks) for node in graph.nodes if node.hooks}
        self._computes = {node.id: len(node.computes) for node in graph.nodes}
        self._since: list[tuple[float, RunWithHooks]] = []

    def begin(self, run: RunWithHooks, now: float) -> None:
        """A run starts."""
        if run.node in self._slots:
            self._hook("on_exec_begin", run.document, run)
            self._since.append((now, run))

    def end(self, run: RunWithHooks) -> None:
        """A run is over."""
        if run.node not in self._slots:
            return
        what = "success" if run.state == "SUCCEEDED" else "failure"
        for _ in range(self._computes[run.node]):
            self._hook(f"on_compute_{what}", run.document, run)
        self._hook(f"on_{what}", run.document, run)

    def skipped(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Executions were merged into later ones."""
        for document in documents:
            self._hook("on_exec_skipped", document)

    def told(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Inputs wait: the listener says so to a DAG of its own."""
        for document in documents:
            hook = document["hook"]
            where = document["partition"].removesuffix(f"/{hook['name']}")
            called = self._slots[hook["node"]][hook["name"]]
            self.calls.append(HookCall(hook["name"], hook["node"], where, called, document))

    def tick(self, now: float) -> None:
        """Call the checkpoints that running executions have come to."""
        self._since = [(since, run) for since, run in self._since if run.state == "RUNNING"]
        for since, run in self._since:
            called = {call.name for call in run.hooks}
            names = [name for name in self._slots[run.node] if name.startswith(CHECKPOINT)]
            for name in sorted(names, key=_seconds):
                if name not in called and now - since >= _seconds(name):
                    self._hook(name, run.document, run)

    def _hook(self, name: str, document: Mapping[str, Any], run: RunWithHooks | None = None) -> None:
        called = self._slots.get(document["node"], {}).get(name)
        if called:
            call = HookCall(name, document["node"], document["id"], called, document)
            self.calls.append(call)
            if run is not None:
                run.hooks.append(call)


def _seconds(name: str) -> int:
    return int(name.removeprefix(CHECKPOINT))
