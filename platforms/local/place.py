"""One application on the local stack: the same steps as in an account of AWS."""

from __future__ import annotations

import getpass
import json
import socket
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from codegen import compiler
from codegen.routes import app_bucket as resource_name
from platforms.deployment import Deployment
from platforms.lifecycle import comparing
from platforms.lifecycle.changes import Change
from platforms.lifecycle.errors import InactiveError
from platforms.lifecycle.release import Release
from platforms.lifecycle.stores import FolderStore
from platforms.local import processes
from platforms.local.errors import StackError
from platforms.local.provision import withdraw
from platforms.local.specification import Specification, read_specification
from platforms.local.stack import LocalStack


class LocalPlace:
    """Where one application lives on a stack, which is started when it is needed.

    See `platforms.lifecycle.place.Place` for what each method is for.
    """

    dialect = "mwaa-3.3"

    def __init__(self, stack: LocalStack, app: str, deployment: Callable[[str], Deployment]) -> None:
        self.stack = stack
        self.app = app
        self._deployment = deployment

    @property
    def session(self) -> Any:
        return self.stack.session()

    @property
    def owner(self) -> str:
        return f"{getpass.getuser()}@{socket.gethostname()}"

    @property
    def bucket(self) -> str:
        return resource_name(self.app)

    @property
    def dags(self) -> FolderStore:
        return FolderStore(self.stack.folder / "dags" / self.app)

    @property
    def _compiled(self) -> Path:
        return self.stack.folder / "compiled" / self.app

    def reachable(self) -> bool:
        if not self.stack.running:
            return False
        try:
            self.session.client("s3").head_bucket(Bucket=self.bucket)
        except ClientError:
            return False
        return True

    def deployment(self) -> Deployment:
        try:
            return self._deployment(self.app)
        except StackError as fault:
            raise InactiveError(fault.what, hint="activate it first") from None

    def begin(self, release: Release) -> None:
        if not self.stack.running:
            self.stack.up(None)
        self.session.client("s3").create_bucket(Bucket=self.bucket)

    def support(self) -> None:
        """Nothing to do: Airflow has it on its path."""

    def infrastructure(self, release: Release, renew: Callable[[], None]) -> bool:
        if self.dags.folder.is_symlink():  # it came by `rheo up`
            self.dags.folder.unlink()
        changed = compiler.write(dict(release.files), self._compiled)
        known = self.stack.state.residents.get(self.app)
        listens = any(map(processes.alive, self.stack.state.of("listener", self.app)))
        if not changed and known is not None and (listens or known.paused):
            return False
        self.stack.serve(read_specification(self._compiled), files=False)
        return True

    def settle(self, release: Release) -> None:
        """Wait until Airflow has the DAGs. Raises StackError when one cannot be imported."""
        self.stack.await_dags(read_specification(self._compiled))

    def preview(self, release: Release) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        running = self.stack.running and self.app in self.stack.state.residents
        before = parts_of(_stack(self.stack.specification(self.app))) if running else {}
        return tuple(comparing.compare(before, parts_of(release.stack))), ()

    def pause(self, timers: tuple[str, ...]) -> None:
        self.stack.pause(self.app)
        self._clocks(timers, paused=True)

    def resume(self, timers: tuple[str, ...]) -> None:
        self.stack.resume(self.app)
        self._clocks(timers, paused=False)

    def _clocks(self, timers: tuple[str, ...], *, paused: bool) -> None:
        for dag in timers:
            try:
                self.stack.airflow.call("PATCH", f"/dags/{dag}", {"is_paused": paused})
            except urllib.error.HTTPError as fault:
                if fault.code != 404:  # one that Airflow has not yet seen
                    raise

    def tear_down(self) -> None:
        found = self._specification()
        self.stack.remove(self.app)
        if found is not None:
            withdraw(found, self.session)

    def wipe(self) -> None:
        session = self.session
        s3, dynamodb = session.client("s3"), session.client("dynamodb")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            if keys := [{"Key": found["Key"]} for found in page.get("Contents", ())]:
                s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys})
        s3.delete_bucket(Bucket=self.bucket)
        if resource_name(self.app) in dynamodb.list_tables()["TableNames"]:
            dynamodb.delete_table(TableName=resource_name(self.app))

    def _specification(self) -> Specification | None:
        """What runs, or ran last; None when nothing did."""
        running = self.stack.running and self.app in self.stack.state.residents
        if running:
            return self.stack.specification(self.app)
        return read_specification(self._compiled) if (self._compiled / "stack.json").exists() else None


def _stack(found: Specification) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((found.folder / "stack.json").read_text("utf-8"))
    return data


def parts_of(stack: dict[str, Any]) -> dict[str, Any]:
    """Return what ``stack.json`` asks for, by kind and name."""
    return {
        **{f"Glue::Job {job['name']}": job for job in stack.get("glue_jobs", ())},
        **{f"Scheduler::Schedule {each['id']}": each for each in stack.get("schedules", ())},
        **{f"S3::Bucket {name}": {} for name in (stack["bucket"], *stack["buckets"])},
    }
