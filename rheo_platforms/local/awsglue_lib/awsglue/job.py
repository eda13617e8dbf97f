"""Job bookmarks are not kept on a laptop -> ``init`` and ``commit`` only check their order."""

from __future__ import annotations

from collections.abc import Mapping

from .context import GlueContext


class Job:
    """The job of a Glue script."""

    def __init__(self, glue_context: GlueContext) -> None:
        self.glue_context = glue_context
        self.name: str | None = None

    def init(self, job_name: str, args: Mapping[str, str] | None = None) -> None:
        self.name = job_name

    def commit(self) -> None:
        if self.name is None:
            raise RuntimeError("Job.commit() before Job.init()")
