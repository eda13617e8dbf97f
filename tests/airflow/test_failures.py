"""What a compute raises, as the one sentence that status, explain, execute and the page show."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from rheo_airflow.tasks import failures
from rheo_airflow.tasks.claim import HOOK
from rheo_airflow.tasks.compat import AirflowSkipException

pytestmark = pytest.mark.slow


def test_the_examples() -> None:
    found = doctest.testmod(failures)
    assert (found.failed, found.attempted > 1) == (0, True)


def test_the_users_own_line_is_named_and_no_place_of_a_worker() -> None:
    names: dict[str, Any] = {}
    exec(compile("\n\ndef compute():\n    return int('x')\n", "pipelines/app.py", "exec"), names)
    with pytest.raises(ValueError) as caught:
        names["compute"]()
    assert failures.sentence(caught.value) == (
        "ValueError: invalid literal for int() with base 10: 'x' (pipelines/app.py:4)"
    )


def test_what_is_said_at_length_is_cut() -> None:
    assert len(failures.sentence(ValueError("x" * 5000))) == failures.LONGEST


class Ti:
    def __init__(self) -> None:
        self.pushed: dict[str, str] = {}

    def xcom_push(self, key: str, value: str) -> None:
        self.pushed[key] = value


@pytest.mark.parametrize(
    ("fault", "hook", "pushed"),
    [
        (ValueError("no luck"), False, {"error": "ValueError: no luck"}),
        (ValueError("no luck"), True, {}),  # of a hook: it fails nothing
        (AirflowSkipException("later"), False, {}),
    ],
)
def test_an_operator_says_what_it_raised(fault: Exception, hook: bool, pushed: dict[str, str]) -> None:
    def execute(self: object, context: Any) -> None:
        raise fault

    ti = Ti()
    with pytest.raises(type(fault)):
        failures.says_why(execute)(None, {"ti": ti, **({HOOK: object()} if hook else {})})
    assert ti.pushed.keys() == pushed.keys()
    assert all(ti.pushed[key].startswith(text) for key, text in pushed.items())
