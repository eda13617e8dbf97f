"""``app.activate()`` -> the application runs where it lives: activate, plan, attach, pause, terminate."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class LifecycleMethods(OnPlatform):
    """The part of an application that activates, changes and ends it."""
