"""Signal and partition -> whether its data is complete in S3 or in the Glue Data Catalog."""

from __future__ import annotations

from typing import Any

from rheo_runtime import wire
from rheo_runtime.values import BadValue, Partition

COMPLETION = ("_SUCCESS",)  # what publish writes for a node's output
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "403", "AccessDenied", "EntityNotFoundException"})


class AwsStorage:
    """Asks S3 for the completion object, or the catalog for the partition.

    Clients are made when they are needed first; a listener without checked windows needs none.
    """

    def __init__(self, s3: Any = None, glue: Any = None) -> None:
        self._s3 = s3
        self._glue = glue

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition is complete; raises as boto3 does when AWS cannot tell."""
        try:
            texts = signal.texts(partition)
        except BadValue:
            return False  # a window that reaches out of the range of dates
        for source in signal.events:
            if isinstance(source, wire.GlueEvents):
                return self._in_catalog(source, texts)
        if signal.path is None or not signal.path.startswith("s3://"):
            return False
        names = [s.completion for s in signal.events if isinstance(s, wire.S3Events)] or [COMPLETION]
        bucket, _, folder = wire.fill(signal.path, texts).removeprefix("s3://").partition("/")
        return any(self._in_bucket(bucket, folder, completion) for completion in names)

    def _in_bucket(self, bucket: str, folder: str, completion: tuple[str, ...]) -> bool:
        if self._s3 is None:
            self._s3 = _client("s3")
        if not completion:
            found = self._s3.list_objects_v2(Bucket=bucket, Prefix=f"{folder}/", MaxKeys=1)
            return bool(found.get("KeyCount"))
        return any(
            _answers(self._s3.head_object, Bucket=bucket, Key=f"{folder}/{name}") for name in completion
        )

    def _in_catalog(self, source: wire.GlueEvents, texts: tuple[str, ...]) -> bool:
        if self._glue is None:
            self._glue = _client("glue")
        return _answers(
            self._glue.get_partition,
            DatabaseName=source.database,
            TableName=source.table,
            PartitionValues=list(texts),
        )


def _answers(call: Any, **arguments: Any) -> bool:
    """Whether AWS finds it. A bucket that may not be listed answers 403 for what is not there."""
    try:
        call(**arguments)
    except Exception as fault:
        answer = getattr(fault, "response", None)
        if isinstance(answer, dict) and answer.get("Error", {}).get("Code") in _ABSENT:
            return False
        raise
    return True


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
    return boto3.client(service, config=config)  # type: ignore[call-overload]
