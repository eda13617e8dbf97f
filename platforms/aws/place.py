"""One application in an account of AWS: a CloudFormation stack, a bucket, a folder of MWAA's DAGs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from codegen.routes import app_bucket as resource_name
from codegen.template import compact, lambda_zip, only
from codegen.template.stack import TAG
from platforms.aws import support
from platforms.aws.account import Account
from platforms.aws.cloudformation import SECONDS, Stack
from platforms.deployment import Deployment
from platforms.lifecycle import comparing
from platforms.lifecycle.changes import CHANGED, Change
from platforms.lifecycle.errors import AccountError, InactiveError
from platforms.lifecycle.record import PARTS, TEMPLATE, ZIPS
from platforms.lifecycle.release import Release
from platforms.lifecycle.stores import BucketStore

_GONE = frozenset({"404", "NoSuchBucket", "NotFound"})
_CODE = "CodeKey"


class AwsPlace:
    """Where one application lives in an account; ``parameters`` are values of its template's.

    See `platforms.lifecycle.place.Place` for what each method is for.
    """

    def __init__(
        self,
        account: Account,
        app: str,
        dialect: str,
        parameters: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self.app = app
        self.dialect = dialect
        self.given = dict(parameters)
        self.sleep = sleep

    @property
    def session(self) -> Any:
        return self.account.session

    @property
    def owner(self) -> str:
        return self.account.owner

    @property
    def bucket(self) -> str:
        return self.account.bucket(self.app)

    @property
    def dags(self) -> BucketStore:
        found = self.account.environment
        return BucketStore(self.session.client("s3"), found.bucket, f"{found.dags}{self.app}/")

    @cached_property
    def stack(self) -> Stack:
        """The application's stack."""
        name = resource_name(self.app)
        client = self.session.client("cloudformation")
        return Stack(client, name, tags={TAG: self.app}, sleep=self.sleep)

    def reachable(self) -> bool:
        """Whether the bucket exists. Raises AccountError when it is somebody else's."""
        try:
            self.session.client("s3").head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self.account.id)
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _GONE:
                return False
            if fault.response["Error"]["Code"] == "403":
                raise AccountError(
                    f"{self.account.owner} may not use the bucket {self.bucket}",
                    hint="it is another account's, or you lack the deployer's policy: see docs/deploy.md",
                ) from None
            raise
        return True

    def deployment(self) -> Deployment:
        name, sqs = resource_name(self.app), self.session.client("sqs")
        try:
            queue = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            dead = sqs.get_queue_url(QueueName=f"{name}-dlq")["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            raise InactiveError(
                f"{self.app} is not active in {self.account.region} of {self.account.id}",
                hint="activate it first",
            ) from None
        return Deployment(
            app=self.app,
            session=self.session,
            bucket=self.bucket,
            table=name,
            queue=queue,
            dead_letters=dead,
            environment=self.account.environment.name,
            event_bus=self.given.get("EventBus", "default"),
        )

    def begin(self, release: Release) -> None:
        """Let the bucket exist: first of all a stack of it and its key alone, as all else is put into it."""
        if self.reachable():
            return
        template = only(release.template, "Bucket")
        parameters = {k: v for k, v in self._parameters("none").items() if k in template["Parameters"]}
        self.stack.deploy(template, parameters, self._put, first=True)

    def support(self) -> None:
        environment = self.account.environment
        support.install(self.session.client("s3"), environment.bucket, environment.dags)

    def infrastructure(self, release: Release, renew: Callable[[], None]) -> bool:
        zip_ = lambda_zip(release.files["routes.json"])
        key = _key(zip_)
        store = BucketStore(self.session.client("s3"), self.bucket, "")
        known = BucketStore(store.s3, self.bucket, ZIPS).paths()
        if key.removeprefix(ZIPS) not in known:
            store.write_bytes({key: zip_})
        parameters = {**self._parameters(key), **self._parts(release)}
        before = self.stack.parameters().get(_CODE, key)
        changed = self.stack.deploy(release.template, parameters, self._put, renew)
        # The last one stays, for CloudFormation to go back to.
        store.remove({ZIPS + name for name in known} - {key, before})
        return changed

    def settle(self, release: Release) -> None:
        """Nothing to wait for: MWAA looks for DAG files every few minutes, and events wait in the ledger."""

    def preview(self, release: Release) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        old, new = self.stack.template(), release.template
        found = comparing.resources(old, new)
        if old:
            before = self.stack.parameters()
            after = self._parameters(_key(lambda_zip(release.files["routes.json"])))
            found += tuple(_parameter_changes(before, after))
        return found, comparing.permissions(old, new)

    def pause(self, timers: tuple[str, ...]) -> None:
        self._switch(timers, on=False)

    def resume(self, timers: tuple[str, ...]) -> None:
        self._switch(timers, on=True)

    def _switch(self, timers: tuple[str, ...], *, on: bool) -> None:
        """Turn on or off what starts runs: the listener's trigger, its sweep, and the DAGs' own clocks."""
        found = self.stack.describe() or {}
        outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
        if (trigger := outputs.get("ListenerTriggerId")) is None:
            raise InactiveError(f"the stack of {self.app} is gone", hint="activate it again, or terminate it")
        client = self.session.client("lambda")
        client.update_event_source_mapping(UUID=trigger, Enabled=on)
        # It takes a minute, in which it cannot be turned again.
        while client.get_event_source_mapping(UUID=trigger)["State"] != ("Enabled" if on else "Disabled"):
            self.sleep(SECONDS)
        scheduler = self.session.client("scheduler")
        group = resource_name(self.app)
        sweep = scheduler.get_schedule(GroupName=group, Name="sweep")
        kept = {key: sweep[key] for key in _SCHEDULE if key in sweep}
        scheduler.update_schedule(**kept, State="ENABLED" if on else "DISABLED")
        mwaa, name = self.session.client("mwaa"), self.account.environment.name
        for dag in timers:
            try:
                mwaa.invoke_rest_api(
                    Name=name, Path=f"/dags/{dag}", Method="PATCH", Body={"is_paused": not on}
                )
            except ClientError as fault:
                if fault.response.get("RestApiStatusCode") != 404:  # one that Airflow has not yet seen
                    raise

    def tear_down(self) -> None:
        self.stack.delete()
        environment = self.account.environment
        support.uninstall(self.session.client("s3"), environment.bucket, environment.dags)

    def wipe(self) -> None:
        """Remove bucket and ledger, and what a first activation that failed may have left."""
        self.stack.delete()
        s3 = self.session.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        for page in pages:
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            if keys:
                s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})
        dynamodb = self.session.client("dynamodb")
        with suppress(dynamodb.exceptions.ResourceNotFoundException):  # it was never activated
            dynamodb.delete_table(TableName=resource_name(self.app))
        s3.delete_bucket(Bucket=self.bucket)

    def _parameters(self, code: str) -> dict[str, str]:
        environment = self.account.environment
        return {
            "MwaaEnvironment": environment.name,
            "AirflowRole": environment.role,
            "CodeBucket": self.bucket,
            _CODE: code,
            **self.given,
        }

    def _parts(self, release: Release) -> dict[str, str]:
        """Put nested templates where the main one finds them, and return the parameter that says where."""
        texts = {name: compact(part) for name, part in release.parts.items()}
        if not texts:
            return {}
        digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:32]
        prefix = f"{PARTS}{digest}/"
        BucketStore(self.session.client("s3"), self.bucket, prefix).write(texts)
        return {"PartsPrefix": prefix}

    def _put(self, template: str) -> str:
        self.session.client("s3").put_object(Bucket=self.bucket, Key=TEMPLATE, Body=template.encode())
        return f"https://{self.bucket}.s3.{self.account.region}.amazonaws.com/{TEMPLATE}"


# What UpdateSchedule takes of what GetSchedule gives.
_SCHEDULE = (
    "Name", "GroupName", "Description", "ScheduleExpression", "ScheduleExpressionTimezone",
    "FlexibleTimeWindow", "Target", "KmsKeyArn", "StartDate", "EndDate", "ActionAfterCompletion",
)  # fmt: skip


def _key(zip_: bytes) -> str:
    """The key of a listener's zip: another one for each content, so that CloudFormation sees a change."""
    return f"{ZIPS}{hashlib.sha256(zip_).hexdigest()[:32]}.zip"


def _parameter_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name, value in sorted(after.items()):
        if before.get(name) == value:
            continue
        if name == _CODE:
            yield Change(CHANGED, "Lambda::Function Listener", ("routes or code",))
        else:
            yield Change(CHANGED, f"parameter {name}", (f"{before.get(name)} -> {value}",))
