"""A pretended AWS: moto, with an MWAA environment beside it, and calls that can be made to fail."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError
from support.airflow import Airflow

from rheo_platforms.aws.platform import AWSPlatform
from rheodsl import Application

REGION, ACCOUNT = "eu-west-1", "123456789012"
DAGS = "mwaa-dags"


class Crash(Exception):
    """The process dies here."""


READS = ("detect_", "get_", "list_", "head_", "describe_", "scan", "query", "batch_get_")


class Calls:
    """Counts the calls that change something, and dies before one of them.

    A dead process calls nobody: all further calls fail too, until `reset`.
    """

    def __init__(self) -> None:
        self.reset()
        self._lock = threading.Lock()

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        number = -1
        with self._lock:
            if self.dead:
                raise Crash(f"dead before {name}")
            if not name.partition(".")[2].startswith(READS):
                number = len(self.changes)
                self.changes.append(name)
            self.dead = number == self.die_at
        if number == self.die_at:
            raise Crash(f"before {name}")
        return call()

    def reset(self, die_at: int | None = None) -> None:
        """Live again, and die at the change of this number."""
        self.changes: list[str] = []
        self.die_at, self.dead = die_at, False


class Client:
    """A client whose every call is counted; what is no call is the real client's."""

    def __init__(self, service: str, real: Any, calls: Calls) -> None:
        self._service, self._real, self._calls = service, real, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found) or name.startswith("_") or name in ("get_paginator", "exceptions"):
            return found if name != "get_paginator" else lambda of: Paginator(self, found(of), of)
        return lambda **given: self._calls(f"{self._service}.{name}", lambda: found(**given))


class Paginator:
    """Pages, each of which is a call."""

    def __init__(self, client: Client, real: Any, of: str) -> None:
        self._client, self._real, self._of = client, real, of

    def paginate(self, **given: Any) -> Iterator[Any]:
        client = self._client
        pages = iter(self._real.paginate(**given))
        name = f"{client._service}.{self._of}"
        while (page := client._calls(name, lambda: next(pages, None))) is not None:
            yield page


class Mwaa(Airflow):
    """MWAA's API, as far as it is used here, with an Airflow behind it; moto has none."""

    def __init__(self, environments: tuple[str, ...] = ("prod",)) -> None:
        super().__init__()
        self.environments = environments

    def get_environment(self, Name: str) -> Any:
        if Name not in self.environments:
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": Name}}, "GetEnvironment"
            )
        environment = {
            "Name": Name,
            "Status": "AVAILABLE",
            "SourceBucketArn": f"arn:aws:s3:::{DAGS}",
            "DagS3Path": "dags",
            "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/service-role/airflow",
            "AirflowVersion": "3.3.1",
        }
        return {"Environment": environment}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_environments"
        return self

    def paginate(self) -> Any:
        return [{"Environments": list(self.environments)}]


class Drifts:
    """CloudFormation, which also finds out what was changed by hand: moto does not."""

    def __init__(self, real: Any, found: list[dict[str, Any]]) -> None:
        self._real, self._found = real, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def detect_stack_drift(self, StackName: str) -> Any:
        return {"StackDriftDetectionId": StackName}

    def describe_stack_drift_detection_status(self, StackDriftDetectionId: str) -> Any:
        return {"DetectionStatus": "DETECTION_COMPLETE"}

    def get_paginator(self, name: str) -> Any:
        return self if name == "describe_stack_resource_drifts" else self._real.get_paginator(name)

    def paginate(self, StackName: str, StackResourceDriftStatusFilters: list[str]) -> Any:
        return [{"StackResourceDrifts": self._found}]


class Session:
    """A boto3 session on moto, whose calls are counted."""

    def __init__(self, calls: Calls, mwaa: Mwaa) -> None:
        self._boto = boto3.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
        )
        self.calls, self.mwaa = calls, mwaa
        self._real: dict[str, Any] = {}
        self.drifts: list[dict[str, Any]] = []  # of resources, as CloudFormation tells them

    def client(self, service: str, **given: Any) -> Any:
        real = self.mwaa if service == "mwaa" else self.real(service)
        return Client(service, Drifts(real, self.drifts) if service == "cloudformation" else real, self.calls)

    def real(self, service: str) -> Any:
        """A client that is not counted."""
        if service not in self._real:  # making one takes as long as many calls
            self._real[service] = self._boto.client(service)  # type: ignore[call-overload]
        return self._real[service]


class World:
    """An account with an MWAA environment."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.mwaa = Mwaa()
        self.session = Session(self.calls, self.mwaa)
        self.s3 = self.session.real("s3")
        self.s3.create_bucket(Bucket=DAGS, CreateBucketConfiguration={"LocationConstraint": REGION})
        trust = '{"Version": "2012-10-17", "Statement": []}'
        self.session.real("iam").create_role(
            RoleName="airflow", Path="/service-role/", AssumeRolePolicyDocument=trust
        )

    def platform(self, **given: Any) -> AWSPlatform:
        """The platform, as another process would make it."""
        return AWSPlatform(REGION, session=self.session, **given)

    def new(self, name: str = "shop") -> Application:
        """An empty application, as another process would make it."""
        return Application(name, platform=self.platform())

    def app(self, name: str = "shop", *nodes: str) -> Application:
        """An application with a node that joins, and further ones that follow it."""
        app = self.new(name)
        orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
        ships = app.s3("ships", "s3://shop-orders/ships/{day:%Y-%m-%d}")
        last = app.create_data("daily", inputs=[orders, ships], compute_targets="output = orders")
        for node in nodes:
            app.create_data(node, inputs=[last], compute_targets="output = daily")
        return app

    def bucket(self, name: str = "shop") -> str:
        return f"rheo-{name}-{ACCOUNT}-{REGION}"

    def record(self, name: str = "shop") -> Any:
        """What the bucket knows of the application's state."""
        body = self.s3.get_object(Bucket=self.bucket(name), Key="rheo-state/record.json")["Body"]
        return json.loads(body.read())

    def text(self, bucket: str, key: str) -> str:
        return str(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def listener(self, name: str = "shop") -> Any:
        """The routes in the zip of the listener, as Lambda has it."""
        code = self.session.real("lambda").get_function(FunctionName=f"rheo-{name}-listener")
        del code
        stack = self.session.real("cloudformation").describe_stacks(StackName=f"rheo-{name}")["Stacks"][0]
        key = next(p["ParameterValue"] for p in stack["Parameters"] if p["ParameterKey"] == "CodeKey")
        body = self.s3.get_object(Bucket=self.bucket(name), Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return json.loads(archive.read("routes.json"))

    def objects(self, bucket: str, prefix: str = "") -> dict[str, str]:
        """The ETag of each object."""
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {each["Key"]: each["ETag"] for each in found}

    def buckets(self) -> list[str]:
        return [each["Name"] for each in self.s3.list_buckets()["Buckets"]]
