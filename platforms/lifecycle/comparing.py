"""What is active, and a release -> what would change."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from platforms.lifecycle.changes import ADDED, CHANGED, REMOVED, Change, FileChange, Pending
from platforms.lifecycle.release import digests
from rheo_runtime.program import Program
from rheo_runtime.wire import RouteTable

# Where something is declared changes with every line above it.
_PLACE = "where"
# They list and repeat what the other files say.
_DERIVED = ("MANIFEST.json", "graph.json", "routes.json", "stack.json")


def entities(old: str | None, new: str, kind: str) -> tuple[Change, ...]:
    """Return which signals or nodes (``kind``) differ between two texts of graph.json, None for no old one."""
    before, after = _records(old, kind), _records(new, kind)
    outputs = set(_records(old, "nodes")) | set(_records(new, "nodes")) if kind == "signals" else set()
    return tuple(
        change
        for change in compare(before, after)
        if change.name not in outputs  # a node's output is the node
    )


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what differs between two sets of things by name, each a dict of its parts."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Change(ADDED, name)
        elif name not in after:
            yield Change(REMOVED, name)
        elif before[name] != after[name]:
            yield Change(CHANGED, name, tuple(_parts(before[name], after[name])))


def _parts(before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from (
            str(key) for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)
        )


def _records(text: str | None, kind: str) -> dict[str, Any]:
    if not text:
        return {}
    return {each["id"]: _placeless(each["record"]) for each in json.loads(text)[kind]}


def _placeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _placeless(each) for key, each in value.items() if key != _PLACE}
    return [_placeless(each) for each in value] if isinstance(value, list) else value


def files(manifest: str, read: Callable[[str], str | None], new: Mapping[str, str]) -> tuple[FileChange, ...]:
    """Return which generated files differ from those of a manifest; ``read`` gives the text of an old one."""
    before, after = digests(manifest), digests(new["MANIFEST.json"])
    found = []
    for change in compare(before, after):
        if change.name in _DERIVED:
            continue
        old = "" if change.action == ADDED else read(change.name) or ""
        text = new.get(change.name, "")
        lines = difflib.unified_diff(
            old.splitlines(keepends=True),
            text.splitlines(keepends=True),
            "/dev/null" if change.action == ADDED else f"active/{change.name}",
            "/dev/null" if change.action == REMOVED else f"new/{change.name}",
        )
        # A new file is not shown: it is all new.
        diff = "" if change.action == ADDED else "".join(lines)
        found.append(FileChange(change.action, change.name, diff))
    return tuple(found)


def pending(old: str | None, new: str, waiting: Callable[[Program, str], int | None]) -> tuple[Pending, ...]:
    """Return, for each node of the old route table, whether what waits there is still found by the new one.

    Parameters
    ----------
    old, new
        The texts of routes.json; None for no old one.
    waiting
        Counts what waits at a node now.
    """
    if not old:
        return ()
    before, after = Program(RouteTable.loads(old)), Program(RouteTable.loads(new))
    found = []
    for id, node in before.nodes.items():
        if node.join.size < 2 and not node.checks:
            continue  # nothing ever waits there
        why = _lost(before, after, id)
        found.append(Pending(id, why is None, waiting(before, id), why or ""))
    return tuple(found)


def _lost(before: Program, after: Program, id: str) -> str | None:
    """Why arrivals of a node are not found any more; None when they are."""
    if id not in after.nodes:
        return "the node is removed"
    old, new = before.nodes[id].join, after.nodes[id].join
    was = {
        source.alias: (source.signal, slot.name) for source, slot in zip(old.triggers, old.slots, strict=True)
    }
    now = {
        source.alias: (source.signal, slot.name) for source, slot in zip(new.triggers, new.slots, strict=True)
    }
    for alias in was:
        if alias not in now:
            return f"{alias} is no input any more"
        if was[alias][0] != now[alias][0]:
            return f"{alias} is another signal"
        if before.signals[was[alias][0]].dims != after.signals[now[alias][0]].dims:
            return f"{alias} has other dimensions"
        if was[alias][1] != now[alias][1]:
            return f"{alias} is linked otherwise"
    return None


def permissions(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what roles may do more (+) or less (-), from two CloudFormation templates."""
    before, after = set(_allowed(old)), set(_allowed(new))
    lines = [(line, "+") for line in after - before] + [(line, "-") for line in before - after]
    return tuple(f"{sign} {line}" for line, sign in sorted(lines))


def _allowed(template: Mapping[str, Any]) -> Iterator[str]:
    for id, made in template.get("Resources", {}).items():
        properties = made.get("Properties", {})
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        documents += [
            properties[k] for k in ("PolicyDocument", "AssumeRolePolicyDocument") if k in properties
        ]
        for document in documents:
            for statement in _many(document["Statement"]):
                yield from _statement(id, statement)


def _statement(id: str, statement: Mapping[str, Any]) -> Iterator[str]:
    if "Fn::If" in statement:
        for each in statement["Fn::If"][1:]:
            yield from _statement(id, each)
        return
    if "Effect" not in statement:  # AWS::NoValue
        return
    effect = "" if statement["Effect"] == "Allow" else "not "
    whom = f" by {_text(statement['Principal'])}" if "Principal" in statement else ""
    only = f" if {_text(statement['Condition'])}" if "Condition" in statement else ""
    for action in _many(statement.get("Action", statement.get("NotAction", ()))):
        for resource in _many(statement.get("Resource", ("",))):
            on = f" on {_text(resource)}" if resource else ""
            yield f"{id}: {effect}{action}{on}{whom}{only}"


def _many(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, inner),) = value.items()
        if key in ("Ref", "Fn::Sub") and isinstance(inner, str):
            return inner
        if key == "Fn::GetAtt":
            return str(inner[0] if isinstance(inner, list) else inner.split(".")[0])
    return json.dumps(value, sort_keys=True)


def resources(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return which resources of two CloudFormation templates differ, each named with its type and parts."""
    before, after = old.get("Resources", {}), new.get("Resources", {})
    shown = {id: made["Type"].removeprefix("AWS::") for id, made in {**before, **after}.items()}
    return tuple(
        Change(change.action, f"{shown[change.name]} {change.name}", _properties(before, after, change))
        for change in compare(before, after)
    )


def _properties(before: Mapping[str, Any], after: Mapping[str, Any], change: Change) -> tuple[str, ...]:
    if change.action != CHANGED:
        return ()
    old, new = before[change.name], after[change.name]
    inside = _parts(old.get("Properties", {}), new.get("Properties", {}))
    return (*inside, *(part for part in change.what if part != "Properties"))
