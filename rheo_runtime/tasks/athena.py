"""An execution -> a query on Athena over its inputs, its result the output partition.

Each input is a table of the catalog that lives as long as the query: one partition of it for each partition
of the input that exists. The result is unloaded beside the output, which is replaced when the query has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.athena import AthenaOperator  # noqa: TID253
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253

from rheo_runtime.athena_tables import from_catalog, statement, table_input, table_name
from rheo_runtime.records import Document
from rheo_runtime.tasks import partitions, settings
from rheo_runtime.tasks.claim import hold
from rheo_runtime.tasks.compat import AirflowException
from rheo_runtime.tasks.natural import name, token

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 100  # BatchCreatePartition takes so many


class AthenaComputeOperator(AthenaOperator):
    """Runs a query for the claimed execution.

    Parameters
    ----------
    code
        The file of the query, relative to the DAG's folder. Its first line says where the query is from.
    inputs
        Alias -> ``columns``, ``format``, ``header``, ``delimiter`` and ``completion``; or None for a table that the
        catalog has.
    result
        How the output is unloaded: Athena's properties of UNLOAD.
    database
        The application's database, for the tables of a query.
    """

    template_fields = aws_template_fields()
    template_ext = ()

    def __init__(
        self,
        *,
        code: str,
        inputs: Mapping[str, Mapping[str, Any] | None],
        result: Mapping[str, str],
        database: str,
        **kwargs: Any,
    ) -> None:
        polling = {"sleep_time": max(1, int(settings.POLL_SECONDS))}
        super().__init__(**{"query": "", "database": database, "log_query": False, **polling, **kwargs})
        self.code, self.inputs, self.result = code, dict(inputs), dict(result)

    def execute(self, context: Any) -> str | None:
        """Run the query; raises AirflowException with Athena's reason, by the user's own lines."""
        document, attempt = hold(context), context["ti"].try_number
        header, _, query = (Path(self.dag.fileloc).parent / self.code).read_text("utf-8").partition("\n")
        s3 = settings.client("s3")
        run = name(document, attempt)
        staged = partitions.staging(document, run)
        self.client_request_token = token(document, attempt)
        self.output_location = f"{staged}-log/"
        self._clear(s3, staged)
        with self._tables(s3, document, run) as tables:
            self.query = statement(query, tables, f"{staged}/", self.result)
            try:
                answer = super().execute(context)
            except AirflowException as error:
                raise AirflowException(_placed(str(error), header.removeprefix("-- "))) from error
        partitions.move(s3, staged, document["output"]["path"])
        self._clear(s3, f"{staged}-log")
        return answer

    def _clear(self, s3: Any, staged: str) -> None:
        """Delete a folder: Athena unloads into empty ones only, and this try's may hold what a lost worker left."""
        bucket, _ = partitions.split(staged)
        for key in list(partitions.keys(s3, staged)):
            s3.delete_object(Bucket=bucket, Key=key)

    @contextmanager
    def _tables(self, s3: Any, document: Document, run: str) -> Iterator[dict[str, str]]:
        """What each alias stands for while the query runs."""
        glue = settings.client("glue")
        own = {alias: how for alias, how in self.inputs.items() if how is not None}
        found = partitions.inputs(s3, document, {alias: how["completion"] for alias, how in own.items()})
        paths = {entry["alias"]: entry["paths"] for entry in document["inputs"]}
        tables = {alias: from_catalog(paths[alias]) for alias, how in self.inputs.items() if how is None}
        made: list[str] = []
        try:
            for alias, how in own.items():
                table = table_name(run, alias)
                self._make(glue, table, how, list(found[alias]))
                made.append(table)
                columns = ", ".join(f'"{column}"' for column, _ in how["columns"])
                tables[alias] = f'SELECT {columns} FROM "{self.database}"."{table}"'
            yield {alias: tables[alias] for alias in self.inputs}
        finally:
            for table in made:
                glue.delete_table(DatabaseName=self.database, Name=table)

    def _make(self, glue: Any, table: str, how: Mapping[str, Any], paths: list[str]) -> None:
        definition = table_input(table, how, paths[0])
        try:
            glue.create_table(DatabaseName=self.database, TableInput=definition)
        except glue.exceptions.AlreadyExistsException:  # a lost worker's, of this try
            glue.delete_table(DatabaseName=self.database, Name=table)
            glue.create_table(DatabaseName=self.database, TableInput=definition)
        entries = [
            {
                "Values": [str(number)],
                "StorageDescriptor": {**definition["StorageDescriptor"], "Location": f"{path}/"},
            }
            for number, path in enumerate(paths)
        ]
        for start in range(0, len(entries), _BATCH):
            answer = glue.batch_create_partition(
                DatabaseName=self.database,
                TableName=table,
                PartitionInputList=entries[start : start + _BATCH],
            )
            if errors := answer.get("Errors"):
                raise AirflowException(f"the catalog refuses partitions of {table}: {errors}")


def _placed(message: str, where: str) -> str:
    """Athena's message, its ``line 3:8`` the line of the user's file; the query's first line is the statement's second.

    >>> _placed("line 3:8: Column 'prise' cannot be resolved", "app.py:40")
    "app.py:41:8: Column 'prise' cannot be resolved"
    """
    file, _, first = where.rpartition(":")

    def at(found: re.Match[str]) -> str:
        return f"{file}:{int(found[1]) - 2 + int(first)}:{found[2]}"

    return re.sub(r"\bline (\d+):(\d+)", at, message)
