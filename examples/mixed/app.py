"""Scala and Python over the same table, in one pipeline: the user guide's mixed example."""

from rheodsl import *

app = Application("scala-python-mixed", platform=LocalPlatform())

# A table of which a new partition arrives each day; for each customer the latest row counts.
d_ad_orders_na = app.marshal_external_data(
    AndesDataset(
        "dex_ml_catalog",
        "d_ad_orders_na",
        partition_keys=["order_day"],
        primary_keys=["customer_id"],
        table_type="REPLACE",
        location="s3://dex-ml-catalog/d_ad_orders_na",
        dataset_format=DataFormat.JSON,
    ),
    "d_ad_orders_na",
    {
        "order_day": {
            "type": DimensionType.DATETIME,
            "format": "%Y-%m-%d",  #  internally use this format
            "timezone": "PST",
        }
    },
    {"*": {}},
)

repeat_d_ad_orders_na_scala = app.create_data(
    id="REPEAT_AD_ORDERS_IN_SCALA",
    inputs=[d_ad_orders_na],
    compute_targets=[
        BatchCompute(
            # Basic Spark Scala code encapsulated
            # can be multi line and import other modules
            scala_script("d_ad_orders_na.limit(100)"),
            lang=Lang.SCALA,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=50,
            Timeout=3 * 60,  # 3 hours
        )
    ],
)

repeat_d_ad_orders_na_python = app.create_data(
    id="REPEAT_AD_ORDERS_IN_PYTHON",
    inputs=[d_ad_orders_na],
    compute_targets=[
        BatchCompute(
            "output = d_ad_orders_na.limit(100)",
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=50,
            Timeout=3 * 60,  # 3 hours
        )
    ],
)

repeat_d_ad_orders_na_scala_complex = app.create_data(
    id="REPEAT_AD_ORDERS_IN_SCALA_COMPLEX",
    inputs=[d_ad_orders_na],
    compute_targets=[
        BatchCompute(
            scala_script(
                """
                import org.apache.spark.sql.functions.lit

                val order_day = dimensions("order_day")
                val my_param = args("my_param")
                // input dataframes are available both as local variables and as views
                spark.sql("select * from d_ad_orders_na")
                  .withColumn("day", lit(order_day))
                  .withColumn("param", lit(my_param))
                """,
            ),
            lang=Lang.SCALA,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=50,
            Timeout=3 * 60,  # 3 hours
            my_param="PARAM1",
        )
    ],
)

if __name__ == "__main__":
    app.activate(allow_concurrent_executions=False)

    # feed the activated app with a partition update on the source table
    # three async executions will start in parallel on those three nodes above.
    app.process(d_ad_orders_na["2021-01-14"])

    # blocking wait on each node (keeps user updated via console)
    for node in (
        repeat_d_ad_orders_na_scala,
        repeat_d_ad_orders_na_python,
        repeat_d_ad_orders_na_scala_complex,
    ):
        path = app.poll(node["2021-01-14"])
        assert path
        print(path)  # s3://rheo-scala-python-mixed/internal_data/REPEAT_AD_ORDERS_IN_SCALA/2021-01-14

    # stop listening to events of the table to avoid auto-triggers on the nodes above.
    app.pause()
