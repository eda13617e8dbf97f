"""What ``rheo emit`` does, and what ``status`` shows of the stack."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from rheo_platforms.local.stack import LocalStack
from rheo_runtime import values as v
from rheo_runtime.airflow_client import is_telling
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.storage import COMPLETION
from rheo_runtime.templates import ABOVE, ITSELF, is_name
from rheo_runtime.wire import RouteTable, S3Address, S3Events, Signal
from rheodsl.errors import FilterError, UnknownNameError, ValueCastError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def emit(
    stack: LocalStack, signal: str, texts: Sequence[str], app: str | None = None, data: Sequence[Path] = ()
) -> str:
    """Announce a partition of a signal, as its owner would; return what was sent.

    Parameters
    ----------
    app
        Its name; it may be left out while the stack has one application.
    data
        Files that are put into the partition before it is completed, which announces it.

    Raises UnknownNameError, FilterError, ValueCastError for what no signal of the application is.
    """
    table = RouteTable.loads(stack.specification(app).routes.read_text("utf-8"))
    found = next((s for s in table.signals if s.id == signal), None)
    if found is None:
        known = ", ".join(s.id for s in table.signals)
        raise UnknownNameError(f"{table.app} has no signal {signal!r}", hint=f"its signals: {known}")
    partition = _check(found, texts)
    if data:
        return _complete(stack.session().client("s3"), found, partition, data)
    detail = {"app": table.app, "signal": signal, "partition": list(texts), "id": f"emit-{uuid.uuid4()}"}
    stack.session().client("events").put_events(
        Entries=[{"Source": "rheo", "DetailType": "rheo.signal", "Detail": json.dumps(detail)}]
    )
    return "/".join([signal, *texts])


def _complete(s3: S3Client, signal: Signal, partition: v.Partition, data: Sequence[Path]) -> str:
    """Put files where a partition lies, and then the object that says it is complete."""
    address = signal.address(partition)
    if address is None or not address.startswith("s3://"):
        raise FilterError(f"{signal.id} has no data in S3", hint="leave out --data")
    bucket, folder = S3Address.of(address)
    names = next((e.completion for e in signal.events if isinstance(e, S3Events)), COMPLETION)
    done = next((name for name in names if is_name(name) and not name.startswith(ABOVE)), None)
    keys = [folder if done == ITSELF else f"{folder}/{file.name}" for file in data]
    for key, file in zip(keys, data, strict=True):
        s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    if done not in (None, ITSELF):
        s3.put_object(Bucket=bucket, Key=f"{folder}/{done}", Body=b"")
    return address


def _check(signal: Signal, texts: Sequence[str]) -> v.Partition:
    if len(texts) != len(signal.dims):
        raise FilterError(
            f"{signal.id} has {len(signal.dims)} dimensions, not {len(texts)}",
            hint=f"give a value for each of {', '.join(signal.dims) or 'none'}",
        )
    found = []
    for dim, text, rule in zip(signal.dims, texts, signal.branches[0], strict=True):
        try:
            found.append(v.parse(text, rule.kind))
        except v.BadValue as fault:
            raise ValueCastError(
                f"{signal.id}.{dim}: {fault}", hint="write it as it stands in the path"
            ) from None
    return tuple(found)


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
