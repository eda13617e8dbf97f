"""An execution -> a query on Athena over its inputs, its result the output partition.

Each input is a table of the catalog that lives as long as the query: one partition of it for each partition
of the input that exists. The result is unloaded beside the output, which is replaced when the query has ended; one
that has checks is a table, too, over which they are queries, and publish replaces the output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.athena import AthenaOperator  # noqa: TID253
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253

from rheo_airflow.tasks import athena_csv, athena_parquet, checks, partitions, settings
from rheo_airflow.tasks.athena_tables import (
    dimensions,
    from_catalog,
    located,
    one_of,
    sql_name,
    statement,
    table_input,
    table_name,
)
from rheo_airflow.tasks.claim import hold
from rheo_airflow.tasks.compat import AirflowException, AirflowFailException
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import name, token
from rheo_formats import FormatError
from rheo_runtime.records import Document
from rheo_runtime.templates import ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterable


_BATCH = 100  # BatchCreatePartition takes so many
OUTPUT = "output"  # the name under which checks read the output
_ROWS = {"format": "JSON", "compression": "NONE"}  # how the worker reads the result of a query


@dataclass(frozen=True)
class Try:
    """One try of an execution: what its tables are named after, and the stack that deletes them."""

    document: Document
    name: str
    s3: Any
    stack: ExitStack


class AthenaComputeOperator(AthenaOperator):
    """Runs a query for the claimed execution.

    Parameters
    ----------
    code
        The file of the query, relative to the DAG's folder; ``graph.json`` there says where it is from.
    inputs
        Alias -> ``columns``, ``completion``, ``format`` and its options, as `athena_csv.format_of` reads them; of a
        table that the catalog has, its name as ``table``, or None.
    result
        How the output is unloaded: Athena's properties of UNLOAD.
    database
        The application's database, for the tables of a query.
    checks
        What the output must be: each a number that a query counts, as `codegen.check_sql.counted` describes it.
    written
        How the output is read to be checked, as one of ``inputs`` is.
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
        checks: Sequence[Mapping[str, Any]] = (),
        written: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        polling = {"sleep_time": max(1, int(settings.POLL_SECONDS))}
        super().__init__(**{"query": "", "database": database, "log_query": False, **polling, **kwargs})
        self.code, self.inputs, self.result = code, dict(inputs), dict(result)
        self.checks, self.written = list(checks), dict(written or {})

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return f"athena {self.workgroup}"

    @says_why
    def execute(self, context: Any) -> str | None:
        """Run the query; raises AirflowException with Athena's reason, by the user's own lines."""
        document, attempt = hold(context), context["ti"].try_number
        folder = Path(context["dag"].fileloc).parent
        query = (folder / self.code).read_text("utf-8")
        s3 = settings.client("s3")
        run = name(document, attempt)
        staged = partitions.staging(document, run)
        data = f"{staged}/data" if self.checks else staged
        self.output_location = f"{staged}-log/"
        # Athena unloads into empty folders only, and this try's may hold what a lost worker left.
        partitions.clear(s3, staged)
        with ExitStack() as stack:
            made = Try(document, run, s3, stack)
            tables = self._tables(made)
            try:
                answer = self._run(query, tables, data, self.result, token(document, attempt), context)
            except AirflowException as error:
                raise AirflowException(
                    _placed(str(error), *(settings.place(folder, self.code) or (self.code, 1)))
                ) from error
            if self.checks:
                found = partitions.existing(s3, [data], (), self.written["format"])
                tables[OUTPUT] = self.table(made, OUTPUT, self.written, found)
                results = self._check(s3, tables, staged, token(document, attempt), context)
        output = str(partitions.staged(document)) if self.checks else document["output"]["path"]
        partitions.move(s3, data, output)
        if self.checks:
            checks.leave(s3, output, results)
            partitions.clear(s3, staged)
        partitions.clear(s3, f"{staged}-log")
        return answer

    def _run(
        self,
        query: str,
        tables: Mapping[str, str],
        target: str,
        result: Mapping[str, str],
        token: str,
        context: Any,
    ) -> str | None:
        """Run one query to its end, its result in a folder; raises AirflowException with Athena's reason."""
        self.query = statement(query, tables, f"{target}/", result)
        self.client_request_token = token
        return super().execute(context)

    def _check(
        self, s3: Any, tables: Mapping[str, str], staged: str, token: str, context: Any
    ) -> Sequence[checks.Result]:
        def ask(query: str, number: int) -> list[dict[str, Any]]:
            place = f"{staged}/checks/{number}"
            self._run(query, tables, place, _ROWS, f"{token}-{number}", context)
            return _rows(s3, place)

        return checks.by_sql(self.checks, ask, [column for column, _ in self.written["columns"]])

    def _tables(self, of: Try) -> dict[str, str]:
        """What each alias stands for."""
        own = {alias: how for alias, how in self.inputs.items() if how is not None and "table" not in how}
        found = partitions.inputs(of.s3, of.document, own)
        paths = {entry["alias"]: entry["paths"] for entry in of.document["inputs"]}
        return {
            alias: self.table(of, alias, own[alias], found[alias])
            if alias in own
            else from_catalog(paths[alias], (how or {}).get("table"))
            for alias, how in self.inputs.items()
        }

    def table(self, of: Try, alias: str, how: Mapping[str, Any], found: Mapping[str, Sequence[str]]) -> str:
        """What an alias stands for: the query of a table."""
        name = table_name(of.name, alias)
        if how["format"] == "CSV":
            return self._csv(of, name, how, found)
        if how["format"] == "PARQUET":
            self._strict(of.s3, how, found)
        only = _only(of.s3, how, found)
        self._make(of, name, how, how["columns"], list(found))
        columns = ", ".join([*(sql_name(column) for column, _ in how["columns"]), *_located(how, found)])
        where = f" WHERE {only}" if only else ""
        return f'SELECT {columns} FROM "{self.database}"."{name}"{where}'

    def _strict(self, s3: Any, how: Mapping[str, Any], found: Mapping[str, Sequence[str]]) -> None:
        """Raise AirflowFailException for a file of Parquet that has not the declared columns, where it must."""
        format = athena_csv.format_of(how)
        try:
            if format.strict:
                athena_parquet.check(s3, found, format)
        except FormatError as fault:
            raise AirflowFailException(str(fault)) from fault

    def _csv(self, of: Try, table: str, how: Mapping[str, Any], found: Mapping[str, Sequence[str]]) -> str:
        """A table for each order of columns, and the query that reads them all by name."""
        selects = []
        try:
            format = athena_csv.format_of(how)
            for number, (layout, paths) in enumerate(athena_csv.layouts(of.s3, found, format).items()):
                name, only = f"{table}_{number}", _only(of.s3, how, paths)
                self._make(of, name, how, athena_csv.texts(layout), paths)
                source, more = f'"{self.database}"."{name}"', _located(how, paths)
                selects.append(athena_csv.select(source, layout, format, only, more))
            return " UNION ALL ".join(selects) or athena_csv.nothing(format, dimensions(how))
        except FormatError as fault:
            raise AirflowFailException(str(fault)) from fault

    def _make(
        self,
        of: Try,
        table: str,
        how: Mapping[str, Any],
        columns: Sequence[Sequence[str]],
        paths: list[str],
    ) -> None:
        # A table's location is a folder. Of an absent input it has no partitions: there are columns, and no rows.
        objects = _objects(how, paths)
        places = list(dict.fromkeys(path.rpartition("/")[0] for path in objects)) or paths
        keyed = [] if objects else dimensions(how)
        definition = table_input(
            table,
            {**how, "columns": columns},
            places[0] if places else partitions.staging(of.document, table),
            [each.key for each in keyed],
        )
        glue = settings.client("glue")
        try:
            glue.create_table(DatabaseName=self.database, TableInput=definition)
        except glue.exceptions.AlreadyExistsException:  # a lost worker's, of this try
            glue.delete_table(DatabaseName=self.database, Name=table)
            glue.create_table(DatabaseName=self.database, TableInput=definition)
        of.stack.callback(glue.delete_table, DatabaseName=self.database, Name=table)
        entries = []
        for number, path in enumerate(places):
            texts = partitions.dimensions(path, how) if keyed else []
            entries.append(
                {
                    "Values": [str(number), *(texts[each.number] for each in keyed)],
                    "StorageDescriptor": {**definition["StorageDescriptor"], "Location": f"{path}/"},
                }
            )
        for start in range(0, len(entries), _BATCH):
            answer = glue.batch_create_partition(
                DatabaseName=self.database,
                TableName=table,
                PartitionInputList=entries[start : start + _BATCH],
            )
            if errors := answer.get("Errors"):
                raise AirflowException(f"the catalog refuses partitions of {table}: {errors}")


