"""cfn-lint, as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def lint() -> Callable[[dict[str, Any]], list[str]]:
    """Return what cfn-lint has to say of a template: errors, warnings and advice."""
    from cfnlint import ManualArgs
    from cfnlint.api import lint as run

    from codegen.cloudformation.stack import dumps

    config = ManualArgs(regions=["us-east-1"], include_checks=["I"])
    return lambda template: [
        f"{m.rule.id} {m.message} at {m.path}" for m in run(dumps(template), config=config)
    ]
