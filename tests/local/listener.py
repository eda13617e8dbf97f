"""A listener in miniature: a finished day of flights -> an asset event for Airflow, through MWAA."""

from __future__ import annotations

import json
from typing import Any

import boto3

mwaa = boto3.client("mwaa")
ENVIRONMENT = "rheo-local"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            _announce(json.loads(record["body"]))
        except mwaa.exceptions.ClientError as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _announce(event: dict[str, Any]) -> None:
    if event["source"] != "aws.s3" or not event["detail"]["object"]["key"].endswith("/_SUCCESS"):
        return
    if event["detail"]["bucket"]["name"] != "local-test-nyc":
        return
    day = event["detail"]["object"]["key"].split("/")[-2]
    found = _invoke("GET", "/assets", query={"uri_pattern": "rheo://local-test/delays"})["assets"]
    _invoke("POST", "/assets/events", {"asset_id": found[0]["id"], "partition_key": day, "extra": {}})


def _invoke(method: str, path: str, body: Any = None, query: Any = None) -> Any:
    more = {name: value for name, value in (("Body", body), ("QueryParameters", query)) if value is not None}
    return mwaa.invoke_rest_api(Name=ENVIRONMENT, Method=method, Path=path, **more)["RestApiResponse"]
