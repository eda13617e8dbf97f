"""How many random examples a law is tried on: a handful where a developer waits, as many as it deserves in CI.

In CI the examples follow from the test's code, so that what fails is the change; everywhere else they are new each time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
HANDFUL = 6

# How long an example takes says more of the machine than of the code.
for _name, _count in ((QUICK, HANDFUL), (THOROUGH, 100)):
    settings.register_profile(_name, deadline=None, max_examples=_count, derandomize="CI" in os.environ)


def load_default_profile() -> None:
    """Be quick; `--hypothesis-profile=thorough` comes later and wins."""
    settings.load_profile(QUICK)


def examples(thorough: int, **more: Any) -> settings:
    """The settings of a law that deserves so many examples when they are not counted in seconds.

    >>> examples(400).max_examples in (HANDFUL, 400)
    True
    """
    quick = settings.get_current_profile_name() == QUICK
    return settings(max_examples=HANDFUL if quick else thorough, deadline=None, **more)
