"""Two data sets in S3 with other names and formats of the same day, joined over two days: the user guide's S3 example."""

from rheodsl import *

app = Application("default-selection", platform=LocalPlatform())

eureka_offline_all_data = app.marshal_external_data(
    external_data_desc=S3Dataset(
        "427809481713",  # account
        "dex-ml-eureka-model-training-data",  # bucket
        "cradle_eureka_p3/v8_00/all-data",  # root folder
        "partition_day={}",  # variants/dimensions/partitions
        dataset_format=DataFormat.CSV,
    ),
    id="eureka_training_all_data",
    dimension_spec={"day": {"type": DimensionType.DATETIME}},
    dimension_filter={
        "*": {  # '*' -> all-pass (evaluate) whatever partition source S3 folder emits
            "format": "%Y-%m-%d",  # this also determines the resource path (ie: s3://.../.../2020-11-16)
            "timezone": "PST",
        },
    },
    # triggers downstream nodes (that use it as input) when '_SUCCESS' is detected at runtime.
    protocol=SignalIntegrityProtocol("FILE_CHECK", {"file": "_SUCCESS"}),
)

eureka_offline_training_data = app.add_external_data(
    "eureka_training_data",
    S3(
        "427809481713",
        "dex-ml-eureka-model-training-data",
        "cradle_eureka_p3/v8_00/training-data",
        StringVariant("NA", "region"),
        AnyDate("my_day_my_way", {"format": "%Y-%m-%d"}),
        dataset_format=DataFormat.CSV,
    ),
)

default_selection_features = app.create_data(
    "eureka_default_selection_data_over_two_days",
    {
        "offline_data": eureka_offline_all_data[:-2],
        "offline_training_data": eureka_offline_training_data["NA"][:-2],
    },
    [(eureka_offline_all_data("day"), lambda dim: dim, eureka_offline_training_data("my_day_my_way"))],
    {"reg": {"type": DimensionType.STRING, "day": {"type": DimensionType.DATETIME, "format": "%d-%m-%Y"}}},
    [
        ("reg", lambda dim: dim, eureka_offline_training_data("region")),
        # we will use a reversed format for the 'day' partition of this new data
        ("day", lambda dim: dim.strftime("%d-%m-%Y"), eureka_offline_all_data("day")),
    ],
    [  # when inputs are ready, trigger the following
        BatchCompute(
            # frames of several partitions name the partition of each row: rows are compared without it
            'output = offline_data.drop("day").subtract(offline_training_data.drop("region", "my_day_my_way"))',
            Lang.PYTHON,
            ABI.GLUE_EMBEDDED,
            # passed in as a job argument
            spark_ver="3.5",
            # see the StartJobRun action of AWS Glue
            MaxCapacity=5,
            Timeout=30,  # in minutes
        )
    ],
    dataset_format="CSV",
)

if __name__ == "__main__":
    app.activate()

    # satisfy 1st input
    app.process(eureka_offline_all_data["2020-03-18"])
    # satisfy 2nd input: an execution for NA, 18-03-2020 starts
    app.process(eureka_offline_training_data["NA"]["2020-03-18"])
