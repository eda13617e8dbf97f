"""An application that is deployed in this process: a ledger in memory, a storage, a listener, an Airflow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from rich.console import Console
from support.airflow import Airflow
from support.events import output_event
from support.runs import Workers

from rheo_platforms.deployment import Deployment
from rheo_platforms.operations.control import Control
from rheo_runtime import wire
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import Document, Output
from rheo_runtime.values import Partition
from rheodsl import Application, View
from rheodsl.testing.simulator import compiled


class Storage:
    """What is there, by path."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.times: dict[str, float] = {}  # when each was written, where that is known
        self.asked: list[str] = []

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        path = signal.address(partition)
        assert path is not None
        self.asked.append(path)
        return path in self.paths

    def written(self, signal: wire.Signal, partition: Partition) -> float | None:
        return self.times.get(signal.address(partition) or "")


class Local:
    """A deployment as `Control` sees it."""

    def __init__(self, lab: Lab, routes: wire.RouteTable) -> None:
        self.app = routes.app
        self.routes = routes
        self.ledger: Ledger = lab.ledger
        self.storage = lab.storage
        self.queue = "queue"
        self.bucket = f"rheo-{routes.app}"
        self.session = self
        self.sent: list[dict[str, Any]] = []
        self._now = lab.now
        self._lab = lab

    @property
    def airflow(self) -> Announcer:
        return Announcer(self._lab.airflow, "environment")

    def engine(self) -> Engine:
        return Engine(self.routes, self.ledger, self._now, self.storage)

    def client(self, service: str) -> Any:
        assert service == "sqs"
        return self

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:
        assert QueueUrl == self.queue
        self.sent.append(json.loads(MessageBody))


class Lab:
    """The application, its controls, and everything around them. Time passes while they sleep."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.time = 1_600_000_000.0
        self.ledger = MemoryLedger()
        self.storage = Storage()
        self.routes = compiled(app)
        nodes = [route.node for route in self.routes.routes]
        self.airflow = Airflow(app.name, *nodes)
        self.workers = Workers(self.airflow, self.ledger, self.now, self._write, self._emit)
        self.local = Local(self, self.routes)
        self.shown = io.StringIO()
        console = Console(file=self.shown, width=200)
        self.controls = Control(
            lambda: cast(Deployment, self.local),
            console=console,
            poll=1,
            sleep=self.sleep,
        )
        self.followed: list[bool] = []
        self.later: list[Callable[[], None]] = []  # one of them at each sleep
        app.platform = self  # type: ignore[assignment]

    def active_graph(self, app: str) -> Any:
        return self.app.graph()

    def lifecycle(self, app: str) -> Lab:
        return self

    def follow(self, graph: Any, activate: bool) -> None:
        """What is declared is what is active here."""
        self.followed.append(activate)

    def bucket(self, app: str) -> str:
        return f"rheo-{app}"

    def control(self, app: str) -> Control:
        assert app == self.app.name
        return self.controls

    def now(self) -> float:
        self.time += 1e-6  # nothing happens at the same time as anything else
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.later:
            self.later.pop(0)()
        self.workers.go_on()
        assert self.time < 1_600_000_000.0 + 50_000, "stuck"

    def listener(self) -> Listener:
        quiet: Callable[..., None] = lambda *_, **__: None  # noqa: E731
        airflow = self.local.airflow
        return Listener(
            self.local.engine(), airflow.announce, quiet, log=quiet, announce_batch=airflow.announce_batch
        )

    def _write(self, document: Document) -> None:
        self.storage.paths.add(document["output"]["path"])

    def _emit(self, document: Document) -> None:
        self.deliver(output_event(document))

    def deliver(self, raw: dict[str, Any]) -> None:
        """An event comes to the listener where it lives."""
        record = {"messageId": "m", "body": json.dumps(raw), "attributes": {}}
        answer = self.listener().handle({"Records": [record]}, lambda: 60_000)
        assert answer == {"batchItemFailures": []}

    def put(self, *views: View) -> None:
        """Partitions are in storage; no event tells of them."""
        for view in views:
            path = self.app.materialize(view)
            self.storage.paths.update([path] if isinstance(path, str) else path)

    def output(self, view: View) -> Output | None:
        return self.ledger.output(view.id, "/".join(view.texts()), None)[0]

    def states(self, view: View) -> list[str]:
        """The states of the executions of an output, the first one first."""
        output = self.output(view)
        if output is None:
            return []
        every = [*output.ended[::-1], *(e for e in (output.active, output.held) if e is not None)]
        return [e.state for e in sorted(every, key=lambda e: e.generation)]


@pytest.fixture
def shop() -> Lab:
    """Orders and ships by day, joined; the mean of a week; a report that reads it."""
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{ship_day:%d-%m-%Y}")
    daily = app.create_data(
        "daily", inputs=[orders["NA"], ships], compute_targets="output = orders",
        input_dim_links=[orders.region == ships.region, orders.day == ships.ship_day],
    )  # fmt: skip
    week = app.create_data(
        "week", inputs=[daily["*"][:-3].range_check(True)], compute_targets="output = daily"
    )
    app.create_data("report", inputs=[week["*"][:-2]], compute_targets="output = week")
    return Lab(app)
