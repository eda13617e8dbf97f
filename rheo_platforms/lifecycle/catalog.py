"""Tables whose place only the Glue Data Catalog knows -> the folders of their data, which jobs must be let read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from rheo_platforms.lifecycle.errors import DeployError
from rheo_runtime.answers import is_absent, is_refusal
from rheodsl import ir


def located(graph: ir.Graph, glue: Any) -> ir.Graph:
    """Return a graph whose tables say where the catalog has their data; ``glue`` is boto3's client.

    What the catalog says is where jobs may read: partitions that lie elsewhere need a ``location``, or a policy.
    Raises DeployError for a table that the catalog does not have, may not tell of, or has no folder for.
    """
    return replace(graph, signals=tuple(_located(signal, glue) for signal in graph.signals))


def _located(signal: ir.Signal, glue: Any) -> ir.Signal:
    source = signal.source
    if not isinstance(source, ir.GlueSource) or source.location is not None or source.storage is not None:
        return signal
    name = f"{source.database}.{source.table}"
    hint = f"declare where its data is: {signal.id} with location='s3://...'"
    try:
        table = glue.get_table(DatabaseName=source.database, Name=source.table)["Table"]
    except ClientError as fault:
        if is_absent(fault):
            raise DeployError(f"{signal.id}: the Glue Data Catalog has no table {name}", hint=hint) from None
        if is_refusal(fault):
            raise DeployError(
                f"{signal.id}: you may not see the table {name}: {fault}",
                hint=f"get glue:GetTable, or {hint}",
            ) from None
        raise
    folder = str(table.get("StorageDescriptor", {}).get("Location", ""))
    bucket, _, prefix = folder.partition("://")[2].partition("/")
    if not folder.startswith(("s3://", "s3a://", "s3n://")) or not bucket:
        said = folder or "nowhere: it may be a view"
        raise DeployError(f"{signal.id}: the data of the table {name} is {said}", hint=hint)
    storage = "/".join(filter(None, [f"s3://{bucket}", prefix.strip("/")]))
    return replace(signal, source=replace(source, storage=storage))
