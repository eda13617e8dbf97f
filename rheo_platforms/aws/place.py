"""One application in an account of AWS: a CloudFormation stack, a bucket, a folder of MWAA's DAGs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from codegen.cloudformation.events import for_owners
from codegen.cloudformation.stack import TAG, compact, only
from rheo_platforms.aws import runtime_upload
from rheo_platforms.aws.account import Account
from rheo_platforms.aws.cloudformation import SECONDS, Stack
from rheo_platforms.deployment import Deployment
from rheo_platforms.lifecycle import catalog, changes
from rheo_platforms.lifecycle.changes import CHANGED, Change
from rheo_platforms.lifecycle.errors import AccountError, InactiveError
from rheo_platforms.lifecycle.record import PARTS, TEMPLATE, ZIPS
from rheo_platforms.lifecycle.release import Release
from rheo_platforms.lifecycle.stores import BucketStore
from rheo_runtime.answers import is_absent, is_refusal
from rheo_runtime.wire import RouteTable, resource_name
from rheodsl import ir

_CODE = "CodeKey"
_USERS = "KeyUsers"


class AwsPlace:
    """Where one application lives in an account; ``parameters`` are values of its template's.

    See `rheo_platforms.lifecycle.place.Place` for what each method is for.
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
    def role(self) -> str:
        return self.account.role

    @property
    def bucket(self) -> str:
        return self.account.bucket(self.app)

    @property
    def partner(self) -> ir.Partner:
        return ir.Partner(self.app, self.account.id, self.account.region)

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
            if is_absent(fault):
                return False
            if is_refusal(fault):
                raise AccountError(
                    f"{self.account.owner} may not use the bucket {self.bucket}",
                    hint="it is another account's, or you lack the deployer's policy: see docs/deploy.md",
                ) from None
            raise
        return True

    def tenant(self) -> str | None:
        tags = {each["Key"]: each["Value"] for each in (self.stack.describe() or {}).get("Tags", ())}
        return tags.get(TAG)

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

    def located(self, graph: ir.Graph) -> ir.Graph:
        return catalog.located(graph, self.session.client("glue"))

    def begin(self, release: Release) -> None:
        """Let the bucket exist: first of all a stack of it and its key alone, as all else is put into it."""
        if self.reachable():
            self._may_use_key()
            return
        template = only(release.template, "Bucket")
        given = {**self._parameters("none"), **self._key_users(release)}
        parameters = {k: v for k, v in given.items() if k in template["Parameters"]}
        self.stack.deploy(template, parameters, self._put, first=True)

    def stock(self, release: Release) -> dict[str, bytes]:
        return release.stock()

    @property
    def _all_dags(self) -> BucketStore:
        found = self.account.environment
        return BucketStore(self.session.client("s3"), found.bucket, found.dags)

    def support(self, release: Release) -> None:
        runtime_upload.install(self._all_dags, self.app, release.runtime_id, release.runtime)

    def bound(self, release: Release) -> Mapping[str, str]:
        id = release.runtime_id
        return {**release.files, **{p: runtime_upload.bound(release.files[p], id) for p in release.dags}}

    def unsupport(self) -> None:
        runtime_upload.prune(self._all_dags)

    def drift(self, release: Release) -> tuple[Change, ...]:
        return (*changes.resources(release.template, self.stack.template()), *self.stack.drift())

    def infrastructure(self, release: Release, renew: Callable[[], None], refresh: bool) -> bool:
        zip_ = release.listener
        key = _key(zip_)
        store = BucketStore(self.session.client("s3"), self.bucket, "")
        known = BucketStore(store.s3, self.bucket, ZIPS).paths()
        if key.removeprefix(ZIPS) not in known:
            store.write_bytes({key: zip_})
        parameters = {**self._parameters(key), **self._parts(release), **self._key_users(release)}
        before = self.stack.parameters().get(_CODE, key)
        changed = self.stack.deploy(release.template, parameters, self._put, renew, refresh=refresh)
        # The last one stays, for CloudFormation to go back to.
        store.remove({ZIPS + name for name in known} - {key, before})
        return changed

    def settle(self, release: Release) -> None:
        """Nothing to wait for: MWAA looks for DAG files every few minutes, and events wait in the ledger."""

    def preview(self, release: Release) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        old, new = self.stack.template(), release.template
        found = changes.resources(old, new)
        if old:
            before = self.stack.parameters()
            after = {**self._parameters(_key(release.listener)), **self._key_users(release)}
            found += tuple(_parameter_changes(before, after))
        return found, changes.permissions(old, new)

    def for_owners(self, release: Release) -> tuple[str, ...]:
        table = RouteTable.loads(release.files["routes.json"])
        return tuple(for_owners(table, self.account.id, self.account.region))

    def pause(self) -> None:
        self._switch(on=False)

    def resume(self) -> None:
        self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        """Turn on or off what starts runs: the listener's triggers, and its sweep."""
        found = self.stack.describe() or {}
        outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
        if "ListenerTriggerId" not in outputs:
            raise InactiveError(f"the stack of {self.app} is gone", hint="activate it again, or terminate it")
        for trigger in ("ListenerTriggerId", "GatherTriggerId"):
            if trigger in outputs:  # a stack of an earlier edition gathers nothing
                self._turn(outputs[trigger], on=on)
        scheduler = self.session.client("scheduler")
        group = resource_name(self.app)
        sweep = scheduler.get_schedule(GroupName=group, Name="sweep")
        kept = {key: sweep[key] for key in _SCHEDULE if key in sweep}
        scheduler.update_schedule(**kept, State="ENABLED" if on else "DISABLED")

    def _turn(self, trigger: str, *, on: bool) -> None:
        """Turn a trigger on or off; it takes a minute, in which it cannot be turned again."""
        client = self.session.client("lambda")
        wanted = "Enabled" if on else "Disabled"

        def state() -> str:
            return str(client.get_event_source_mapping(UUID=trigger)["State"])

        while state() not in ("Enabled", "Disabled"):  # an attempt that failed may have begun it
            self.sleep(SECONDS)
        if state() != wanted:
            client.update_event_source_mapping(UUID=trigger, Enabled=on)
        while state() != wanted:
            self.sleep(SECONDS)

    def tear_down(self) -> None:
        self.stack.delete()

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

    def _key_users(self, release: Release) -> dict[str, str]:
        """Who uses keys that trust nobody: those named, or that did before; and always who activates."""
        if _USERS not in release.template["Parameters"]:
            return {}
        named = self.given.get(_USERS) or self.stack.parameters().get(_USERS, "")
        users = {*filter(None, named.split(",")), *self.account.principals()}
        return {_USERS: ",".join(sorted(users))}

    def _may_use_key(self) -> None:
        """Raise AccountError before anything is written for one whom the application's key does not serve."""
        users = self.stack.parameters().get(_USERS)
        if users and not any(
            fnmatchcase(who, user) for who in self.account.principals() for user in users.split(",")
        ):
            raise AccountError(
                f"{self.account.owner} may not use the key of {self.app}",
                hint=f"one of its users, {users}, activates it with you in parameters={{'KeyUsers': ...}}",
            )

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
