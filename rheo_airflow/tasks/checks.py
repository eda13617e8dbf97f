"""What the checks of an output have counted -> their results, beside what is staged, where publish judges them."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rheo_airflow.tasks import partitions
from rheo_airflow.tasks.compat import AirflowException

_LOG = logging.getLogger(__name__)
SHOWN = 300  # characters of an example, or of why a check cannot be made
# What a check found: ``check``, ``severity``, ``passed``, ``rows``, ``example`` and ``what`` it says.
Result = dict[str, Any]


def passed(check: Mapping[str, Any], count: int) -> bool:
    """Say whether what a check has counted lies between its bounds.

    >>> passed({"low": None, "high": 0}, 2), passed({"low": 1, "high": None}, 2)
    (False, True)
    """
    low, high = check["low"], check["high"]
    return (low is None or count >= low) and (high is None or count <= high)


def result(check: Mapping[str, Any], count: int, example: str = "") -> Result:
    """Return the result of a check; ``example`` is a row that is wrong.

    >>> result({"check": "not_null(id)", "severity": "block", "low": None, "high": 0}, 2, "id=None")["what"]
    '2 rows, such as id=None'
    """
    if passed(check, count):
        return _result(check, 0, "", "")
    what = f"{count} row{'s' if count != 1 else ''}" + (f", such as {example}" if example else "")
    return _result(check, max(count, 1), example, what)


def cannot(check: Mapping[str, Any], why: str) -> Result:
    """Return the result of a check that cannot be made: it fails."""
    return _result(check, 1, "", why[:SHOWN])


def _result(check: Mapping[str, Any], rows: int, example: str, what: str) -> Result:
    return {"check": check["check"], "severity": check["severity"], "passed": not rows, "rows": rows,
            "example": example, "what": what}  # fmt: skip


def by_sql(
    checks: Sequence[Mapping[str, Any]],
    ask: Callable[[str, int], list[dict[str, Any]]],
    columns: Sequence[str],
) -> list[Result]:
    """Return the results of checks that are queries: one for all that they count, one for a row of each that fails.

    Parameters
    ----------
    checks
        As `codegen.check_sql.counted` describes them.
    ask
        Returns the rows of a query; each has a number of its own. Raises AirflowException for one that fails.
    columns
        The output's.
    """
    numbers = itertools.count()

    def counts(some: Sequence[Mapping[str, Any]]) -> list[int]:
        counted = ", ".join(f"{_count(check)} AS c{n}" for n, check in enumerate(some))
        (row,) = ask(f"SELECT count(*) AS n, {counted} FROM output", next(numbers))
        return [int(row[f"c{n}"]) for n in range(len(some))]

    def example(check: Mapping[str, Any]) -> str:
        if "where" in check:
            query, own = f"SELECT * FROM output WHERE {check['where']}", columns
        elif "query" in check:
            query, own = f"SELECT * FROM (\n{check['query']}\n)", ()
        else:
            return ""
        try:
            rows = ask(f"{query} LIMIT 1", next(numbers))
        except AirflowException as fault:  # such as of two columns with one name, which can be counted
            _LOG.warning("No row that fails %s is to be had: %s", check["check"], fault)
            return ""
        return shown(rows[0], own) if rows else ""

    found: list[int | str] = []
    try:
        found += counts(checks)
    except AirflowException:  # each by itself: one that cannot be made fails alone
        for check in checks:
            try:
                found += counts([check])
            except AirflowException as fault:
                found.append(str(fault).rpartition("Error: ")[2])
    return [
        cannot(check, count)
        if isinstance(count, str)
        else result(check, count, "" if passed(check, count) else example(check))
        for check, count in zip(checks, found, strict=True)
    ]


def _count(check: Mapping[str, Any]) -> str:
    if "where" in check:
        return f"count(CASE WHEN {check['where']} THEN 1 END)"
    return f"(SELECT count(*) FROM (\n{check['query']}\n))" if "query" in check else "count(*)"


def shown(row: Mapping[str, Any], columns: Sequence[str] = ()) -> str:
    """Return a row as people read it; ``columns`` are some that it may lack, and that are null then.

    >>> shown({"price": 7}, ["id", "price"])
    'id=None, price=7'
    """
    names = [*columns, *(name for name in row if name not in columns)]
    return ", ".join(f"{name}={row.get(name)}" for name in names)[:SHOWN]


def leave(s3: Any, folder: str, results: Sequence[Result]) -> None:
    """Put the results beside what is staged in a folder, and then the object by which publish takes it over."""
    bucket, key = partitions.split(folder)
    s3.put_object(Bucket=bucket, Key=f"{key}/{partitions.CHECKS}", Body=json.dumps(results).encode())
    s3.put_object(Bucket=bucket, Key=f"{key}/{partitions.COMPLETION}", Body=b"")
