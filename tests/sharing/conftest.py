"""The platform of these tests: moto in this process."""

from __future__ import annotations

from support.cloud import cloud

__all__ = ["cloud"]
