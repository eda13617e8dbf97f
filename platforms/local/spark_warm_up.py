"""Typical reads and writes -> Spark's classes, loaded before the first real run."""

from __future__ import annotations

from pyspark.sql import SparkSession  # noqa: TID253 - a script for the worker
from pyspark.sql import functions as f  # noqa: TID253

spark = SparkSession.builder.getOrCreate()
rows = spark.range(100).select((f.col("id") % 3).cast("string").alias("key"), f.col("id").alias("value"))
for kind in ("csv", "parquet"):
    path = f"s3://bucket/{kind}"
    rows.write.mode("overwrite").format(kind).option("header", "true").save(path)
    table = spark.read.format(kind).option("header", "true").option("inferSchema", "true").load(path)
    table.createOrReplaceTempView("t")
    sums = spark.sql("select key, avg(value) as mean, count(*) as n from t group by key")
    table.join(sums, "key").agg(f.sum("mean"), f.countDistinct("key")).collect()
