"""The applications that tests of this folder share."""

from .lab import shop

__all__ = ["shop"]
