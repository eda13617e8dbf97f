"""What is active, and a release -> what an activation would change, to be read by people and by programs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rheo_platforms.lifecycle.release import digests
from rheo_runtime.consumers import Node
from rheo_runtime.join import Join
from rheo_runtime.program import Program
from rheo_runtime.wire import Branch, Input, RouteTable, meaning

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
_SIGNS = {ADDED: "+", CHANGED: "~", REMOVED: "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would be added, changed or removed; ``what`` says which parts of it."""

    action: str
    name: str
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = f": {', '.join(self.what)}" if self.what else ""
        return f"{_SIGNS[self.action]} {self.name}{parts}"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A generated file that would change, as a unified diff."""

    action: str
    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What becomes of what waits at a node: ``kept``, or not, and why; of what is kept, what part of it is not.

    ``waiting`` counts the incomplete combinations that wait there now; None when it is not known.
    """

    node: str
    kept: bool
    waiting: int | None = None
    why: str = ""

    def __str__(self) -> str:
        count = "" if self.waiting is None else f" ({self.waiting} waiting)"
        if self.kept:
            less = f", but for what {self.why}" if self.why else ""
            return f"= {self.node}: what waits is kept{count}{less}"
        return f"! {self.node}: what waits is lost{count}: {self.why}"


@dataclass(frozen=True, slots=True)
class PlannedChanges:
    """What an activation would change.

    ``signals`` and ``nodes`` are those of the application, ``files`` the generated ones, ``resources``
    what the platform makes around them, ``permissions`` what roles may do more or less, one line for each.
    ``pending`` are nodes that exist before and after, and those whose waiting arrivals are lost.
    ``contracts`` says what changed for those that read the application's outputs, and in those that it reads;
    a line that begins with "!" is of something that no longer fits. ``owners`` is what the owners of buckets in other
    accounts have to do, as commands; whether they have done it is not known here. ``drift`` is what somebody changed by hand since
    the active release: an activation leaves it, unless it shall ``refresh``. Of a preview, ``base`` is the
    application that it is one of, and ``reads`` what it reads from there.
    """

    app: str
    state: str
    signals: tuple[Change, ...] = ()
    nodes: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()
    resources: tuple[Change, ...] = ()
    permissions: tuple[str, ...] = ()
    pending: tuple[Pending, ...] = field(default=())
    contracts: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    drift: tuple[Change, ...] = ()
    base: str = ""
    reads: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.signals or self.nodes or self.files or self.resources or self.permissions)

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {"empty": self.empty, **asdict(self)}

    def __str__(self) -> str:
        if self.empty and not self.contracts and not self.drift:
            return f"{self.app} is {self.state}; nothing would change"
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.app} is {self.state}" + (f"; a preview of {self.base}" if self.base else "")
        for title, found in (
            ("changed by hand since the release (rheo activate --refresh takes it back)", self.drift),
            ("contracts", self.contracts),
            (f"read from {self.base}", self.reads),
            ("signals", self.signals),
            ("nodes", self.nodes),
            ("resources", self.resources),
            ("permissions", self.permissions),
            ("pending state", self.pending),
            ("to be done by others, if they have not yet", self.owners),
            ("files", [Change(f.action, f.path) for f in self.files]),
        ):
            if found:
                yield f"\n{title}"
                yield from (f"  {each}" for each in found)
        for file in self.files:
            if file.diff:
                yield ""
                yield file.diff.rstrip("\n")


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
    for id in before.makers:
        rolled = any(any(way.join.rolled) for way in after.ways(id))
        ways = [way for way in before.ways(id) if _waits(way) or rolled]
        if not ways:
            continue  # nothing ever waits there
        why = next((lost for way in ways if (lost := _lost(before, after, way)) is not None), None)
        less = next((lost for way in ways if (lost := _left_out(after, way)) is not None), "")
        found.append(Pending(id, why is None, waiting(before, id), why or less))
    return tuple(found)


def _waits(way: Node) -> bool:
    """Say whether anything ever waits at a node, or at one alternative of it."""
    return way.join.size > 1 or bool(way.checks) or any(way.join.rolled)


def _same_way(after: Program, way: Node) -> Node | None:
    """The alternative of a node that takes the place of one that was there before: of the same inputs, or the only one."""
    ways = after.ways(way.id)
    return (
        after.way(way.id, way.means.name)
        or next((new for new in ways if new.join.positions.keys() == way.join.positions.keys()), None)
        or (ways[0] if len(ways) == 1 and len(way.means.now) == 1 else None)
    )


def _lost(before: Program, after: Program, way: Node) -> str | None:
    """Why arrivals of a node, or of one alternative of it, are not found any more; None when they are."""
    old, same = way.join, _same_way(after, way)
    if not after.ways(way.id):
        return "the node is removed"
    if same is None:
        return f"{' & '.join(old.positions)} is no alternative any more"
    new = same.join
    was = {
        source.alias: (source.signal, slot.name)
        for source, slot in zip(old.triggers, old.arrival_indexes, strict=True)
    }
    now = {
        source.alias: (source.signal, slot.name)
        for source, slot in zip(new.triggers, new.arrival_indexes, strict=True)
    }
    for alias in was:
        if alias not in now:
            return f"{alias} is no input any more"
        if was[alias][0] != now[alias][0]:
            return f"{alias} is another signal"
        if before.signals[was[alias][0]].dims != after.signals[now[alias][0]].dims:
            return f"{alias} has other dimensions"
        if meaning(before.signals[was[alias][0]]) != meaning(after.signals[now[alias][0]]):
            return f"{alias} has dimensions of other types or formats"
        if _rollup(old, alias) != _rollup(new, alias):
            return f"{alias} is rolled up otherwise"
        if was[alias][1] != now[alias][1]:
            return f"{alias} is linked otherwise"
    if old.means == new.means:
        return None
    more = [alias for alias in now if alias not in was]
    return f"{', '.join(more)} is a new input" if more else "it is linked otherwise"


def _left_out(after: Program, way: Node) -> str | None:
    """What the filters of a node, or of one alternative of it, let pass before and leave out now; None for nothing."""
    same = _same_way(after, way)
    if same is None:
        return None
    now = {source.alias: source for source in same.join.triggers}
    for source in way.join.triggers:
        if source.rollup is None and source.alias in now and not _covers(now[source.alias], source):
            return f"the filter of {source.alias} leaves out now"
    return None


def _covers(now: Input, before: Input) -> bool:
    """Say whether an input takes each partition that it took before."""
    return all(any(_wider(branch, old) for branch in now.branches) for old in before.branches)


def _wider(now: Branch, before: Branch) -> bool:
    return len(now) == len(before) and all(
        (rule.value is None or rule.value == old.value)
        and rule.kind.domain in (old.kind.domain, (None, old.kind.step, None, None))
        for rule, old in zip(now, before, strict=True)
    )


def _rollup(join: Join, alias: str) -> object:
    """To what an input is rolled up; None where it is not."""
    rollup = next(source.rollup for source in join.triggers if source.alias == alias)
    if rollup is None or rollup.complete:
        return rollup and rollup.grains
    return rollup.grains, [[rule.value for rule in branch] for branch in rollup.members]


def asks_otherwise(before: Program, after: Program) -> list[str]:
    """Return the nodes, and alternatives, where something waits and which are declared otherwise than before."""
    was = {
        node: [replace(way.join.route, alternative=0) for way in before.ways(node)] for node in before.makers
    }
    return [
        key
        for key, way in after.nodes.items()
        if _waits(way) and way.id in was and replace(way.join.route, alternative=0) not in was[way.id]
    ]


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
