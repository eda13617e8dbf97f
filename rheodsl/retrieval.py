"""``app.list_data()`` -> nodes: finding what is declared, or what is active."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class RetrievalMethods(OnPlatform):
    """The part of an application that finds nodes."""
