"""Monitoring of a deployed application: what runs, ran and waits in it, and why a partition ran or did not."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property

from rheo_platforms.deployment import Deployment
from rheo_platforms.lifecycle.record import Records
from rheo_platforms.lifecycle.switches import DagSwitches
from rheo_platforms.operations.logs import logs_of, refused
from rheo_platforms.operations.names import written_partition
from rheo_platforms.operations.planner import Existing
from rheo_runtime import executions
from rheo_runtime.airflow_client import Refused, Unavailable, dag_id, is_telling
from rheo_runtime.consumers import Node
from rheo_runtime.engine import Engine
from rheo_runtime.explain import late_input
from rheo_runtime.ledger import shown
from rheo_runtime.program import Program
from rheo_runtime.records import Document, Refusal
from rheo_runtime.stale import stale
from rheo_runtime.sweep import reconcile
from rheo_runtime.values import Partition, joined
from rheodsl import ir
from rheodsl.describe import describe_input, describe_output
from rheodsl.errors import StateError, UnknownNameError, did_you_mean
from rheodsl.explaining import (
    explanation,
    late_partition,
    pending_of,
    records_of,
    stale_output,
)
from rheodsl.lifecycle import ApplicationState
from rheodsl.notation import show
from rheodsl.reports import (
    ComputeLog,
    ComputeRecord,
    Explanation,
    LatePartition,
    PendingNode,
    Route,
    StaleOutput,
)

_LOG = logging.getLogger("rheo")


def route_of(node: ir.Node) -> Route:
    """Return a node as its route."""
    return Route(
        id=node.id,
        inputs=tuple(map(describe_input, node.inputs)),
        links=tuple(f"{show(link.left)} == {show(link.right)}" for link in node.written),
        output=describe_output(node),
    )


class Monitoring:
    """The monitoring of one deployed application; it reads the ledger anew for each question.

    Parameters
    ----------
    deployment
        The application.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    @cached_property
    def program(self) -> Program:
        """The active route table."""
        return Program(self.deployment.routes)

    def routes(self) -> Sequence[Route]:
        """Return the active routes, by id."""
        graph = self.deployment.graph()
        return [] if graph is None else list(map(route_of, graph.nodes))

    def records(self, route: str | None) -> Sequence[ComputeRecord]:
        """Return the executions of a route, or of all. Raises UnknownNameError."""
        if route is not None:
            self._node(route)
        # What hooks are told of waiting inputs stands in the ledger, too, and is no execution of a route.
        ledger = self.deployment.ledger
        outputs = (o for o in ledger.outputs(route) if not is_telling(o.node))
        batch_run = cache(ledger.batch_run)
        return [record for o in outputs for record in records_of(self.program, shown(batch_run, o))]

    def pending(self, route: str | None) -> Sequence[PendingNode]:
        """Return what waits for one route, or for any. Raises UnknownNameError."""
        if route is not None:
            self._node(route)
        return [pending_of(waiting) for waiting in self._engine().pending(route)]

    def explain(self, route: str, partition: Sequence[object]) -> Explanation:
        """Return the account of one output partition. Raises UnknownNameError, FilterError, ValueCastError."""
        node = self._node(route)
        wanted = self._partition(node, partition)
        texts = node.join.output_texts(wanted)
        found = explanation(self._engine(), self.deployment.storage, node, texts)
        found = replace(found, paused=self.paused().get(route, ""), halted=self.halted())
        return found if found.executions else replace(found, refused=tuple(refused(self.deployment, node)))

    def stale(self, route: str | None) -> Sequence[StaleOutput]:
        """Return the outputs of a route and of what it reads, or of all, that are older than what they read.

        Each partition that was read is asked for in storage once. Raises UnknownNameError.
        """
        if route is not None:
            self._node(route)
        ledger = self.deployment.snapshot()
        known = Existing(self.program, ledger, self.deployment.storage)
        found = stale(self.program, ledger, known.written, None if route is None else [route])
        return [stale_output(each) for each in found]

    def late(self) -> Sequence[LatePartition]:
        """Return what should be there by now and is not."""
        return [late_partition(late_input(self.program, found)) for found in self._engine().late()]

    def refusals(self) -> Sequence[Refusal]:
        """Return what the listener may not look for, with the permission that is missing; the latest first."""
        found = self.deployment.ledger.refusals(time.time())
        return sorted(found, key=lambda each: (-each.time, each.permission))

    def halted(self) -> bool:
        """Whether the application is paused as a whole: its events wait."""
        s3 = self.deployment.session.client("s3")
        record = Records(s3, self.deployment.bucket, "", self.deployment.app).read()
        return record.state in (ApplicationState.PAUSED, ApplicationState.PAUSING)

    def paused(self) -> dict[str, str]:
        """Return the nodes whose DAG is paused in Airflow, and who paused it; none where Airflow does not answer."""
        dags = {dag_id(self.deployment.app, node): node for node in self.program.makers}
        try:
            found = DagSwitches(self.deployment).paused(dags)
        except (Unavailable, Refused) as fault:
            _LOG.warning("Airflow does not say which DAGs are paused: %s", fault)
            return {}
        return {dags[dag]: str(by) for dag, by in found.items()}

    def logs(self, route: str, partition: Sequence[object]) -> Sequence[ComputeLog]:
        """Return what the latest run of a partition wrote. Raises as `explain` does."""
        node = self._node(route)
        text = joined(node.join.output_texts(self._partition(node, partition)))
        output, _ = self.deployment.ledger.output(route, text, None)
        found = [] if output is None else [*records_of(self.program, output)]
        runs = [record for record in found if record.run_id is not None]
        return logs_of(self.deployment, runs[-1]) if runs else []

    def update(self, route: str | None) -> None:
        """End what Airflow no longer runs, and announce what is free to run then.

        Raises UnknownNameError, and StateError when Airflow cannot be asked.
        """
        if route is not None:
            self._node(route)
        ledger, airflow = self.deployment.ledger, self.deployment.airflow
        for output in ledger.outputs(route):
            try:
                found = reconcile(ledger, airflow.state, output, time.time())
            except (Unavailable, Refused) as fault:
                raise StateError(
                    f"Airflow does not say what became of {output.node} {output.partition}: {fault}",
                    hint="try again when it answers",
                ) from fault
            if found is not None and found.ready is not None:
                self._announce(found.ready)

    def _announce(self, document: Document) -> None:
        if document["node"] in self.program.batches:
            return  # it is READY: the sweep gathers it with others
        try:
            self.deployment.airflow.announce(document)
        except (Unavailable, Refused):
            return  # it is READY: the listener's own check announces it, and reports what is wrong
        executions.announced(
            self.deployment.ledger, document["node"], document["partition"], document["id"], time.time()
        )

    def _engine(self) -> Engine:
        return Engine(self.deployment.routes, self.deployment.snapshot(), time.time, self.deployment.storage)

    def _node(self, id: str) -> Node:
        nodes = self.program.makers
        if id not in nodes:
            known = ", ".join(nodes) or "none"
            raise UnknownNameError(
                f"{self.deployment.app} runs no node {id!r}",
                hint=did_you_mean(id, nodes, f"its nodes: {known}"),
            )
        return nodes[id]

    def _partition(self, node: Node, given: Sequence[object]) -> Partition:
        output = node.join.route.output
        return written_partition(node.id, output.dims, output.kinds, given)
