"""Files that lie staged -> rows, in the worker, and the results of the checks of them.

What SQL checks are queries of SQLite over a temporary database; a function is given a frame of pandas.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rheo_airflow.rows import DataFile, Row, columns_of, declared, nullable, rows_of
from rheo_airflow.tasks import partitions
from rheo_airflow.tasks.checks import Result, by_sql, cannot, leave, result, shown
from rheo_airflow.tasks.compat import AirflowException
from rheo_formats import Format

_WHOLE = 1 << 63  # SQLite's whole numbers are smaller


def check(
    s3: Any,
    folder: str,
    checks: Mapping[str, Any],
    function: Callable[[str], Any],
) -> None:
    """Make checks of what lies staged in a folder, and leave their results there, for publish.

    Parameters
    ----------
    checks
        ``made`` are the checks, as `codegen.check_sql.counted` describes them; of a function ``entry``, its name.
        ``written`` is how the files are written, as `rheo_formats.Format.of` takes it.
    function
        Returns a function by its name.

    Raises FormatError for data that is not as it is described.
    """
    columns, rows = _read(s3, folder, Format.of(checks["written"]))
    counted = iter(_by_queries([each for each in checks["made"] if "entry" not in each], columns, rows))
    results = [
        _by_function(each, function, columns, rows) if "entry" in each else next(counted)
        for each in checks["made"]
    ]
    leave(s3, folder, results)


def _read(s3: Any, folder: str, format: Format) -> tuple[list[str], list[Row]]:
    """The columns of what lies in a folder, in any case one, and its rows."""
    bucket, _ = partitions.split(folder)
    found = partitions.existing(s3, [folder], (), format.format).get(folder, [])
    files = [DataFile(bucket, key, s3) for key in sorted(found)]
    rows = declared(
        [row for file in files for row in rows_of(file, format, exact=bool(format.declared))], format, folder
    )
    named = [name for file in files for name in columns_of(file, format)] or [n for n, _ in format.declared]
    known: dict[str, str] = {}
    for name in (*named, *(name for row in rows for name in row)):
        known.setdefault(name.lower(), name)
    return list(known.values()), [{known[n.lower()]: value for n, value in row.items()} for row in rows]


def _by_queries(
    checks: Sequence[Mapping[str, Any]], columns: Sequence[str], rows: Sequence[Row]
) -> list[Result]:
    if not columns:  # and no rows: how many there are is all that there is to say
        return [result(check, 0) for check in checks]
    database = sqlite3.connect("")
    try:
        database.create_function("number", 1, _number, deterministic=True)
        names = ", ".join(f"`{name.replace('`', '``')}`" for name in columns)
        database.execute(f"CREATE TABLE output ({names})")
        places = ", ".join("?" * len(columns))
        values = ([_stored(row.get(name)) for name in columns] for row in rows)
        database.executemany(f"INSERT INTO output VALUES ({places})", values)

        def ask(query: str, number: int) -> list[Row]:
            try:
                cursor = database.execute(query)
                return [dict(zip((d[0] for d in cursor.description), row, strict=True)) for row in cursor]
            except sqlite3.Error as fault:
                raise AirflowException(str(fault)) from fault

        return by_sql(checks, ask, columns)
    finally:
        database.close()


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _stored(value: Any) -> Any:
    """A value as SQLite keeps it: a fraction is a number where no digit is lost, what is nested is JSON."""
    match value:
        case bool():
            return int(value)
        case int():
            return value if -_WHOLE <= value < _WHOLE else str(value)
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case None | float() | str() | bytes():
            return value
    return json.dumps(value, default=str)


def _by_function(
    check: Mapping[str, Any], function: Callable[[str], Any], columns: Sequence[str], rows: Sequence[Row]
) -> Result:
    """The result of a function: a frame of rows that are wrong, something false, or what it raises."""
    bounds = {**check, "low": None, "high": 0}
    try:
        import pandas as pd

        values = {name: [row.get(name) for row in rows] for name in columns}
        kinds = {name: nullable(given) if None in given else None for name, given in values.items()}
        frame = pd.DataFrame({n: pd.Series(given, dtype=kinds[n]) for n, given in values.items()})
        said = function(check["entry"])(frame)
        if isinstance(said, pd.DataFrame):
            return result(
                bounds, len(said), shown({str(k): v for k, v in said.iloc[0].items()}) if len(said) else ""
            )
        good = said is None or bool(said)
    except AssertionError as fault:
        return cannot(check, str(fault) or "the assertion does not hold")
    except Exception as fault:  # noqa: BLE001 - a check that cannot be made is one that fails
        first = (str(fault).strip().splitlines() or ["without a word"])[0]
        return cannot(check, f"{type(fault).__name__}: {first}")
    return result(bounds, 0) if good else cannot(check, f"it returns {said!r}")
