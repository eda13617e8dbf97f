"""Recorded events and an application -> what each of them would do."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rheo_runtime.values import joined
from rheodsl.application import Application
from rheodsl.errors import RheoError
from rheodsl.testing.simulator import Run, Simulator


class Replay:
    """A simulator that tells, for each event, match, binding and result."""

    def __init__(self, app: Application) -> None:
        self.simulator = Simulator(app)
        self.events = 0

    def line(self, number: int, text: str) -> Iterator[str]:
        """Send the event on one line of a file; yield what it came to."""
        try:
            event = json.loads(text)
        except json.JSONDecodeError as fault:
            yield f"{number}: rejected: no JSON ({fault})"
            return
        if not isinstance(event, dict):
            yield f"{number}: rejected: an event is a JSON object"
            return
        self.events += 1
        yield from self._event(number, event)

    def _event(self, number: int, event: dict[str, object]) -> Iterator[str]:
        sim = self.simulator
        rejected, unmatched = len(sim.rejected), len(sim.unmatched)
        try:
            runs = sim.send(event)
        except RheoError as fault:
            yield f"{number}: rejected: {fault.what}"
            return
        for match in sim.matches:
            inputs = ", ".join(f"{node}.{alias}" for node, alias in match.inputs) or "no input"
            name = f"{match.signal} {joined(match.texts)}".rstrip()
            yield f"{number}: {name} -> {inputs}"
        for fault_ in sim.rejected[rejected:]:
            yield f"{number}: rejected: {fault_.reason} ({fault_.what})"
        for left in sim.unmatched[unmatched:]:
            yield f"{number}: no match: {left.reason}"
        for run in runs:
            yield f"   runs {_shown(run)}"
        if sim.matches and not runs:
            yield from self._waiting({node for match in sim.matches for node, _ in match.inputs})

    def _waiting(self, nodes: set[str]) -> Iterator[str]:
        for node in sorted(nodes):
            for waiting in self.simulator.pending(node):
                lacks = "; ".join(f"{m.alias} {m.what}: {m.reason}" for m in waiting.missing)
                name = f"{node} {waiting.output}" if waiting.output else node
                yield f"   {name} waits for {lacks}"

    def summary(self) -> str:
        """Return counts over all events."""
        sim = self.simulator
        return (
            f"{self.events} events, {len(sim.runs)} runs, {len(sim.pending())} waiting, "
            f"{len(sim.rejected)} rejected, {len(sim.unmatched)} without a match"
        )


def _shown(run: Run) -> str:
    bound = ", ".join(
        f"{alias} {joined(tuple(map(str, i.tip.values())))}".rstrip()
        + (f" (+{len(i.paths) - 1})" if len(i.paths) > 1 else "")
        for alias, i in run.inputs.items()
    )
    return f"{run.id}  {run.state}  from {bound}"
