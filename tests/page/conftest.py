"""The browser's fixtures."""

from .browser import browse, browser

__all__ = ["browse", "browser"]
