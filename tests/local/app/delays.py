"""claim >> compute >> publish by hand: what a generated DAG does, without Rheo's own tasks."""

import json

import boto3
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

with DAG(
    "delays",
    schedule=PartitionedAssetTimetable(assets=Asset("rheo://local-test/delays")),
    catchup=False,
    is_paused_upon_creation=False,
):

    @task
    def claim(dag_run=None):
        day = dag_run.partition_key
        return json.dumps(
            {
                "output": {"path": f"s3://local-test-app/delays/{day}"},
                "inputs": [{"alias": "flights", "paths": [f"s3://local-test-nyc/flights/{day}"]}],
            }
        )

    @task
    def publish(execution):
        bucket, _, key = json.loads(execution)["output"]["path"].removeprefix("s3://").partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/_SUCCESS", Body=b"")

    execution = claim()
    compute = GlueJobOperator(
        task_id="compute",
        job_name="local-test-delays",
        script_args={"--execution": execution},
        job_poll_interval=0.5,
        verbose=True,
        aws_conn_id=None,
    )
    execution >> compute >> publish(execution)
