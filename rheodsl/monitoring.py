"""``app.get_active_routes()`` -> records: what runs, ran and waits."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class MonitoringMethods(OnPlatform):
    """The part of an application that watches executions."""
