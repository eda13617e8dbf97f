"""``app.set_security_conf(Storage, ...)`` -> how each part of the application is secured."""

from __future__ import annotations

from rheodsl.platform import OnPlatform


class SecurityMethods(OnPlatform):
    """The part of an application that secures it."""
