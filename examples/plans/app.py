"""Delivery plans of a week against what was shipped: one timer, an archive, a table with past and future windows,
and a chain of Spark SQL. The user guide's ADPD pipeline, its SQL shortened to a few columns.
"""

from datetime import datetime

from rheodsl import *

PIPELINE_DAY_DIMENSION = "day"
ADPD_RANGE_IN_DAYS = 7
REGION_ID = 1
MARKETPLACE_ID = 1
PERFECTMILE_TABLE_MAP = {1: "d_perfectmile_package_items_na", 2: "d_perfectmile_package_items_eu"}

app = Application("adpd-training", platform=LocalPlatform())

# weekly timer
daily_timer = app.add_timer("daily_timer", "rate(7 days)", time_dimension_id=PIPELINE_DAY_DIMENSION)

# What the fulfilment planner archives each day; read by reference, never awaited.
denorm_archive = app.marshal_external_data(
    S3Dataset(
        "427809481713",
        "denorm-results",
        "denormalized_archive",
        "creation_date={}",
        dataset_format=DataFormat.JSON,
    ),
    "denorm_archive",
    {PIPELINE_DAY_DIMENSION: {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}},
    {"*": {}},
    SignalIntegrityProtocol("FILE_CHECK", {"file": []}),
)

denorm_archive_ad = app.create_data(
    "denorm_archive_ad",
    inputs={
        "timer": daily_timer,
        # get the last 7 days (starting from partition day and going backwards)
        "archive": denorm_archive[:-ADPD_RANGE_IN_DAYS].ref,
    },
    compute_targets=[
        BatchCompute(
            code=f"""
output = spark.sql('''
    select order_id, iaid, planning_date, ship_method, planned_shipment_id, fulfillment_reference_id,
           marketplace_id, fc_name, order_fta_flag, redecide_flag, redecide_reason
    from archive
    where ship_option = 'second-nominated-day' and marketplace_id = {MARKETPLACE_ID}
      and context_name = 'f2p_production'
''')
            """,
            extra_permissions=[
                Permission(
                    resource=["arn:aws:s3:::denorm-results/denormalized_archive/*"], action=["s3:Get*"]
                )
            ],
            lang=Lang.PYTHON,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=200,
            Timeout=10 * 60,  # 10 hours
        )
    ],
)

d_perfectmile_package_items_na = app.marshal_external_data(
    AndesDataset(
        "perfectmile",
        PERFECTMILE_TABLE_MAP[REGION_ID],
        partition_keys=["ship_day"],
        primary_keys=["fulfillment_shipment_id", "customer_shipment_item_id"],
        table_type="APPEND",
        location="s3://perfectmile/package_items",
        dataset_format=DataFormat.JSON,
    ),
    "d_perfectmile_package_items_na",
    {PIPELINE_DAY_DIMENSION: {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}},
    {"*": {}},
)

dppi_df = app.create_data(
    "dppi_df",
    inputs={
        "timer": daily_timer,
        # read the last 7 days from the day of timer
        "dppi_low_range": d_perfectmile_package_items_na[:-ADPD_RANGE_IN_DAYS].ref,
        # try to read 14 days into the future for shipment data
        "dppi_high_range": d_perfectmile_package_items_na[:14].ref,
    },
    compute_targets=[
        BatchCompute(
            code=f"""
from datetime import datetime, timedelta

start_day = dimensions["{PIPELINE_DAY_DIMENSION}"]
end_date = datetime.strptime(start_day, "%Y-%m-%d") - timedelta({ADPD_RANGE_IN_DAYS})
end_day = end_date.strftime("%Y-%m-%d")

# the day of the timer is in both ranges
dppi_low_range.unionAll(dppi_high_range).distinct().createOrReplaceTempView("dppi_full_range")

output = spark.sql(f'''
    SELECT ordering_order_id, asin, order_datetime, ship_date_utc, warehouse_id, ship_method, quantity,
           planned_shipment_id, fulfillment_shipment_id, fulfillment_reference_id,
           clock_stop_event_datetime_utc, internal_promised_delivery_date_item
    FROM dppi_full_range
    WHERE region_id = {REGION_ID}
      AND marketplace_id = {MARKETPLACE_ID}
      AND customer_ship_option = 'second-nominated-day'
      AND cast(order_datetime as date) >= "{{end_day}}"
      AND cast(order_datetime as date) <= "{{start_day}}"
''')
            """,
            lang=Lang.PYTHON,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=100,
            Timeout=8 * 60,
        )
    ],
)

