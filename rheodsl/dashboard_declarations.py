"""The dashboards of an application: the part of `Application` that declares them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from rheodsl import dashboards, ir
from rheodsl.alarm_actions import AlarmError
from rheodsl.alarms import AlarmNode
from rheodsl.errors import UnknownNameError
from rheodsl.metrics import MetricNode


class DashboardDeclarations:
    """Declares dashboards and their widgets; `Application` is one."""

    name: str
    _graph: ir.Graph | None
    _dashboards: tuple[dashboards.Dashboard, ...] = ()

    def create_dashboard(self, id: str) -> str:
        """Declare a dashboard beside the default one; return its id. Raises AlarmError."""
        if any(known.id == id for known in self._dashboards) or id == dashboards.DEFAULT:
            raise AlarmError(
                f"there is a dashboard {id!r} already", hint="add widgets to it, or choose another id"
            )
        self._dashboards = (*self._dashboards, dashboards.Dashboard(id))
        self._graph = None
        return id

    def create_text_widget(
        self, dashboard_id: str, markdown: str, *, width: int = dashboards.WIDTH, height: int = 2
    ) -> None:
        """Add text to a dashboard, ``"default"`` or one of `create_dashboard`. Raises AlarmError."""
        self._add_widget(dashboard_id, dashboards.text_widget(markdown, width, height))

    def create_metric_widget(
        self,
        dashboard_id: str,
        metrics: Sequence[MetricNode] | MetricNode,
        title: str | None = None,
        *,
        width: int = 12,
        height: int = 6,
    ) -> None:
        """Add graphs of metrics to a dashboard. Raises AlarmError, FilterError."""
        self._add_widget(dashboard_id, dashboards.metric_widget(metrics, title, width, height))

    def create_alarm_widget(
        self,
        dashboard_id: str,
        alarms: Sequence[AlarmNode] | AlarmNode,
        title: str | None = None,
        *,
        width: int = 12,
        height: int = 6,
    ) -> None:
        """Add the graph of one alarm, or the states of several, to a dashboard. Raises AlarmError."""
        self._add_widget(dashboard_id, dashboards.alarm_widget(alarms, title, width, height))

    def _add_widget(self, id: str, widget: dashboards.Widget) -> None:
        known = {dashboard.id: dashboard for dashboard in self._dashboards}
        if id == dashboards.DEFAULT:
            known.setdefault(id, dashboards.Dashboard(id))
        if id not in known:
            near = difflib.get_close_matches(id, [*known, dashboards.DEFAULT], 1)
            raise UnknownNameError(
                f"{self.name} has no dashboard {id!r}",
                hint=f"did you mean {near[0]!r}?" if near else "'default', or one of create_dashboard",
            )
        known[id] = replace(known[id], widgets=(*known[id].widgets, widget))
        self._dashboards = tuple(known.values())
        self._graph = None
