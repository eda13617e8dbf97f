"""Flights and weather of New York's airports: two data sets joined for each origin and day, then a 7-day trend.

The two write the day in different ways (`2013-01-31`, `31-01-2013`) and name the airport differently
(origin, station); Rheo joins them all the same.
"""

from rheodsl import *

app = Application("flights")

flights = app.s3("flights", "s3://nyc-flights/flights/{origin}/{day:%Y-%m-%d}", format="CSV")
weather = app.s3("weather", "s3://nyc-flights/weather/{station}/{date:%d-%m-%Y}", format="CSV")

flight_weather = app.create_data(
    "flight_weather",
    inputs=[flights, weather],
    input_dim_links=[
        flights.origin == weather.station,
        flights.day == weather.date,  # dates compare as dates, whatever their formats
        flights.day.fmt("%d-%m-%Y") == weather.date,  # the same, spelled out as texts
    ],
    compute_targets=BatchCompute(
        """
        from pyspark.sql import functions as F

        by_flight = flights.agg(
            F.count("*").alias("flights"),
            F.round(F.avg(F.col("dep_delay").cast("double")), 4).alias("mean_dep_delay"),
            F.round(F.avg(F.col("dep_time").isNull().cast("double")), 4).alias("cancelled_share"),
        )
        by_hour = weather.agg(
            F.round(F.avg(F.col("wind_speed").cast("double")), 4).alias("mean_wind"),
            F.round(F.avg(F.col("visib").cast("double")), 4).alias("mean_visibility"),
        )
        output = by_flight.crossJoin(by_hour).select(
            F.lit(dimensions["origin"]).alias("origin"), F.lit(dimensions["day"]).alias("day"), "*"
        )
        """,
        GlueVersion="5.0",
        WorkerType=GlueWorkerType.G_1X,
        NumberOfWorkers=2,
        Timeout=10,
    ),
    dataset_format="CSV",
)

# One run for each origin and day whose last seven days are all there.
delay_trend = app.create_data(
    "delay_trend",
    inputs=[flight_weather["*"][:-7].range_check(True)],
    compute_targets=BatchCompute(
        """
        from pyspark.sql import functions as F

        output = flight_weather.groupBy("origin").agg(
            F.lit(dimensions["day"]).alias("day"),
            F.count("*").alias("days"),
            F.sum(F.col("flights").cast("long")).alias("flights"),
            F.round(F.avg(F.col("mean_dep_delay").cast("double")), 4).alias("mean_dep_delay"),
            F.round(F.max(F.col("mean_wind").cast("double")), 4).alias("max_mean_wind"),
        )
        """,
        GlueVersion="5.0",
        WorkerType=GlueWorkerType.G_1X,
        NumberOfWorkers=2,
        Timeout=10,
    ),
    dataset_format="CSV",
)

every_day = app.add_timer("every_day", "rate(1 day)", time_dimension_id="day")


def note_the_day(input_map, output, params):
    """Write one line for the day: an inlined compute runs in the Airflow worker."""
    session = params["AWS_BOTO_SESSION"]
    path = output.get_materialized_resource_paths()[0]
    bucket, key = path.removeprefix("s3://").split("/", 1)
    day = input_map["every_day"].dimensions["day"]
    session.client("s3").put_object(Bucket=bucket, Key=f"{key}/part-0.csv", Body=f"day\n{day}\n".encode())


daily_note = app.create_data(
    "daily_note",
    inputs=[every_day],
    compute_targets=InlinedCompute(note_the_day),
    dataset_format="CSV",
)
