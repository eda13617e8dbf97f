"""What can be wrong with a template."""

from __future__ import annotations

from rheodsl.errors import RheoError


class TemplateError(RheoError):
    """CloudFormation or IAM has no room for an application."""

    code = "RD240"
