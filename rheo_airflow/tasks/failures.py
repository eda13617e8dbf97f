"""What a compute raises -> one sentence with the user's file and line, known to publish and so to all who ask."""

from __future__ import annotations

import functools
import os
import re
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from rheo_airflow.tasks.claim import HOOK
from rheo_airflow.tasks.compat import AirflowException, AirflowSkipException

KEY = "error"  # of the XCom that holds it
LONGEST = 600
Execute = TypeVar("Execute", bound=Callable[..., Any])


def says_why(execute: Execute) -> Execute:
    """Let an operator's ``execute`` say by an XCom what it raised."""

    @functools.wraps(execute)
    def saying(self: Any, context: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return execute(self, context, *arguments, **named)
        except AirflowSkipException:
            raise
        except Exception as fault:
            if HOOK not in context:
                context["ti"].xcom_push(key=KEY, value=sentence(fault))
            raise

    return saying  # type: ignore[return-value]


def sentence(fault: BaseException) -> str:
    """Return what an exception says, with the user's file and line where it came from one of them.

    >>> sentence(ValueError("no luck"))
    'ValueError: no luck'
    >>> sentence(AirflowException("no column `a`; line 2 pos 17;\\n'Aggregate [item#1]"))
    'no column `a`; line 2 pos 17'
    """
    # Spark follows an error by the plan of the query, in lines that begin with a quote.
    said = " ".join(re.split(r";\s+'", str(fault), maxsplit=1)[0].split()) or "it says no more"
    if not isinstance(fault, AirflowException):
        said = f"{type(fault).__name__}: {said}"
    # The user's code has the application's own file for its name, as it was written: no place of this machine.
    steps = [s for s in traceback.extract_tb(fault.__traceback__) if _is_users(s.filename)]
    where = f" ({steps[-1].filename}:{steps[-1].lineno})" if steps else ""
    return said[:LONGEST] + where


def _is_users(file: str) -> bool:
    return not os.path.isabs(file) and not file.startswith("<")


def told_of(context: Any, task: str) -> str:
    """Return what a task said; empty when it said nothing."""
    return context["ti"].xcom_pull(task_ids=task, key=KEY) or ""
