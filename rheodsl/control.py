"""``app.process(signal[...])`` -> executions: events and runs that a person asks for."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class ControlMethods(OnPlatform):
    """The part of an application that sends events and starts executions."""
