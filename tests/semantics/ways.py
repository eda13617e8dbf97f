"""An application, simulated, and every other way to its executions: what they say of one another must be the same.

By hand in Airflow (parameters, or a partition key), `execute`, `execute` of named inputs, `backfill`, `explain`,
`pending`, `stale`, and the page; and, before anything runs, what is compiled and shown.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from codegen.compiler import compile_graph
from codegen.graph_json import graph_file, load_graph
from codegen.routes import route_table
from rheo_airflow.page.applications import Application as Page
from rheo_airflow.page.grid import Window
from rheo_airflow.tasks.run_request import NotAsked, by_params
from rheo_platforms.commands.show import DATA, STAGES
from rheo_platforms.operations.control import Control
from rheo_runtime import wire
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.derivation import Undetermined, of_inputs
from rheo_runtime.engine import Engine
from rheo_runtime.program import Program
from rheo_runtime.rollup import members_of
from rheo_runtime.stale import binding_made, way_of
from rheo_runtime.values import DATETIME, LONG, Partition
from rheodsl import Application
from rheodsl.testing import Run, Simulator

Told = tuple[Any, ...]
OFTEN = 2  # runs of a node that are compared; more say the same


def compiles(app: Application) -> None:
    """What is compiled parses and is read as it was written, and each stage can be shown."""
    graph, table = app.graph(), route_table(app.graph())
    for name, text in compile_graph(graph).items():
        if name.endswith(".py"):
            ast.parse(text)
    again = load_graph(graph_file(graph))
    assert (again, route_table(again)) == (graph, table)
    assert wire.RouteTable.loads(table.dumps()) == table
    for node in graph.nodes:
        for show in (*STAGES.values(), *DATA.values()):
            assert show(app, node.id)


class Ways:
    """An application as it is simulated, and its control and its page over the same ledger and storage."""

    def __init__(self, app: Application, **how: Any) -> None:
        self.app = app
        self.sim = Simulator(app, **how)
        self.program = Program(route_table(app.graph()))
        self.compared: dict[str, int] = {}
        app.platform = _Platform(self)  # type: ignore[assignment]

    def take(self, step: Any) -> list[Run]:
        """Send a view or a raw event, or let time pass; compare what ran and what waits."""
        runs = self.sim.advance(step) if isinstance(step, timedelta) else self.sim.send(step)
        for run in runs:
            if self.compared.setdefault(run.node, 0) < OFTEN:
                self.compared[run.node] += 1
                self._compare(run)
        return runs

    def there(self, signal: str, partition: Partition) -> bool:
        """Whether a partition was sent or made; of what has no data, always."""
        known = (signal, partition) in self.sim._written
        return known or self.program.signals[signal].path is None

    # --- one execution -------------------------------------------------------------------------

    def _compare(self, run: Run) -> None:
        """Each way either gives what ran, or says that only events can: all of them for the same reason."""
        wanted, ledger = told(run.document), self.sim._engine.ledger
        texts = run.document["output"]["dimensions"]
        view: Any = self.app[run.node]
        for value in run.output.values():
            view = view[value]
        key = "/".join(texts.values())
        ways: dict[str, Callable[[], Any]] = {
            "parameters": lambda: by_params(self.program, run.node, texts, None, self.there, ledger).document(
                1
            ),
            "key": lambda: by_params(self.program, run.node, {}, key, self.there, ledger).document(1),
            "execute": lambda: _only(self.app.execute(view, dry_run=True)),
            "backfill": lambda: self._backfill(run),
            "explain": lambda: self._explain(run, texts),
        }
        said = {name: _said(way) for name, way in ways.items()}
        if self._another(run, texts):
            said = {"explain": said["explain"]}
        refused = [each for each in said.values() if isinstance(each, str)]
        if refused:
            assert all(each == refused[0] for each in said.values()), f"{run.id}: {said}"
            self.compared[run.node] = -OFTEN  # it can be run by events alone
        else:
            wrong = {name: each for name, each in said.items() if each != wanted}
            assert not wrong, f"{run.id}: {wanted}\n{wrong}"
        assert told(self._of_inputs(run)) == wanted
        if run.path is not None:
            assert self.app.materialize(view) == run.path

    def _another(self, run: Run, texts: Any) -> bool:
        """Whether by hand another alternative is taken, whose data is there too."""
        ledger = self.sim._engine.ledger
        try:
            document = by_params(self.program, run.node, texts, None, self.there, ledger).document(1)
        except NotAsked:
            return False
        return bool(document.get("alternative", 0) != run.document.get("alternative", 0))

    def _backfill(self, run: Run) -> Any:
        out = self.program.makers[run.node].join.route.output
        dates = [dim for dim, kind in zip(out.dims, out.kinds, strict=True) if kind.type == DATETIME][-1:]
        ends = [run.output[dim] for dim in dates] * 2
        dims = {dim: value for dim, value in run.output.items() if dim not in dates}
        return _only(self.app.backfill(self.app[run.node], *ends, dims=dims, again=True, dry_run=True))

    def _of_inputs(self, run: Run) -> Any:
        way = way_of(self.program, run.document)
        assert way is not None
        tips = zip(way.join.triggers, binding_made(way, run.document), strict=True)

        def choose(source: wire.Input, candidates: Any) -> Any:
            return next((p for p in candidates if self.there(source.signal, p)), None)

        ledger = self.sim._engine.ledger
        draft = of_inputs(way, {source.alias: tip for source, tip in tips}, choose, ledger)
        return self.program.spelled(ledger, draft).document(1)

    def _explain(self, run: Run, texts: Any) -> Any:
        found = self.sim.explain(run.node, tuple(texts.values()))
        assert str(found)
        record = next(each for each in found.executions if each.execution_id == run.id)
        entries = {each["alias"]: each for each in run.document["inputs"]}
        for each in record.inputs:
            entry = entries[each.alias]
            assert (each.partition, list(each.paths)) == (
                "/".join(entry["dimensions"].values()),
                entry["paths"],
            )
        if found.unknown:
            return found.unknown
        way = way_of(self.program, run.document)
        assert way is not None
        needs = {(need.alias, need.partition) for need in found.needs}
        for source, tip in zip(way.join.triggers, binding_made(way, run.document), strict=True):
            signal, members = self.program.signals[source.signal], members_of(source)
            every = [tip] if members is None else [*members.members(tip)]
            named = {(source.alias, "/".join(signal.texts(each))) for each in every}
            some = members is not None and not members.complete  # those that have come
            assert not named or (needs & named if some else needs >= named), (
                f"{run.id}: {source.alias}: {found.needs}"
            )
        return run.document

    # --- what waits, and the page --------------------------------------------------------------

    def look(self) -> None:
        """What waits is explained, and the page shows what runs and waits."""
        files = {name: text for name, text in compile_graph(self.app.graph()).items() if "." in name}
        files["stack.json"] = json.dumps({"app": self.app.name, "table": "t"})
        files["routes.json"] = self.program.table.dumps()
        page = Page(self.app.name, _Files(files), lambda _: self.sim._engine.ledger, lambda *_: {})
        json.dumps([page.graph(), page.counts()])
        for node in self.program.makers:
            json.dumps([page.partitions(node, Window(), True), page.stale(node)])
            for run in [each for each in self.sim.runs if each.node == node][-1:]:
                shown = page.explain(node, run.partition)
                assert run.id in [each["id"] for each in shown["runs"]]
            for waiting in self.sim.pending(node)[-2:]:
                if waiting.output is not None:
                    self._waits(page, waiting)
        assert isinstance(self.sim.stale(), list)

    def _waits(self, page: Page, waiting: Any) -> None:
        texts = tuple(waiting.output.split("/"))
        missing = [(each.alias, each.what) for each in waiting.missing]
        explained = self.sim.explain(waiting.node, texts)
        assert str(explained)
        told = [[(each.alias, each.partition) for each in one.missing] for one in explained.pending]
        assert missing in told, f"{waiting}\n{explained}"
        shown = page.explain(waiting.node, waiting.output)["waiting"]
        assert missing in [[(each["alias"], each["what"]) for each in one["missing"]] for one in shown]
        lacks = {(m.signal, m.what) for m in waiting.missing if "used already" not in m.reason}
        lacks = {(id, what) for id, what in lacks if self.program.signals[id].path is not None}
        ways = self.program.ways(waiting.node)
        # By hand the same is missing, except that of a window which is not checked any partition will do.
        if lacks and len(ways) == 1 and not any(map(_is_open, ways[0].join.triggers)):
            view: Any = self.app[waiting.node]
            kinds = self.program.makers[waiting.node].join.route.output.kinds
            for text, kind in zip(texts, kinds, strict=True):
                view = view[int(text) if kind.type == LONG else text]
            gaps = self.app.execute(view, dry_run=True).gaps
            assert {id for id, _ in lacks} <= {gap.signal for gap in gaps} or gaps[0].signal == waiting.node


def told(document: Any) -> Told:
    """What an execution document says: the output, its path, and the tip and the paths of each input."""
    inputs = {
        each["alias"]: ("/".join(each["dimensions"].values()), *each["paths"], each.get("absent", False))
        for each in document["inputs"]
    }
    return document["output"]["dimensions"], document["output"]["path"], inputs


def _is_open(source: wire.Input) -> bool:
    return source.mode != "range_check" and any(rule.window for branch in source.branches for rule in branch)


def _said(way: Callable[[], Any]) -> Told | str:
    try:
        found = way()
    except (NotAsked, Undetermined) as fault:
        return str(fault)
    return found if isinstance(found, str) else told(found)


def _only(plan: Any) -> Any:
    """The document of a plan's one step, or why there is none."""
    if plan.lacking:
        (gap,) = plan.gaps
        return gap.why
    [step] = plan.steps
    return step.draft.document(1)


class _Files:
    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read(self, name: str) -> str:
        return self.files[name]

    def version(self) -> str:
        return ""


class _Platform:
    """What control asks of a platform, and of what is deployed there."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.ledger = ways.sim._engine.ledger
        self.storage = self
        self.airflow = Announcer(None, "environment")

    def engine(self) -> Engine:
        return Engine(self._ways.program, self.ledger, self._ways.sim._time, self)

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        return self._ways.there(signal.id, partition)

    def gone(self, signal: wire.Signal, partition: Partition) -> bool:
        return not self.exists(signal, partition)

    def active_graph(self, app: str) -> Any:
        return self._ways.app.graph()

    def lifecycle(self, app: str) -> _Platform:
        return self

    def follow(self, graph: Any, activate: bool) -> None:
        """What is declared is what is active here."""

    def bucket(self, app: str) -> str:
        return f"rheo-{app}"

    def control(self, app: str) -> Control:
        return Control(lambda: self, poll=1)  # type: ignore[arg-type, return-value]
