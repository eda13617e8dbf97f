"""Options of a job on AWS Glue, as a user writes them -> those that Glue takes, or what is wrong with them.

The sources are the API's own model (botocore: ``CreateJobRequest``, ``WorkerType``, ``ExecutionClass``), which a test
compares with the tables here, and its documentation of these fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rheodsl.errors import ComputeError

# Versions on which the generated scripts run, each with its Spark and Python.
VERSIONS = {
    "4.0": ("3.3", "3.10"),
    "5.0": ("3.5", "3.11"),
    "5.1": ("3.5", "3.11"),
    "6.0": ("4.1", "3.13"),
}
# Worker types of Spark jobs, and the data processing units of each.
WORKERS = {
    "G.025X": 0.25,
    "G.1X": 1,
    "G.2X": 2,
    "G.4X": 4,
    "G.8X": 8,
    "G.12X": 12,
    "G.16X": 16,
    "R.1X": 1,
    "R.2X": 2,
    "R.4X": 4,
    "R.8X": 8,
}
CLASSES = ("FLEX", "STANDARD")
LONGEST_TIMEOUT = 10_080  # minutes: seven days
CAPACITY = (2, 100)  # of a Spark job, in data processing units
OPTIONS = (
    "GlueVersion", "WorkerType", "NumberOfWorkers", "Timeout", "MaxCapacity", "ExecutionClass",
    "SecurityConfiguration", "NotificationProperty",
)  # fmt: skip


def glue_options(given: Mapping[str, object]) -> dict[str, object]:
    """Return the options as Glue takes them: workers in the place of a capacity. Raises ComputeError.

    >>> glue_options({"MaxCapacity": 10, "Timeout": 30})
    {'Timeout': 30, 'WorkerType': 'G.1X', 'NumberOfWorkers': 10}
    """
    found = dict(given)
    _one_of(found, "GlueVersion", VERSIONS, "scripts run on Glue")
    _one_of(found, "WorkerType", WORKERS, "Spark jobs have")
    _one_of(found, "ExecutionClass", CLASSES, "it is")
    _number(found, "NumberOfWorkers", 1, 1000)
    _number(found, "Timeout", 1, LONGEST_TIMEOUT)
    if "MaxCapacity" in found:
        _number(found, "MaxCapacity", *CAPACITY)
        if beside := {"WorkerType", "NumberOfWorkers"} & found.keys():
            raise ComputeError(
                f"MaxCapacity does not go with {' and '.join(sorted(beside))}",
                hint="leave MaxCapacity out: since Glue 2.0 a job has workers, of one data processing unit for G.1X",
            )
        # Glue 2.0 and later take no capacity; a worker of G.1X is one unit of it.
        found |= {"WorkerType": "G.1X", "NumberOfWorkers": found.pop("MaxCapacity")}
    return found


def _one_of(given: Mapping[str, object], name: str, known: Iterable[str], saying: str) -> None:
    value = given.get(name)
    if value is None or value in (names := list(known)):
        return
    raise ComputeError(f"{name} is {value!r}", hint=f"{saying} {', '.join(names[:-1])} or {names[-1]}")


def _number(given: dict[str, object], name: str, least: int, most: int) -> None:
    value = given.get(name)
    if value is None:
        return
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if not whole or not least <= int(value) <= most:  # type: ignore[call-overload]
        raise ComputeError(f"{name} is {value!r}", hint=f"a whole number from {least} to {most:,}")
    given[name] = int(value)  # type: ignore[call-overload]
