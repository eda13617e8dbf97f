"""Flights of a day -> their mean delay: as small as a Glue script can be."""

import json
import sys

from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

options = getResolvedOptions(sys.argv, ["JOB_NAME", "execution", "unit"])
execution = json.loads(options["execution"])
spark = SparkSession.builder.getOrCreate()
paths = [path for source in execution["inputs"] for path in source["paths"]]
flights = spark.read.csv(paths, header=True, inferSchema=True)
if flights.where("delay is null").count():
    raise ValueError(f"flights without a delay in {', '.join(paths)}")
delays = flights.groupBy("origin").agg(f.count("*").alias("flights"), f.avg("delay").alias("delay"))
delays.coalesce(1).write.mode("overwrite").option("header", "true").csv(execution["output"]["path"])
print("mean delay in", options["unit"])
