"""A query on Athena -> a file beside the DAG, and the task that runs it over the inputs."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rheo_formats
from codegen import check_sql
from codegen import plan as p
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    batchable,
    files,
    lower,
    operator,
    permissions,
    resources,
    writes_output,
)
from codegen.targets.glue import spark_code
from rheo_runtime.wire import S3Address, resource_name
from rheodsl import compute
from rheodsl.errors import ComputeError
from rheodsl.ir import DataFormatSpec

# Spark's names of types -> Hive's, where they differ.
_TYPES = {
    "long": "bigint",
    "integer": "int",
    "short": "smallint",
    "byte": "tinyint",
    "real": "float",
    "numeric": "decimal",
}


# An account may let a query take 240 minutes ("DML query timeout", Service Quotas of Athena), and an hour waiting.
LONGEST = 5 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class AthenaTask(p.Task):
    """A query; ``file`` holds it."""

    compute: compute.AthenaQuery
    code: p.Code
    file: str
    writes: bool = True


@lower.register
def _(target: compute.AthenaQuery, site: LoweringContext) -> p.Task:
    writes_output(site, "a query on Athena")
    code = spark_code(target.code)
    return AthenaTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        timeout=LONGEST,
        code=code,
        file=f"sql/{site.node.id}{site.suffix}.sql",
        compute=target,
    )


def database(app: str) -> str:
    """Return the name of an application's database, which holds the tables of its queries while they run.

    >>> database("My-App")
    'rheo_my_app'
    """
    return resource_name(app).replace("-", "_")


@batchable.register
def _(task: AthenaTask) -> bool:
    return True


@operator.register
def _(task: AthenaTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {
        "code": task.file,
        "inputs": {i.alias: _input(i, task) for i in dag.inputs if i.table or i.location is not None},
        "result": _result(dag, task),
        "database": database(dag.app),
        "workgroup": task.compute.workgroup,
    }
    if dag.checks:
        types = check_sql.types(dag.format.schema)
        arguments["checks"] = [check_sql.counted(check, check_sql.TRINO, types) for check in dag.checks]
        arguments["written"] = _input(dag.written, task)
    return Operator("rheo_airflow.tasks.athena", "AthenaComputeOperator", arguments)


def _input(i: p.Input, task: AthenaTask) -> dict[str, Any] | None:
    if i.table:
        return {"table": i.table}
    if i.format.schema is None:
        raise ComputeError(
            f"the query needs to know the columns of {i.alias!r}",
            where=task.where,
            hint=f'declare them where {i.signal} is declared: schema="id long, price double"',
        )
    if i.format.columns == "strict" and i.format.format in ("JSON", "ORC"):
        raise ComputeError(
            f"{i.alias!r} is {i.format.format} with strict columns, to which Athena does not hold it",
            where=task.where,
            hint='read it by SparkSQL, or BatchCompute; or declare columns="lenient"',
        )
    return {
        "columns": [list(column) for column in columns(i.format.schema)],
        "format": i.format.format,
        "header": i.format.header,
        "delimiter": i.format.delimiter,
        "completion": list(i.marks),
        **i.where,
        **(
            {"lenient": True}
            if i.format.columns == "lenient" and i.format.format in ("CSV", "PARQUET")
            else {}
        ),
        **(_csv(i, task) if i.format.format == "CSV" else {}),
    }


def _csv(i: p.Input, task: AthenaTask) -> dict[str, Any]:
    """What is said of a CSV input beyond the defaults."""
    encoding = codecs.lookup(i.format.encoding).name
    if encoding not in ("utf-8", "utf-8-sig", "ascii"):
        raise ComputeError(
            f"{i.alias!r} is written in {i.format.encoding}, and Athena reads CSV in utf-8 alone",
            where=task.where,
            hint="read it by SparkSQL, or BatchCompute",
        )
    if i.format.escape is not None:
        raise ComputeError(
            f"quotes of {i.alias!r} are escaped, and Athena loses that character elsewhere",
            where=task.where,
            hint="read it by SparkSQL, or BatchCompute; leave escape out where quotes are doubled",
        )
    usual = DataFormatSpec()
    names = ("encoding", "quote", "nulls", "date_format", "timestamp_format")
    given = {
        name: getattr(i.format, name) for name in names if getattr(i.format, name) != getattr(usual, name)
    }
    if "nulls" in given:
        given["nulls"] = list(given["nulls"])
    return given


def _result(dag: p.DagPlan, task: AthenaTask) -> dict[str, str]:
    """The properties of UNLOAD."""
    format = dag.format
    if format.format != "CSV":
        return {"format": format.format, **({"compression": "NONE"} if format.format == "JSON" else {})}
    if format.header:
        raise ComputeError(
            f"{dag.node}: Athena writes CSV files without a header",
            where=task.where,
            hint='give the node header=False, or dataset_format="PARQUET"',
        )
    return {"format": "TEXTFILE", "field_delimiter": format.delimiter, "compression": "NONE"}


def columns(schema: str) -> list[tuple[str, str]]:
    """Return the columns of a schema as Spark writes it, with Hive's types.

    >>> columns("id long, `at` timestamp, tags array<struct<k:string,n:int>>, price decimal(10, 2) NOT NULL")
    [('id', 'bigint'), ('at', 'timestamp'), ('tags', 'array<struct<k:string,n:int>>'), ('price', 'decimal(10,2)')]
    """
    return [
        (
            name.lower(),
            re.sub(r"[a-z]+", lambda m: _TYPES.get(m[0], m[0]), re.sub(r"\s+", "", kind.lower())),
        )
        for name, kind in rheo_formats.columns_of(schema)
    ]


@files.register
def _(task: AthenaTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.file: f"{task.code.text.rstrip()}\n"}


@resources.register
def _(task: AthenaTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"databases": [{"name": database(dag.app)}]}


@permissions.register
def _(task: AthenaTask, dag: p.DagPlan) -> Sequence[Statement]:
    glue = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}"
    bucket = S3Address.of(dag.location).bucket
    objects = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    athena = "arn:${AWS::Partition}:athena:${AWS::Region}:${AWS::AccountId}"
    own = database(dag.app)
    tables = [f"{glue}:catalog", f"{glue}:database/{own}", f"{glue}:table/{own}/*"]
    read = [
        resource
        for i in dag.inputs
        if i.table
        for resource in (f"{glue}:database/{i.table.split('/')[0]}", f"{glue}:table/{i.table}")
    ]
    return (
        {
            "Action": [
                "athena:BatchGetQueryExecution",
                "athena:GetQueryExecution",
                "athena:ListQueryExecutions",
                "athena:StartQueryExecution",
                "athena:StopQueryExecution",
            ],
            "Resource": [f"{athena}:workgroup/{task.compute.workgroup}"],
        },
        {
            "Action": [
                "glue:BatchCreatePartition",
                "glue:CreateTable",
                "glue:DeleteTable",
                "glue:GetDatabase",
                "glue:GetPartitions",
                "glue:GetTable",
            ],
            "Resource": tables,
        },
        *(
            [{"Action": ["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"], "Resource": read}]
            if read
            else []
        ),
        *staging_permissions(objects),
    )


def staging_permissions(bucket: str) -> Sequence[Statement]:
    """Return what it takes to let a service write beside the output, and to move that into place."""
    return (
        {
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": [bucket],
        },
        {
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            "Resource": [f"{bucket}/staging/*", f"{bucket}/internal_data/*"],
        },
    )
