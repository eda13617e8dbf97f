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

from rheo_airflow.tasks.compat import AirflowFailException
from rheo_airflow.tasks.hooks import claimed_document
from rheo_airflow.tasks.run_request import read_program
from rheo_airflow.tasks.settings import LOOK
from rheo_runtime.records import Document
from rheo_runtime.templates import ABOVE, ITSELF, template


class PartitionSensor(S3KeySensor):
    """Waits until partitions of an input are complete: until their completion objects exist.

    Parameters
    ----------
    alias
        The input.
    whole
        Wait for every partition of its window; otherwise for the tip (or the first that it reads).
    completion
        Names of which one completes a partition, patterns among them; none: any object in its folder does.
        `ITSELF`: the partition is the object at its path.
    """

    def __init__(self, *, alias: str, whole: bool, completion: Sequence[str], **kwargs: Any) -> None:
        self.completion = tuple(completion) or ("*",)
        given = {
            "mode": "reschedule",
            "poke_interval": LOOK,
            "wildcard_match": "*" in "".join(self.completion),
        }
        super().__init__(bucket_key=[], **{**given, **kwargs})
        self.alias = alias
        self.whole = whole
        # A trigger waits for all of its keys; here one of several names is enough.
        self.deferrable = self.deferrable and len(self.completion) == 1

    def execute(self, context: Any) -> Any:
        """Wait; raises AirflowFailException when the run has claimed no execution."""
        self.paths = _paths(_document(context), self.alias, self.whole)
        self.bucket_key = [_key(path, self.completion[0]) for path in self.paths]
        self.log.info("Waiting for %s", ", ".join(self.bucket_key) or "nothing")
        return super().execute(context)

    def there(self, document: Document, context: Any) -> bool:
        """Say whether all that an execution of a batch reads is there."""
        self.paths = _paths(document, self.alias, self.whole)
        return self.poke(context)

    def poke(self, context: Any) -> bool:
        """Say whether all is there."""
        return all(
            any(self._check_key(_key(path, name), context) for name in self.completion) for path in self.paths
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
        self.expressions = self._expressions(_document(context), context)
        if not self.expressions:
            return None
        self.expression = self.expressions[0]
        # A trigger waits for one expression.
        self.deferrable = self.deferrable and len(self.expressions) == 1
        return super().execute(context)

    def there(self, document: Document, context: Any) -> bool:
        """Say whether all that an execution of a batch reads is there."""
        self.expressions = self._expressions(document, context)
        return self.poke(context)

    def poke(self, context: Any) -> bool:
        """Say whether all is there."""
        return all(self._exists(expression, context) for expression in self.expressions)

    def _exists(self, expression: str, context: Any) -> bool:
        self.expression = expression
        return bool(super().poke(context))

    def _expressions(self, document: Document, context: Any) -> list[str]:
        if not self.whole:
            (entry,) = (i for i in document["inputs"] if i["alias"] == self.alias)
            return [self._expression(entry["dimensions"])]
        program = read_program(Path(context["dag"].fileloc).parent)
        (entry,) = (i for i in document["inputs"] if i["alias"] == self.alias)
        signal = program.signals[entry["signal"]]
        assert signal.path is not None  # the compiler has seen to it
        capture = template(signal.path).capture(
            tuple(tuple(branch[i].kind for branch in signal.branches) for i in range(len(signal.dims)))
        )
        found = [capture(path.split("/")) for path in entry["paths"]]
        return [self._expression(dict(zip(signal.dims, texts, strict=True))) for texts in found if texts]

    def _expression(self, texts: dict[str, str]) -> str:
        return " AND ".join(
            f"{key}={text}" if key in self.numbers else f"{key}='{text.replace(chr(39), chr(39) * 2)}'"
            for key, text in texts.items()
        )


def _key(path: str, name: str) -> str:
    """The key of the object that completes a partition.

    >>> _key("s3://b/t/2024", "_SUCCESS"), _key("s3://b/t/2024", "../_SUCCESS"), _key("s3://b/t/a.csv", ITSELF)
    ('s3://b/t/2024/_SUCCESS', 's3://b/t/_SUCCESS', 's3://b/t/a.csv')
    """
    if name == ITSELF:
        return path
    while name.startswith(ABOVE):
        path, name = path.rpartition("/")[0], name.removeprefix(ABOVE)
    return f"{path}/{name}"


def _paths(document: Document, alias: str, whole: bool) -> list[str]:
    (entry,) = (i for i in document["inputs"] if i["alias"] == alias)
    paths: list[str] = entry["paths"]
    return paths if whole else paths[:1]


def _document(context: Any) -> Document:
    document = claimed_document(context)
    if document is None:
        raise AirflowFailException("this run has claimed no execution")
    return document
