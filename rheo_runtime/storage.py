"""Signal and partition -> whether its data is complete in S3 or in the Glue Data Catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rheo_runtime import wire
from rheo_runtime.answers import Denied, is_absent, is_refusal, permission
from rheo_runtime.comparison import Listed
from rheo_runtime.events import GlueEvent, S3Event
from rheo_runtime.templates import ABOVE, ITSELF, Texts, completes, folders_above, is_name, leftover
from rheo_runtime.values import BadValue, Partition

COMPLETION = ("_SUCCESS",)  # what publish writes for a node's output
DELETED_AT_ONCE = 1000  # what S3 takes in a call of DeleteObjects


class AwsStorage:
    """Asks S3 for the completion object, or the catalog for the partition.

    Clients are made when they are needed first; a listener without checked windows needs none. What may not be looked
    for raises `Denied`. With ``tell`` it is as if it were not there yet, and each permission that is missing is told once.
    """

    def __init__(
        self, s3: Any = None, glue: Any = None, tell: Callable[[Denied], None] | None = None
    ) -> None:
        self._clients = {"s3": s3, "glue": glue}
        self._tell = tell
        self._told: set[str] = set()

    def _client(self, service: str) -> Any:
        client = self._clients[service]
        if client is None:
            client = self._clients[service] = _client(service)
        return client

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition is complete; raises as boto3 does when AWS cannot tell, and Denied."""
        try:
            return self._is_complete(signal, partition)
        except Denied as refusal:
            if self._tell is None:
                raise
            if refusal.permission not in self._told:
                self._told.add(refusal.permission)
                self._tell(refusal)
            return False

    def _is_complete(self, signal: wire.Signal, partition: Partition) -> bool:
        try:
            return any(True for _ in self._complete(signal, partition))
        except BadValue:
            return False  # a window that reaches out of the range of dates

    def written(self, signal: wire.Signal, partition: Partition) -> float | None:
        """Return when a partition was completed last, in seconds since 1970; None when it is not there.

        Raises as boto3 does when AWS cannot tell.
        """
        return max(map(_time, self._complete(signal, partition)), default=None)

    def lacks(self, signal: wire.Signal, partition: Partition) -> str:
        """Return what keeps a partition from being complete, in words; empty when it is. Raises as `exists` does."""
        try:
            if self._is_complete(signal, partition):
                return ""
            place = _place(signal, partition)
            if place is None:
                return "the catalog does not have it"
            names = [name for entry in self._objects(*place) if (name := _name(entry))]
        except BadValue:
            return "its data is not there"
        except Denied as refusal:
            return f"it may not be looked for: {refusal.permission} is missing"
        completion = [n for s in signal.events if isinstance(s, wire.S3Events) for n in s.completion]
        wanted = " or ".join(completion or COMPLETION)
        if not names:
            return "its data is not there"
        marks = [name for name in names if name.startswith("_") or "." not in name] or names
        return f"its data is there, but {wanted} is not: {', '.join(marks[:3])} is"

    def _complete(self, signal: wire.Signal, partition: Partition) -> Iterator[Mapping[str, Any]]:
        """What AWS has that completes a partition, each asked for when it is wanted: objects, or a catalog's entry."""
        texts = signal.texts(partition)
        for source in signal.events:
            if isinstance(source, wire.GlueEvents):
                entry = self._entry(source, texts)
                if entry is not None:
                    yield entry
                return
        place = _place(signal, partition)
        if place is None:
            return
        for completion in [s.completion for s in signal.events if isinstance(s, wire.S3Events)] or [
            COMPLETION
        ]:
            yield from self._completing(*place, completion, texts)

    def _completing(
        self, bucket: str, folder: str, completion: tuple[str, ...], texts: Texts
    ) -> Iterator[Mapping[str, Any]]:
        """The objects that complete a folder."""
        plain = [name for name in completion if is_name(name) and not name.startswith(ABOVE)]
        for key in [folder if name == ITSELF else f"{folder}/{name}" for name in plain]:
            answer = self._head(bucket, key)
            if answer is not None:
                yield answer
        if len(plain) == len(completion) and completion:
            return
        deep = any(name.startswith(ABOVE) for name in completion)  # its data may lie deeper
        for entry in self._objects(bucket, folder, deep=deep):
            between = entry["Key"].removeprefix(f"{folder}/").split("/")[:-1]
            if completes(completion, _name(entry), texts) and not any(map(leftover, between)):
                yield entry

    def _head(self, bucket: str, key: str) -> Mapping[str, Any] | None:
        """What S3 says of an object; None when it is not there.

        HEAD answers 403 of what may not be read, and of what is not there where the bucket may not be listed (Amazon
        S3 API reference, HeadObject): a list tells which, or is refused too.
        """
        try:
            found: Mapping[str, Any] = self._client("s3").head_object(Bucket=bucket, Key=key)
        except Exception as fault:
            if is_absent(fault):
                return None
            if not is_refusal(fault):
                raise
        else:
            return found
        with _asking(f"s3://{bucket}/{key}", f"s3:ListBucket on {_arn(bucket)}"):
            page = self._client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return next((entry for entry in page.get("Contents", ()) if entry["Key"] == key), None)

    def _entry(self, source: wire.GlueEvents, texts: Texts) -> Mapping[str, Any] | None:
        """The catalog's entry of a partition, or of a table without any."""
        where, table = {"DatabaseName": source.database}, f"{source.database}.{source.table}"
        kind = "Partition" if texts else "Table"
        try:
            with _asking(" ".join([table, *texts]), f"glue:Get{kind} on {table}"):
                if not texts:
                    answer = self._client("glue").get_table(**where, Name=source.table)
                else:
                    named = {"TableName": source.table, "PartitionValues": list(texts)}
                    answer = self._client("glue").get_partition(**where, **named)
        except Exception as fault:
            if is_absent(fault):
                return None
            raise
        found: Mapping[str, Any] = answer[kind]
        return found

    def gone(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition that has come is there no more; raises Denied, whoever is told of refusals."""
        return not self._is_complete(signal, partition)

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        """Yield the objects and partitions of a signal whose data is compared, behind a key or a page's token.

        Raises as boto3 does when AWS cannot tell.
        """
        for source in signal.events:
            if isinstance(source, wire.GlueEvents) and source.reconcile:
                yield from self._partitions(source, bool(signal.dims), after)
            elif isinstance(source, wire.S3Events) and source.reconcile:
                yield from self._keys(source, after)

    def _keys(self, source: wire.S3Events, after: str) -> Iterator[Listed]:
        prefix, mark, _ = source.template.partition("{")
        topic = source.topic or ""
        for folder in (
            () if after else sorted(folders_above(source.template, source.completion))
        ):  # what lies beside the markers is not listed
            for entry in self._objects(source.bucket, folder):
                yield Listed(S3Event(source.bucket, entry["Key"], entry["Key"], _time(entry), topic=topic))
        start = {"StartAfter": after} if after else {}
        pages = (
            self._client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=source.bucket, Prefix=prefix if mark else f"{prefix}/", **start)
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                key = entry["Key"]
                yield Listed(S3Event(source.bucket, key, key, _time(entry), topic=topic), key)

    def _partitions(self, source: wire.GlueEvents, keys: bool, after: str) -> Iterator[Listed]:
        if not keys:
            table = self._entry(source, ())
            if table is not None:
                yield Listed(GlueEvent(source.database, source.table, (), "", changed(table)))
            return
        while True:
            start = {"NextToken": after} if after else {}
            page = self._client("glue").get_partitions(
                DatabaseName=source.database, TableName=source.table, ExcludeColumnSchema=True, **start
            )
            for entry in page["Partitions"]:
                made = entry.get("CreationTime")
                time = made.timestamp() if made is not None else 0.0
                texts = tuple(entry["Values"])
                yield Listed(GlueEvent(source.database, source.table, texts, "", time), after)
            after = page.get("NextToken") or ""
            if not after:
                return

    def _objects(self, bucket: str, folder: str, *, deep: bool = False) -> Iterator[Mapping[str, Any]]:
        """The objects directly in a folder, or wherever below it, as S3 lists them."""
        start: dict[str, str] = {} if deep else {"Delimiter": "/"}
        while True:
            with _asking(f"s3://{bucket}/{folder}/", f"s3:ListBucket on {_arn(bucket)}"):
                page = self._client("s3").list_objects_v2(
                    Bucket=bucket, Prefix=f"{folder}/" if folder else "", **start
                )
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            start["ContinuationToken"] = page["NextContinuationToken"]


def _place(signal: wire.Signal, partition: Partition) -> wire.S3Address | None:
    """Bucket and folder of a partition; None for what is not in S3."""
    address = signal.address(partition)
    return wire.S3Address.of(address) if address is not None and address.startswith("s3://") else None


def _name(entry: Mapping[str, Any]) -> str:
    """The name of an object in its folder."""
    name: str = entry["Key"].rpartition("/")[2]
    return name


def _time(entry: Mapping[str, Any]) -> float:
    """When an object was written, or an entry of the catalog made or changed."""
    return entry["LastModified"].timestamp() if "LastModified" in entry else changed(entry)


def changed(entry: Mapping[str, Any]) -> float:
    """Return when an entry of the catalog was made or changed last, in seconds since 1970.

    Hive, Spark and Athena say so in a parameter; the catalog itself says when an entry was made, and of a table
    when it was changed.

    >>> from datetime import UTC, datetime
    >>> changed({"CreationTime": datetime(1970, 1, 1, 1, tzinfo=UTC), "Parameters": {"transient_lastDdlTime": "7200"}})
    7200.0
    """
    times = [
        entry[name].timestamp() for name in ("CreationTime", "CreateTime", "UpdateTime") if entry.get(name)
    ]
    said = str((entry.get("Parameters") or {}).get("transient_lastDdlTime", ""))
    return float(max([*times, *([int(said)] if said.isdecimal() else [])], default=0.0))


def delete(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete objects, so many a call as S3 takes; raises its ClientError for the first that it does not delete."""
    from botocore.exceptions import ClientError

    wanted = [{"Key": key} for key in keys]
    for start in range(0, len(wanted), DELETED_AT_ONCE):
        some = {"Objects": wanted[start : start + DELETED_AT_ONCE], "Quiet": True}
        for error in s3.delete_objects(Bucket=bucket, Delete=some).get("Errors", ()):
            text = f"{error.get('Message', '')} (s3://{bucket}/{error.get('Key')})"
            raise ClientError({"Error": {"Code": error["Code"], "Message": text}}, "DeleteObjects")


@contextmanager
def _asking(what: str, needs: str) -> Iterator[None]:
    """Let a refusal be Denied, with the permission that is missing."""
    try:
        yield
    except Exception as fault:
        if is_refusal(fault):
            raise Denied(what, permission(fault, needs)) from fault
        raise


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
    return boto3.client(service, config=config)  # type: ignore[call-overload]
