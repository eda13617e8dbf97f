"""The body of a message -> what it is about, in a few words, whether or not it can be read."""

from __future__ import annotations

import json

from rheo_runtime import events as ev

LONGEST = 100


def about(body: str) -> str:
    """Return what a message announces: a path, a partition, a timer's time; else its first words.

    >>> about('{"source": "rheo", "detail-type": "rheo.timer", "detail": {"app": "flights", '
    ...       '"timer": "daily", "time": "2025-05-07T23:00:00Z"}}')
    'timer daily at 2025-05-07T23:00:00Z'
    >>> about("no json")
    'no json'
    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return _short(body)
    try:
        events = ev.parse(raw)
    except ev.BadEvent:
        events = []
    if events:
        more = f" and {len(events) - 1} more" if len(events) > 1 else ""
        return _short(_event(events[0])) + more
    if isinstance(raw, dict) and isinstance(raw.get("detail-type"), str):
        return _short(f"{raw['detail-type']}: {json.dumps(raw.get('detail'), ensure_ascii=False)}")
    return _short(body)


def _event(event: ev.Event) -> str:
    match event:
        case ev.S3Event():
            return f"s3://{event.bucket}/{event.key}"
        case ev.GlueEvent():
            return f"table {event.database}.{event.table} {'/'.join(event.texts)}"
        case ev.TimerEvent():
            return f"timer {event.timer} at {event.id}"
        case ev.AlarmEvent():
            return f"alarm {event.alarm} {event.state}"
        case ev.SnsEvent():
            return f"message of {event.topic}"
        case ev.SignalEvent():
            return f"signal {event.signal} {'/'.join(event.texts)}"


def _short(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text[: LONGEST + 1])
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 3] + "..."
