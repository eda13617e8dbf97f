"""What ``rheo up``, ``down``, ``emit`` and ``status`` do."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from platforms.local.stack import LocalStack
from rheo_runtime import values as v
from rheo_runtime.dynamo import DynamoLedger
from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, READY, SKIPPED, SUCCEEDED
from rheo_runtime.wire import RouteTable, Signal
from rheodsl.errors import FilterError, UnknownNameError, ValueCastError

STATES = (READY, ANNOUNCED, CLAIMED, SUCCEEDED, FAILED, SKIPPED)


def up(stack: LocalStack, compiled: Path, out: Console) -> None:
    """Start the stack for a compiled application and print where Airflow is."""
    stack.up(compiled, say=out.print)
    user, password = stack.login
    out.print(f"login {user} / {password}")


def emit(stack: LocalStack, signal: str, texts: Sequence[str], app: str | None = None) -> str:
    """Announce a partition of a signal, as its owner would; return what was sent.

    ``app`` may be left out while the stack has one application. Raises UnknownNameError, FilterError,
    ValueCastError for what no signal of the application is.
    """
    table = RouteTable.loads(stack.specification(app).routes.read_text("utf-8"))
    found = next((s for s in table.signals if s.id == signal), None)
    if found is None:
        known = ", ".join(s.id for s in table.signals)
        raise UnknownNameError(f"{table.app} has no signal {signal!r}", hint=f"its signals: {known}")
    _check(found, texts)
    detail = {"app": table.app, "signal": signal, "partition": list(texts), "id": f"emit-{uuid.uuid4()}"}
    stack.session().client("events").put_events(
        Entries=[{"Source": "rheo", "DetailType": "rheo.signal", "Detail": json.dumps(detail)}]
    )
    return f"sent {'/'.join([signal, *texts])}"


def _check(signal: Signal, texts: Sequence[str]) -> None:
    if len(texts) != len(signal.dims):
        raise FilterError(
            f"{signal.id} has {len(signal.dims)} dimensions, not {len(texts)}",
            hint=f"give a value for each of {', '.join(signal.dims) or 'none'}",
        )
    for dim, text, rule in zip(signal.dims, texts, signal.branches[0], strict=True):
        try:
            v.parse(text, rule.kind)
        except v.BadValue as fault:
            raise ValueCastError(
                f"{signal.id}.{dim}: {fault}", hint="write it as it stands in the path"
            ) from None


def status(stack: LocalStack, out: Console) -> None:
    """Print the processes of the stack, and the executions of each node of each application by state."""
    parts = stack.status()
    processes = Table("process", "running", "memory", "log", title="stack", title_justify="left")
    for part in parts:
        name = f"{part.name} of {part.app}" if part.app else part.name
        processes.add_row(name, "yes" if part.running else "no", f"{part.memory / 1e6:,.0f} MB", part.log)
    residents = stack.state.residents
    out.print(processes)
    out.print(f"Airflow: {stack.airflow.url}")
    for app in sorted(residents):
        title = f"executions of {app}" + (" (paused)" if residents[app].paused else "")
        nodes = Table("node", *map(str.lower, STATES), title=title, title_justify="left")
        for node, states in sorted(executions(stack, app).items()):
            nodes.add_row(node, *(str(states[state] or "") for state in STATES))
        out.print(nodes)


def executions(stack: LocalStack, app: str | None = None) -> dict[str, Counter[str]]:
    """Return, for each node of a running application, how many executions are in each state."""
    spec = stack.specification(app)
    table = RouteTable.loads(spec.routes.read_text("utf-8"))
    found: dict[str, Counter[str]] = {route.node: Counter() for route in table.routes}
    for output in DynamoLedger(spec.table, stack.session().client("dynamodb")).outputs():
        alive = (*output.ended, output.active, output.held)
        found.setdefault(output.node, Counter()).update(e.state for e in alive if e is not None)
    return found
