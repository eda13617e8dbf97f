"""``app.import_upstream(...)`` -> another application's nodes as inputs."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class SharingMethods(OnPlatform):
    """The part of an application that connects applications."""
