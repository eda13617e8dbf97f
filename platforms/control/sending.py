"""A view or a raw event -> the events that it stands for, plain and as the listener's queue takes them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from codegen.routes import lower_events
from platforms.control.errors import AskedError
from platforms.control.names import signal_of
from rheo_runtime import values as v
from rheo_runtime.events import BadEvent, Event, SignalEvent, parse
from rheo_runtime.program import Program
from rheo_runtime.windows import expand
from rheodsl import ir
from rheodsl.views import View

# An event, and the same as a raw event that can be sent.
Sent = tuple[Event, Mapping[str, Any]]


def of_view(program: Program, view: View, full_range: bool) -> list[Sent]:
    """Return the events of a view: of its tip, or of its whole window, the tip first.

    An alarm's view that names a state alone is an event of this minute. A proxy announces the data that
    is linked to it too. Raises FilterError, UnknownNameError.
    """
    view = dated(view)
    signal = signal_of(program, view.id)
    tip = view.tip()
    partitions = expand(view.branches, tip) if full_range else [tip]
    linked = [s.id for s in program.table.signals if s.path != signal.path and _announces(view, s.events)]
    return [
        named(program.table.app, id, program.signals[id].texts(partition))
        for partition in partitions
        for id in (*linked, signal.id)
    ]


def _announces(view: View, events: tuple[Any, ...]) -> bool:
    """Whether a signal's events are those of the view's own source."""
    own = lower_events(view.signal.source, view.signal)
    return bool(own) and view.signal.proxy is None and all(e in events for e in own)


def of_raw(raw: Mapping[str, Any], full_range: bool) -> tuple[list[Event], Mapping[str, Any]]:
    """Return the events that a raw AWS event carries, the first alone or all; raises AskedError."""
    try:
        events = parse(dict(raw))
    except BadEvent as fault:
        raise AskedError(
            f"this is no event: {fault}", hint="give it as AWS sends it, or a view such as orders['NA']"
        ) from None
    if not full_range and isinstance(raw.get("Records"), list):
        raw = {**raw, "Records": raw["Records"][:1]}
    return (events if full_range else events[:1]), raw


def named(app: str, signal: str, texts: tuple[str, ...], id: str = "") -> Sent:
    """Return the event of a signal that is sent by name; each has an id of its own, unless one is given."""
    now = time.time()
    event = SignalEvent(app, signal, texts, id or f"process-{uuid.uuid4()}", now)
    detail = {"app": app, "signal": signal, "partition": list(texts), "id": event.id}
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    return event, {"source": "rheo", "detail-type": "rheo.signal", "time": moment, "detail": detail}


def dated(view: View) -> View:
    """Return an alarm's view that names a state alone as one of this minute."""
    if not isinstance(view.signal.source, ir.AlarmSource) or len(view.branches) != 1:
        return view
    state, moment = view.branches[0]
    if state.value is None or moment.value is not None or moment.window is not None:
        return view
    now = v.from_datetime(datetime.now(UTC), moment.kind)
    return View(view.signal)[str(state.value)][v.render(now, moment.kind)]
