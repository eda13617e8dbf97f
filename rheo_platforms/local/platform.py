"""The platform on this machine: applications on a local stack, made by the same steps as in an account of AWS."""

from __future__ import annotations

import getpass
import json
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from codegen import compiler
from rheo_platforms.data.reader import Reading
from rheo_platforms.deployment import Deployment, Remote
from rheo_platforms.lifecycle import changes
from rheo_platforms.lifecycle.activation import Lifecycle
from rheo_platforms.lifecycle.changes import Change
from rheo_platforms.lifecycle.errors import InactiveError
from rheo_platforms.lifecycle.release import Release
from rheo_platforms.lifecycle.stores import FolderStore
from rheo_platforms.local import processes
from rheo_platforms.local.aws_stand_in import ACCOUNT
from rheo_platforms.local.processes import StackError
from rheo_platforms.local.provision import withdraw
from rheo_platforms.local.specification import Specification, read_specification
from rheo_platforms.local.stack import LocalStack
from rheo_platforms.operations.control import Control
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime.storage import delete
from rheo_runtime.wire import resource_name
from rheodsl import ir

_LOG = logging.getLogger("rheo")


class LocalPlace:
    """Where one application lives on a stack, which is started when it is needed.

    See `rheo_platforms.lifecycle.place.Place` for what each method is for.
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
    def role(self) -> str:
        return getpass.getuser()

    @property
    def bucket(self) -> str:
        return resource_name(self.app)

    @property
    def partner(self) -> ir.Partner:
        return ir.Partner(self.app, ACCOUNT, self.session.region_name)

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

    def tenant(self) -> str | None:
        names = [name for name in self.stack.state.residents if resource_name(name) == self.bucket]
        return None if not names or self.app in names else names[0]

    def deployment(self) -> Deployment:
        try:
            return self._deployment(self.app)
        except StackError as fault:
            raise InactiveError(fault.what, hint="activate it first") from None

    def located(self, graph: ir.Graph) -> ir.Graph:
        """On this machine jobs may read everything."""
        return graph

    def begin(self, release: Release) -> None:
        if not self.stack.running:
            self.stack.up(None, say=_LOG.info)
        self.session.client("s3").create_bucket(Bucket=self.bucket)

    def stock(self, release: Release) -> dict[str, bytes]:
        """Nothing: listener and tasks are those of the Rheo that is installed here."""
        return {}

    def support(self, release: Release) -> None:
        """Nothing to do: Airflow has it on its path."""

    def bound(self, release: Release) -> Mapping[str, str]:
        return release.files

    def unsupport(self) -> None:
        """Nothing to do, see `support`."""

    def drift(self, release: Release) -> tuple[Change, ...]:
        """Nothing: what is on this machine is not changed but by Rheo."""
        return ()

    def infrastructure(self, release: Release, renew: Callable[[], None], refresh: bool) -> bool:
        if self.dags.folder.is_symlink():  # it came by `LocalStack.up`
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
        return tuple(changes.compare(before, parts_of(release.stack))), ()

    def for_owners(self, release: Release) -> tuple[str, ...]:
        return ()

    def pause(self) -> None:
        self.stack.pause(self.app)

    def resume(self) -> None:
        self.stack.resume(self.app)

    def tear_down(self) -> None:
        found = self._specification()
        self.stack.remove(self.app)
        if found is not None:
            withdraw(found, self.session)

    def wipe(self) -> None:
        session = self.session
        s3, dynamodb = session.client("s3"), session.client("dynamodb")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            delete(s3, self.bucket, [found["Key"] for found in page.get("Contents", ())])
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


class LocalPlatform:
    """The platform on this machine.

    Parameters
    ----------
    folder
        Holds its state, logs and databases.
    """

    def __init__(self, folder: Path | str = ".rheo") -> None:
        self.stack = LocalStack(folder)
        self._lives: dict[str, Lifecycle] = {}

    def deployment(self, app: str | None = None) -> Deployment:
        """Return the running application of this name; the only one when none is given.

        Raises StackError when the stack is down, or does not run it.
        """
        found = self.stack.specification(app)
        address = f"{self.stack.environment()['AWS_ENDPOINT_URL']}/{ACCOUNT}"
        return Deployment(
            app=found.app,
            session=self.stack.session(),
            bucket=found.bucket,
            table=found.table,
            queue=f"{address}/{found.queue}",
            dead_letters=f"{address}/{found.dead_letters}",
            environment=self.stack.state.mwaa_environment,
            task_logs=self.stack.folder / "airflow" / "logs",
            listener_log=self.stack.folder / "logs" / found.app / "listener.log",
        )

    def active_graph(self, app: str) -> ir.Graph | None:
        """Return what runs on the stack under this name; None when nothing does."""
        try:
            return self.deployment(app).graph()
        except StackError:
            return None

    def bucket(self, app: str) -> str:
        """Return the bucket of the application of this name."""
        return resource_name(app)

    def monitoring(self, app: str) -> Monitoring:
        """Return what tells of an application on the stack; raises StackError when it is not on it."""
        return Monitoring(self.deployment(app))

    def analysis(self, app: str) -> Reading:
        """Return what reads data; raises StackError when the stack is down."""
        return Reading(self.stack.session(), resource_name(app))

    def control(self, app: str) -> Control:
        """Return what sends events to an application on the stack, and starts its executions."""
        return Control(lambda: self.deployment(app))

    def lifecycle(self, app: str) -> Lifecycle:
        """Return what activates, changes and ends the application of this name."""
        if app not in self._lives:
            self._lives[app] = Lifecycle(LocalPlace(self.stack, app, self.deployment))
        return self._lives[app]

    def upstream(self, partner: ir.Partner) -> Remote:
        """Return another application of the stack; accounts and regions are all the same here."""
        return Remote(self.stack.session().client("s3"), resource_name(partner.app))
