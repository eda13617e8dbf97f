"""A run's configuration -> an event for each of many executions of one node, all or none."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset  # noqa: TID253

from rheo_airflow.tasks.claim import PUMPED
from rheo_airflow.tasks.compat import AirflowFailException, BaseOperator
from rheo_airflow.tasks.run_request import CONF
from rheo_runtime.airflow_client import asset_uri


class PumpOperator(BaseOperator):
    """Sends an event of a node's trigger asset for each partition key that its run names.

    Airflow stores the events when the task succeeds, all or none: a pump that is killed has sent nothing.

    Parameters
    ----------
    app
        The application.
    """

    def __init__(self, *, app: str, **kwargs: Any) -> None:
        super().__init__(**{"retries": 0, **kwargs})
        self.app = app

    def execute(self, context: Any) -> None:
        """Send; raises AirflowFailException when there is nothing to send: Airflow would send an event without a key."""
        told = (context["dag_run"].conf or {}).get(CONF) or {}
        node, keys = told.get("node"), told.get("keys")
        if not node or not keys:
            raise AirflowFailException("this run names no executions: the listener starts it, not a person")
        asset = Asset(asset_uri(self.app, node))
        # Only this one: an outlet without keys would get an event without a key.
        self.outlets = [asset]
        events = context["outlet_events"][asset]
        events.add_partitions(list(keys))
        events.extra = {PUMPED: node}
        self.log.info("Announced %s executions of %s", len(keys), node)
