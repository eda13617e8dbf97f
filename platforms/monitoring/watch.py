"""A deployed application -> what runs, ran and waits in it: the `Monitoring` of every platform."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from platforms.deployment import Deployment
from platforms.monitoring.active import graph_of
from platforms.monitoring.explaining import explanation
from platforms.monitoring.logs import logs_of
from platforms.monitoring.partitions import partition_of
from platforms.monitoring.records import pending_of, records_of
from platforms.monitoring.refusals import refused
from platforms.monitoring.routes import route_of
from platforms.monitoring.snapshot import Snapshot
from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.program import Node, Program
from rheo_runtime.reconcile import reconcile
from rheo_runtime.records import Document
from rheo_runtime.texts import joined
from rheo_runtime.trigger import Refused, Unavailable, is_telling
from rheo_runtime.values import Partition
from rheodsl.errors import StateError, UnknownNameError
from rheodsl.executions import ComputeLog, ComputeRecord, Explanation, PendingNode, Route


class Watch:
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
        graph = graph_of(self.deployment)
        return [] if graph is None else list(map(route_of, graph.nodes))

    def records(self, route: str | None) -> Sequence[ComputeRecord]:
        """Return the executions of a route, or of all. Raises UnknownNameError."""
        if route is not None:
            self._node(route)
        # What hooks are told of waiting inputs stands in the ledger, too, and is no execution of a route.
        outputs = (o for o in self.deployment.ledger.outputs(route) if not is_telling(o.node))
        return [record for output in outputs for record in records_of(self.program, output)]

    def pending(self, route: str | None) -> Sequence[PendingNode]:
        """Return what waits for one route, or for any. Raises UnknownNameError."""
        if route is not None:
            self._node(route)
        return [pending_of(waiting) for waiting in self._engine().pending(route)]

    def explain(self, route: str, partition: Sequence[object]) -> Explanation:
        """Return the account of one output partition. Raises UnknownNameError, FilterError, ValueCastError."""
        node = self._node(route)
        wanted = self._partition(node, partition)
        found = explanation(self._engine(), self.deployment.storage, node, wanted)
        return found if found.executions else replace(found, refused=tuple(refused(self.deployment, node)))

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
        try:
            self.deployment.airflow.announce(document)
        except (Unavailable, Refused):
            return  # it is READY: the listener's own check announces it, and reports what is wrong
        executions.announced(
            self.deployment.ledger, document["node"], document["partition"], document["id"], time.time()
        )

    def _engine(self) -> Engine:
        client = self.deployment.session.client("dynamodb")
        return Engine(self.deployment.routes, Snapshot(self.deployment.table, client), time.time)

    def _node(self, id: str) -> Node:
        nodes = self.program.nodes
        if id not in nodes:
            near = difflib.get_close_matches(id, nodes, 1)
            known = ", ".join(nodes) or "none"
            raise UnknownNameError(
                f"{self.deployment.app} runs no node {id!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"its nodes: {known}",
            )
        return nodes[id]

    def _partition(self, node: Node, given: Sequence[object]) -> Partition:
        output = node.join.route.output
        return partition_of(node.id, output.dims, output.kinds, given)
