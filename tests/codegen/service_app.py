"""An application that uses every service a node can run on, several on one node."""

from __future__ import annotations

from rheodsl import *  # noqa: F403
from rheodsl import (
    EMR,
    Application,
    AWSBatchJob,
    BatchCompute,
    Email,
    InlinedCompute,
    Permission,
    PrestoSQL,
    SageMakerTrainingJob,
    SageMakerTransformJob,
    Slack,
    Sns,
    Spark,
    SparkSQL,
    StepFunctions,
    scala_script,
)

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:report"
TOPIC = "arn:aws:sns:us-east-1:123456789012:done"


def cheap(sales, args):  # type: ignore[no-untyped-def]
    """Keep what is worth less than a limit."""
    return sales.where(sales.price < float(args["limit"]))


def note(input_map, output, params):  # type: ignore[no-untyped-def]
    """Look at the paths."""
    print(input_map["sales"].paths, output.paths)


def services() -> Application:
    """One node for each service, and one with several."""
    app = Application("services")
    sales = app.s3(
        "sales",
        "s3://data/sales/{region}/{day:%Y-%m-%d}",
        format="CSV",
        header=True,
        schema="item string, price double, at timestamp, tags string",
    )
    app.create_data(
        "in_scala",
        inputs=[sales["*"][:-3]],
        compute_targets=BatchCompute(
            scala_script(
                """
                import org.apache.spark.sql.DataFrame
                val limit = args("limit").toInt
                sales.limit(limit)
                """,
                external_library_paths=["s3://jars/trends.jar"],
            ),
            GlueVersion="4.0",
            limit=100,
        ),
    )
    app.create_data(
        "on_emr",
        inputs=[sales],
        compute_targets=EMR(
            cheap,
            limit="10",
            Timeout=30,
            SparkSubmitParameters="--conf spark.executor.memory=4g",
            extra_permissions=[Permission(["arn:aws:s3:::lookup/*"], ["s3:GetObject"])],
        ),
    )
    app.create_data(
        "on_athena",
        inputs=[sales["*"][:-3]],
        compute_targets=PrestoSQL(
            """
            WITH dear AS (SELECT item, price FROM sales WHERE price > 10)
            SELECT item, max(price) AS top FROM dear GROUP BY item
            """,
            retry_count=1,
        ),
    )
    app.create_data(
        "model",
        inputs={"features": sales["*"][:-30], "checks": sales},
        compute_targets=SageMakerTrainingJob(
            channels={"train": "features", "validation": "checks"},
            AlgorithmSpecification={"TrainingImage": "1.ecr/xgboost:1", "TrainingInputMode": "File"},
            HyperParameters={"num_round": "10", "day": "{day}"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        ),
    )
    app.create_data(
        "predictions",
        inputs={"model": app["model"], "sales": sales},
        compute_targets=SageMakerTransformJob(
            "sales",
            Model={
                "PrimaryContainer": {
                    "Image": "1.ecr/xgboost:1",
                    "ModelDataUrl": "{inputs[model]}/model.tar.gz",
                }
            },
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        ),
        dataset_format="CSV",
    )
    app.create_data(
        "everything",
        inputs=[sales],
        compute_targets=[
            SparkSQL("SELECT * FROM sales"),
            AWSBatchJob(
                "crunch:1",
                "cheap",
                command=["crunch", "--day", "{day}", "{inputs[sales]}", "{output}"],
                environment={"REGION": "{region}"},
                timeout={"attemptDurationSeconds": 600},
            ),
            StepFunctions(MACHINE, {"day": "{day}", "from": ["{inputs[sales]}"]}),
            StepFunctions(MACHINE),
            Spark("print(sales.count())"),
            Email(
                "{node} of {day}", "It is in {output}.", sender="etl@example.com", recipients="me@example.com"
            ),
            Slack("{node} of {day}: {{ready}}", connection="team"),
            Slack("{node} of {day}", secret="slack-webhook", retry_count=2),
            Sns(TOPIC, "{execution}", subject="{node}", attributes={"day": "{day}"}),
            InlinedCompute(note),
        ],
    )
    return app
