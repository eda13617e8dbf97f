"""SparkContext -> GlueContext, as far as plain PySpark scripts need it."""

from __future__ import annotations

import logging

from pyspark import SparkContext  # noqa: TID253 - a part of the script, never of the stack
from pyspark.sql import SparkSession  # noqa: TID253


class GlueContext:
    """Holds the run's Spark session; dynamic frames are not available on a laptop."""

    def __init__(self, sparkContext: SparkContext | None = None) -> None:
        self.spark_session = SparkSession.builder.getOrCreate()

    @property
    def sparkSession(self) -> SparkSession:
        return self.spark_session

    def get_logger(self) -> logging.Logger:
        return logging.getLogger("glue")
