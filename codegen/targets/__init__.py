"""Compute targets: each is one file beside this one, which says by rules what it becomes.

To add a target, write its class in rheodsl, a file here with the rules of `base`, and import it below.
"""

from __future__ import annotations

from codegen.targets import athena, batch, emr, glue, messages, python, sagemaker, step_functions
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    batchable,
    compute_fragment,
    files,
    lower,
    operator,
    permissions,
    resources,
)

TARGETS = (glue, emr, athena, python, sagemaker, batch, step_functions, messages)

__all__ = [
    "TARGETS",
    "LoweringContext",
    "Operator",
    "Statement",
    "batchable",
    "compute_fragment",
    "files",
    "lower",
    "operator",
    "permissions",
    "resources",
]