slam_broadcast = app.create_data(
    "slam_broadcast",
    inputs=[dppi_df],
    compute_targets=[
        SparkSQL(
            """
            select ordering_order_id, asin,
                   max(planned_shipment_id) as planned_shipment_id,
                   max(fulfillment_reference_id) as fulfillment_reference_id
            from dppi_df group by ordering_order_id, asin
            """,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=150,
            Timeout=8 * 60,
        )
    ],
)

plans_df = app.create_data(
    "plans_df",
    inputs=[denorm_archive_ad, slam_broadcast],
    compute_targets=[
        BatchCompute(
            code="""
output = spark.sql('''
    select order_id, iaid,
           min(case when order_fta_flag = 1 and redecide_flag = 0 then fc_name end) as fta_fc_name,
           min(case when order_fta_flag = 1 and redecide_flag = 0 then planning_date end) as fta_planning_date,
           max(case when a.planned_shipment_id = b.planned_shipment_id then a.fc_name end) as lta_fc_name,
           max(case when a.planned_shipment_id = b.planned_shipment_id then a.ship_method end) as lta_ship_method,
           max(case when a.planned_shipment_id = b.planned_shipment_id then a.planning_date end) as lta_planning_date,
           max(case when redecide_reason in ('MissedAllocationDeadline', 'MissedShipGenDeadline')
               then 'Y' else 'N' end) as plan_ever_missed_deadline
    from denorm_archive_ad a join slam_broadcast b on b.ordering_order_id = a.order_id and iaid = b.asin
    group by order_id, iaid
''')
            """,
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=150,
            Timeout=15 * 60,
        )
    ],
)

slam_data_transformed = app.create_data(
    "slam_data_transformed",
    inputs=[dppi_df],
    compute_targets=[
        BatchCompute(
            code='''
output = spark.sql("""
    SELECT *, from_utc_timestamp(ship_date_utc, 'PST') as ship_date_local,
           CASE WHEN clock_stop_event_datetime_utc is null THEN 'NoScan'
                WHEN cast(clock_stop_event_datetime_utc as date) > cast(internal_promised_delivery_date_item as date) THEN 'IntLate'
                WHEN cast(clock_stop_event_datetime_utc as date) < cast(internal_promised_delivery_date_item as date) THEN 'IntEarly'
                ELSE 'IntOnTime' END AS int_dea_status
    from dppi_df""")
            ''',
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=100,
            Timeout=10 * 60,
        )
    ],
)

ramp = app.create_data(
    "ramp",
    inputs=[slam_data_transformed, plans_df],
    compute_targets=[
        BatchCompute(
            code='''
output = spark.sql("""
    SELECT dosi.ordering_order_id as order_id, dosi.asin, dosi.ship_method as dosi_ship_method,
           case when substring(dosi.ship_method, 0, 4) = 'AMZL' then 'AMZL'
                when substring(dosi.ship_method, 0, 4) = 'UPS_' then 'UPS'
                else 'Others' end as dosi_carrier,
           lta_fc_name, lta_ship_method, int_dea_status, plan_ever_missed_deadline, sum(quantity) as quantity
    from slam_data_transformed dosi
    inner join plans_df plans ON dosi.ordering_order_id = plans.order_id AND dosi.asin = plans.iaid
    where fta_planning_date is not null and lta_planning_date is not null
    group by all
""")
            ''',
            GlueVersion="5.0",
            WorkerType=GlueWorkerType.G_1X.value,
            NumberOfWorkers=100,
            Timeout=10 * 60,
        )
    ],
    dataset_format="JSON",
)

if __name__ == "__main__":
    app.activate()

    # CREATE all of the datasets
    app.process(daily_timer[datetime(2021, 1, 16)])
