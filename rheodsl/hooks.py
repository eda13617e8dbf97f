"""``RouteExecutionHook(...)``, ``RoutePendingNodeHook(...)`` -> what a node tells of itself, and to whom.

A hook is named after the moment at which it is called: ``on_success``; one that is called when something
has lasted so long carries the seconds: ``on_checkpoint_600``, ``on_pending_checkpoint_600``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rheodsl import ir
from rheodsl.compute import Compute, EmailMessage, InlinedCompute, InlinedPython, SlackMessage, SnsMessage
from rheodsl.errors import ComputeError, GraphWarning, SpecError
from rheodsl.words import knows_its_words

_HOOKS = (InlinedPython, EmailMessage, SlackMessage, SnsMessage)
# What a hook may be: an inlined compute, a message, or a function; or several of them.
HookTarget = Compute | Callable[..., Any]
Slot = HookTarget | Sequence[HookTarget]
Hooks = tuple[tuple[str, tuple[Compute, ...]], ...]

CHECKPOINT = "on_checkpoint_"
PENDING_CHECKPOINT = "on_pending_checkpoint_"
PENDING = frozenset({"on_pending_node_created", "on_expiration"})


@knows_its_words
@dataclass(frozen=True, slots=True)
class RouteCheckpoint:
    """A hook that is called once when an execution, or a pending node, has lasted ``checkpoint_in_secs``.

    >>> def late(input_map, output, params): ...
    >>> RouteCheckpoint(checkpoint_in_secs=3600, slot=late).checkpoint_in_secs
    3600
    """

    checkpoint_in_secs: int
    slot: Slot


@knows_its_words
@dataclass(frozen=True, slots=True)
class RouteExecutionHook:
    """What is called during a node's executions; each is an inlined compute or a message, or several.

    A hook that fails changes nothing: not the execution, not its output, not the other hooks.

    Parameters
    ----------
    on_exec_begin
        An execution has begun.
    on_exec_skipped
        An execution was merged into a later one of the same output, and so never ran by itself.
    on_compute_success, on_compute_failure, on_compute_retry
        A compute target has succeeded, has failed for good, or has failed and will be tried again.
    on_success, on_failure
        The execution as a whole has ended.
    checkpoints
        It still runs so many seconds after it began.

    >>> def tell(input_map, output, params):
    ...     print(params["HOOK_TYPE_PARAM"], output.dimensions)
    >>> RouteExecutionHook(on_success=tell, on_failure=tell).on_exec_begin is None
    True
    """

    on_exec_begin: Slot | None = None
    on_exec_skipped: Slot | None = None
    on_compute_success: Slot | None = None
    on_compute_failure: Slot | None = None
    on_compute_retry: Slot | None = None
    on_success: Slot | None = None
    on_failure: Slot | None = None
    checkpoints: Sequence[RouteCheckpoint] = ()


@knows_its_words
@dataclass(frozen=True, slots=True)
class RoutePendingNodeHook:
    """What is called while a node has some of its inputs and waits for the others.

    Parameters
    ----------
    on_pending_node_created
        Inputs have arrived that lack others; it is told by the next periodic check, if they still do.
    on_expiration
        They have waited for longer than the node's ``pending_ttl`` and count no more.
    checkpoints
        They still wait so many seconds after the first arrived.
    """

    on_pending_node_created: Slot | None = None
    on_expiration: Slot | None = None
    checkpoints: Sequence[RouteCheckpoint] = ()


def is_pending(name: str) -> bool:
    """Say whether a hook is one of a pending node.

    >>> is_pending("on_expiration"), is_pending("on_pending_checkpoint_60"), is_pending("on_checkpoint_60")
    (True, True, False)
    """
    return name in PENDING or name.startswith(PENDING_CHECKPOINT)


def read_hooks(id: str, known: Hooks, given: dict[str, Any]) -> Hooks:
    """Return a node's hooks: those known, changed by ``execution_hook`` and ``pending_node_hook`` if given.

    Takes the two out of ``given``. Raises SpecError, ComputeError.
    """
    hooks = dict(known)
    for parameter, kind, pending in (
        ("execution_hook", RouteExecutionHook, False),
        ("pending_node_hook", RoutePendingNodeHook, True),
    ):
        if parameter in given:
            hook = given.pop(parameter)
            if hook is not None and not isinstance(hook, kind):
                raise SpecError(
                    f"{id}: {parameter} is of type {type(hook).__name__}", hint=f"write {kind.__name__}(...)"
                )
            hooks = {name: slots for name, slots in hooks.items() if is_pending(name) != pending}
            hooks |= _slots(id, hook, PENDING_CHECKPOINT if pending else CHECKPOINT) if hook else {}
    return tuple(hooks.items())


def _slots(
    id: str, hook: RouteExecutionHook | RoutePendingNodeHook, checkpoint: str
) -> dict[str, tuple[Compute, ...]]:
    found = {
        field.name: read_slot(f"{id}: {field.name}", slot)
        for field in fields(hook)
        if field.name != "checkpoints" and (slot := getattr(hook, field.name)) is not None
    }
    for point in _checkpoints(id, hook.checkpoints):
        name = f"{checkpoint}{point.checkpoint_in_secs}"
        if name in found:
            raise SpecError(
                f"{id}: two checkpoints are at {point.checkpoint_in_secs} seconds",
                hint="give one of them a list of hooks: RouteCheckpoint(60, [first, second])",
            )
        found[name] = read_slot(f"{id}: the checkpoint at {point.checkpoint_in_secs} seconds", point.slot)
    return {name: slots for name, slots in found.items() if slots}


def _checkpoints(id: str, given: Any) -> Iterator[RouteCheckpoint]:
    for point in [given] if isinstance(given, RouteCheckpoint) else given or ():
        if not isinstance(point, RouteCheckpoint):
            raise SpecError(f"{id}: {point!r} is no checkpoint", hint="write RouteCheckpoint(60, hook)")
        seconds = point.checkpoint_in_secs
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
            raise SpecError(f"{id}: a checkpoint is at {seconds!r} seconds", hint="a whole number from 1")
        yield point


def never_called(nodes: Iterable[ir.Node]) -> Iterator[GraphWarning]:
    """Yield a warning for each hook of a pending node that cannot be called."""
    for node in nodes:
        expiry = node.options.pending_ttl
        for name, _ in node.hooks:
            why = None
            if name == "on_expiration" and expiry is None:
                why = "what waits never expires"
            elif name.startswith(PENDING_CHECKPOINT) and expiry is not None:
                seconds = int(name.removeprefix(PENDING_CHECKPOINT))
                why = f"what waits expires after {expiry} seconds" if seconds >= expiry else None
            if why is not None:
                yield GraphWarning(
                    "RD203",
                    f"{node.id}: {name} is never called: {why}",
                    node.where,
                    "give a longer pending_ttl" if expiry else "give pending_ttl: how long it waits",
                )


def read_slot(what: str, slot: Any) -> tuple[Compute, ...]:
    """Return the computes of a slot; raises ComputeError for what cannot be a hook, named by ``what``."""
    each = slot if isinstance(slot, Iterable) and not isinstance(slot, str) else [slot]
    return tuple(_hook(what, target) for target in each)


def _hook(what: str, target: Any) -> Compute:
    if isinstance(target, Compute):
        if isinstance(target, _HOOKS):
            return target
    elif callable(target):
        return InlinedCompute(target)
    raise ComputeError(
        f"{what} is {_shown(target)}, which cannot be a hook",
        hint="a hook is an InlinedCompute, a message or a function (input_map, output, params)",
    )


def _shown(target: Any) -> str:
    return repr(target) if isinstance(target, str) else type(target).__name__