def _rows(s3: Any, folder: str) -> list[dict[str, Any]]:
    """The rows that a query has unloaded as JSON."""
    bucket, _ = partitions.split(folder)
    texts = (
        s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in partitions.keys(s3, folder)
    )
    return [json.loads(line, parse_float=str) for text in texts for line in text.splitlines() if line]


def _objects(how: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """The objects that alone are read of their folders, where each is a partition."""
    return list(paths) if ITSELF in how["completion"] else []


def _located(how: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """The columns that say which partition a row is from."""
    columns = dimensions(how)
    if not columns or ITSELF not in how["completion"]:
        return located(columns)
    return located(columns, {path: partitions.dimensions(path, how) for path in paths})


def _only(s3: Any, how: Mapping[str, Any], paths: Iterable[str]) -> str:
    """The condition that a row is of the objects that are data, where their folders have others that Athena reads."""
    if objects := _objects(how, paths):
        return one_of(objects)
    others = partitions.beside(s3, paths, how["completion"], how["format"])
    return f"NOT {one_of(others)}" if others else ""


def _placed(message: str, file: str, first: int) -> str:
    """Athena's message, its ``line 3:8`` the line of the user's file; the query's first line is the statement's second.

    >>> _placed("line 3:8: Column 'prise' cannot be resolved", "app.py", 40)
    "app.py:41:8: Column 'prise' cannot be resolved"
    """

    def at(found: re.Match[str]) -> str:
        return f"{file}:{int(found[1]) - 2 + first}:{found[2]}"

    return re.sub(r"\bline (\d+):(\d+)", at, message)
