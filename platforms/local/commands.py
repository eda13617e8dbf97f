"""What ``rheo up``, ``down`` and ``emit`` do, and what ``status`` shows of the stack."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from platforms.local.stack import LocalStack
from rheo_runtime import values as v
from rheo_runtime.dynamo import DynamoLedger
from rheo_runtime.trigger import is_telling
from rheo_runtime.wire import RouteTable, Signal
from rheodsl.errors import FilterError, UnknownNameError, ValueCastError


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


def processes(stack: LocalStack) -> Table:
    """Return the processes of the stack as a table."""
    found = Table(
        title=f"stack in {stack.folder}",
        title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    found.add_column("process", overflow="fold")
    found.add_column("running")
    found.add_column("memory", justify="right", no_wrap=True)
    found.add_column("log", overflow="fold")
    for part in stack.status():
        name = f"{part.name} of {part.app}" if part.app else part.name
        log = Path(part.log)
        shown = log.relative_to(Path.cwd()) if log.is_relative_to(Path.cwd()) else log
        found.add_row(name, "yes" if part.running else "no", f"{part.memory / 1e6:,.0f} MB", str(shown))
    return found


def executions(stack: LocalStack, app: str | None = None) -> dict[str, Counter[str]]:
    """Return, for each node of a running application, how many executions are in each state."""
    spec = stack.specification(app)
    table = RouteTable.loads(spec.routes.read_text("utf-8"))
    found: dict[str, Counter[str]] = {route.node: Counter() for route in table.routes}
    for output in DynamoLedger(spec.table, stack.session().client("dynamodb")).outputs():
        if is_telling(output.node):
            continue
        alive = (*output.ended, output.active, output.held)
        found.setdefault(output.node, Counter()).update(e.state for e in alive if e is not None)
    return found
