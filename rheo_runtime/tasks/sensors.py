"""An execution's inputs -> tasks that wait for them: the provider's sensors, told by the execution what to wait for.

Between two looks a sensor occupies no worker: it is rescheduled, or waits in the triggerer where Airflow is
configured so (``operators.default_deferrable``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.sensors.glue_catalog_partition import (  # noqa: TID253
    GlueCatalogPartitionSensor,
)
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor  # noqa: TID253

from rheo_runtime.records import Document
from rheo_runtime.tasks.asked import read_program
from rheo_runtime.tasks.compat import AirflowFailException
from rheo_runtime.tasks.hooks import claimed_document
from rheo_runtime.tasks.settings import POLL_SECONDS

# How often a sensor looks, in seconds: less often than one asks for a job that is known to run.
LOOK = POLL_SECONDS * 6


class PartitionSensor(S3KeySensor):
    """Waits until partitions of an input are complete: until their completion objects exist.

    Parameters
    ----------
    alias
        The input.
    whole
        Wait for every partition of its window; otherwise for the tip (or the first that it reads).
    completion
        Names of which one completes a partition; none: any object in its folder does.
    """

    def __init__(self, *, alias: str, whole: bool, completion: Sequence[str], **kwargs: Any) -> None:
        given = {"mode": "reschedule", "poke_interval": LOOK, "wildcard_match": not completion}
        super().__init__(bucket_key=[], **{**given, **kwargs})
        self.alias = alias
        self.whole = whole
        self.completion = tuple(completion) or ("*",)
        # A trigger waits for all of its keys; here one of several names is enough.
        self.deferrable = self.deferrable and len(self.completion) == 1

    def execute(self, context: Any) -> Any:
        """Wait; raises AirflowFailException when the run has claimed no execution."""
        self.paths = _paths(_document(context), self.alias, self.whole)
        self.bucket_key = [f"{path}/{self.completion[0]}" for path in self.paths]
        self.log.info("Waiting for %s", ", ".join(self.bucket_key) or "nothing")
        return super().execute(context)

    def poke(self, context: Any) -> bool:
        """Say whether all is there."""
        return all(
            any(self._check_key(f"{path}/{name}", context) for name in self.completion) for path in self.paths
        )


class TablePartitionSensor(GlueCatalogPartitionSensor):
    """Waits until partitions of an input stand in the Glue catalog.

    Parameters
    ----------
    alias, whole
        As of `PartitionSensor`.
    numbers
        The partition keys that hold numbers.
    """

    def __init__(self, *, alias: str, whole: bool, numbers: Sequence[str], **kwargs: Any) -> None:
        super().__init__(expression="", **{"mode": "reschedule", "poke_interval": int(LOOK), **kwargs})
        self.alias = alias
        self.whole = whole
        self.numbers = tuple(numbers)

    def execute(self, context: Any) -> Any:
        """Wait; raises AirflowFailException when the run has claimed no execution."""
        self.expressions = self._expressions(context)
        if not self.expressions:
            return None
        self.expression = self.expressions[0]
        # A trigger waits for one expression.
        self.deferrable = self.deferrable and len(self.expressions) == 1
        return super().execute(context)

    def poke(self, context: Any) -> bool:
        """Say whether all is there."""
        return all(self._exists(expression, context) for expression in self.expressions)

    def _exists(self, expression: str, context: Any) -> bool:
        self.expression = expression
        return bool(super().poke(context))

    def _expressions(self, context: Any) -> list[str]:
        document = _document(context)
        if not self.whole:
            (entry,) = (i for i in document["inputs"] if i["alias"] == self.alias)
            return [self._expression(entry["dimensions"])]
        program = read_program(Path(context["dag"].fileloc).parent)
        (entry,) = (i for i in document["inputs"] if i["alias"] == self.alias)
        signal = program.signals[entry["signal"]]
        assert signal.path is not None  # the compiler has seen to it
        return [
            self._expression(dict(zip(signal.dims, _texts(signal.path, path), strict=True)))
            for path in entry["paths"]
        ]

    def _expression(self, texts: dict[str, str]) -> str:
        return " AND ".join(
            f"{key}={text}" if key in self.numbers else f"{key}='{text.replace(chr(39), chr(39) * 2)}'"
            for key, text in texts.items()
        )


def _texts(template: str, path: str) -> list[str]:
    """The texts that a path has where its template has ``{}``.

    >>> _texts("s3://b/t/region={}/{}", "s3://b/t/region=NA/2020-03-18")
    ['NA', '2020-03-18']
    """
    found = []
    for pattern, part in zip(template.split("/"), path.split("/"), strict=True):
        if "{}" in pattern:
            before, after = pattern.split("{}")
            found.append(part[len(before) : len(part) - len(after)])
    return found


def _paths(document: Document, alias: str, whole: bool) -> list[str]:
    (entry,) = (i for i in document["inputs"] if i["alias"] == alias)
    paths: list[str] = entry["paths"]
    return paths if whole else paths[:1]


def _document(context: Any) -> Document:
    document = claimed_document(context)
    if document is None:
        raise AirflowFailException("this run has claimed no execution")
    return document
