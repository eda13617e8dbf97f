"""The platform of these tests: moto in this process."""

from __future__ import annotations

from deployed import cloud

__all__ = ["cloud"]
