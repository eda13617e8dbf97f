"""``app.load_data(node[...])`` -> data: looking into partitions."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class AnalysisMethods(OnPlatform):
    """The part of an application that reads data."""
