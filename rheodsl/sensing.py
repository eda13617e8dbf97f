"""Sensor mode: a node that its one timer starts, and whose other inputs are waited for by sensors.

No listener is told of such a node: what the timer's fire time and the links say of an input's partition is
all there is, as for a reference; but the DAG waits for it.
"""

from __future__ import annotations

from dataclasses import replace

from rheodsl import ir
from rheodsl.errors import SpecError
from rheodsl.resolution import Work
from rheodsl.views import NEAREST

Sensed = ir.S3Source | ir.GlueSource | ir.NodeSource | ir.UpstreamSource


def sense(work: Work) -> None:
    """Make references of all trigger inputs but the timer; notes the faults of what cannot be sensed."""
    triggers = work.triggers()
    timers = [alias for alias in triggers if isinstance(work.signals[alias].source, ir.TimerSource)]
    if len(timers) != 1:
        work.fault(
            SpecError,
            f'trigger="sensor" needs exactly one timer among the inputs, not {len(timers)}',
            hint="add the timer that starts it: app.add_timer(...)",
        )
        return
    for alias, input in work.inputs.items():
        if input.mode == NEAREST:
            work.fault(
                SpecError,
                f"a sensor cannot choose the nearest partition of {alias!r}",
                hint="use range_check, a plain window, or leave trigger out",
            )
        if alias in timers or alias not in triggers:
            continue
        if not isinstance(work.signals[alias].source, Sensed):
            work.fault(
                SpecError,
                f"no sensor can wait for {alias!r}: it has no data",
                hint="sensors wait for objects of S3 and partitions of the Glue catalog; leave trigger out",
            )
            continue
        work.inputs[alias] = replace(input, reference=True, awaited=True)
