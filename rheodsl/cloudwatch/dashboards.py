"""Dashboards and the widgets that a user adds to them, as they are declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rheodsl import ir
from rheodsl.cloudwatch.alarm_definitions import AlarmError
from rheodsl.cloudwatch.alarms import AlarmNode
from rheodsl.cloudwatch.metrics import MetricNode
from rheodsl.errors import UnknownNameError, did_you_mean
from rheodsl.ir import AlarmWidget as AlarmWidget
from rheodsl.ir import Dashboard as Dashboard
from rheodsl.ir import MetricWidget as MetricWidget
from rheodsl.ir import TextWidget as TextWidget
from rheodsl.ir import Widget as Widget

DEFAULT: Final = "default"
WIDTH: Final = 24  # units of a CloudWatch dashboard


def with_dashboard(known: tuple[Dashboard, ...], id: str) -> tuple[Dashboard, ...]:
    """Return dashboards with one more; raises AlarmError."""
    if any(there.id == id for there in known) or id == DEFAULT:
        raise AlarmError(
            f"there is a dashboard {id!r} already", hint="add widgets to it, or choose another id"
        )
    return (*known, Dashboard(id))


def with_widget(
    app: str, dashboards: tuple[Dashboard, ...], id: str, widget: Widget
) -> tuple[Dashboard, ...]:
    """Return an application's dashboards with one more widget on one of them; raises UnknownNameError."""
    known = {dashboard.id: dashboard for dashboard in dashboards}
    if id == DEFAULT:
        known.setdefault(id, Dashboard(id))
    if id not in known:
        raise UnknownNameError(
            f"{app} has no dashboard {id!r}",
            hint=did_you_mean(id, [*known, DEFAULT], "'default', or one of create_dashboard"),
        )
    known[id] = replace(known[id], widgets=(*known[id].widgets, widget))
    return tuple(known.values())


def text_widget(markdown: str, width: int, height: int) -> TextWidget:
    """Return a text widget; raises AlarmError."""
    if not isinstance(markdown, str) or not markdown.strip():
        raise AlarmError(f"{markdown!r} is no text of a widget", hint='"# Sales"')
    return TextWidget(markdown, *_size(width, height))


def metric_widget(
    metrics: Sequence[MetricNode] | MetricNode, title: str | None, width: int, height: int
) -> MetricWidget:
    """Return a widget with a graph of each metric; raises AlarmError, FilterError."""
    many = [metrics] if isinstance(metrics, MetricNode) else list(metrics)
    for metric in many:
        if not isinstance(metric, MetricNode):
            raise AlarmError(f"{metric!r} is no metric", hint='metric["Error"][MetricStatistic.SUM]')
    if not many:
        raise AlarmError("a metric widget needs a metric", hint='metric["Error"][MetricStatistic.SUM]')
    shown = title or ", ".join(dict.fromkeys(metric.id for metric in many))
    return MetricWidget(shown, tuple(m.stat("the widget") for m in many), *_size(width, height))


def alarm_widget(
    alarms: Sequence[AlarmNode] | AlarmNode, title: str | None, width: int, height: int
) -> AlarmWidget:
    """Return a widget over alarms; raises AlarmError."""
    many = [alarms] if isinstance(alarms, AlarmNode) else list(alarms)
    for alarm in many:
        if not isinstance(alarm, AlarmNode):
            raise AlarmError(f"{alarm!r} is no alarm", hint="give what create_alarm returned")
    if not many:
        raise AlarmError("an alarm widget needs an alarm", hint="give what create_alarm returned")
    ids = tuple(alarm.id for alarm in many)
    return AlarmWidget(title or ", ".join(ids), ids, *_size(width, height))


def _size(width: int, height: int) -> tuple[int, int]:
    for name, value, most in (("width", width, WIDTH), ("height", height, 1000)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise AlarmError(f"the {name} of a widget is {value!r}", hint=f"a whole number from 1 to {most}")
    return width, height


def dashboards_of(graph: ir.Graph) -> tuple[Dashboard, ...]:
    """Return an application's dashboards; the default one is always there."""
    found: tuple[Dashboard, ...] = graph.dashboards
    return found if any(d.id == DEFAULT for d in found) else (Dashboard(DEFAULT), *found)
