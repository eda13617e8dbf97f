"""Another application -> its bucket, and what is active there, read as this one may read it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from codegen.graph_file import load_graph
from platforms.deployment import ACTIVE
from rheodsl import ir

# A bucket that does not know the reader says 403, whether there is something or not.
_NOT_THERE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "403", "AccessDenied", "AllAccessDisabled"})


class Remote:
    """Another application, in whichever account.

    Parameters
    ----------
    s3
        A client of the region where it lives.
    bucket
        Its bucket.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket

    def graph(self) -> ir.Graph | None:
        """Return what is active there; None when nothing is, or it may not be read. Raises as boto3 does."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=f"{ACTIVE}graph.json")["Body"]
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise
        return load_graph(body.read().decode())
