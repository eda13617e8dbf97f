"""A node run backwards: an output partition, or partitions of inputs -> the execution that makes it.

`solve` carries values along the links until nothing more follows. It also says which partition is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.consumers import Check, Node, Read
from rheo_runtime.documents import Chosen, Draft
from rheo_runtime.join import Finder, branch_of
from rheo_runtime.records import Binding
from rheo_runtime.rollup import members_of
from rheo_runtime.values import BadValue, Kind, Partition, Value, is_partition, joined
from rheo_runtime.windows import enough, needed, reads

Dim = tuple[str, str]  # alias and dimension
Known = dict[Dim, Value]
KindOf = Callable[[x.Ref], Kind]
# A dimension, and what is known -> the kinds that it may have: one, once its partition's branch is known.
KindsOf = Callable[[x.Ref, Mapping[Dim, Value]], Sequence[Kind]]

_VALUE = x.Ref("", "value")  # stands for the value of a whole side; no input has an empty name


def solve(equations: Iterable[tuple[x.Expr, x.Expr]], known: Mapping[Dim, Value], kinds: KindsOf) -> Known:
    """Return ``known`` with every dimension that the equations determine from it.

    An equation waits until it is known in which branch of their filters its inputs are, where that matters.

    >>> from rheo_runtime.values import datetime_kind
    >>> day = datetime_kind()
    >>> solve([(x.Ref("a", "day"), x.Shift(x.Ref("b", "day"), -1))], {("a", "day"): 737502}, lambda r, known: [day])
    {('a', 'day'): 737502, ('b', 'day'): 737503}
    """
    found = dict(known)
    open_ = [each for one in equations for each in (one, *x.implied(*one))]

    def of_ref(ref: x.Ref) -> Kind:
        return kinds(ref, found)[0]

    progress = True
    while progress:
        progress = False
        for equation in list(open_):
            for side, other in (equation, equation[::-1]):
                if _unknown(side, found) or len(_unknown(other, found)) != 1:
                    continue
                computed = (each for each in equation if not isinstance(each, x.Ref))
                if any(len(kinds(ref, found)) > 1 for each in computed for ref in x.refs(each)):
                    continue
                open_.remove(equation)
                progress = True
                dim = next(iter(_unknown(other, found)))
                try:
                    wanted = evaluate(side, found, of_ref)
                except BadValue:
                    break
                value = invert(other, dim, wanted, found, of_ref)
                if value is not None:
                    found[dim] = value
                break
    return found


def _unknown(expr: x.Expr, known: Mapping[Dim, Value]) -> set[Dim]:
    return {(r.input, r.dim) for r in x.refs(expr)} - known.keys()


def evaluate(expr: x.Expr, known: Mapping[Dim, Value], of_ref: KindOf) -> Value:
    """Return the value of an expression whose dimensions are all known; raises BadValue."""

    def leaf(ref: x.Ref) -> Callable[[Mapping[Dim, Value]], Value]:
        return lambda values: values[ref.input, ref.dim]

    value: Value = x.compile_expr(expr, of_ref, leaf)(known)
    return value


def invert(
    side: x.Expr, target: Dim, value: Value, known: Mapping[Dim, Value], of_ref: KindOf
) -> Value | None:
    """Return the value of ``target`` that makes ``side`` the ``value``; None when that is not unique.

    ``known`` has the other dimensions of ``side``.
    """
    kind = x.kind_of(side, of_ref)

    def typed(ref: x.Ref) -> Kind:
        return kind if ref == _VALUE else of_ref(ref)

    try:
        back = x.solve(side, _VALUE, x.Ref(*target), lambda e: x.kind_of(e, typed), total=False)
        found = evaluate(back, {**known, (_VALUE.input, _VALUE.dim): value}, typed)
        # The hour that a clock skips has a value back, and none of its own.
        return found if evaluate(side, {**known, target: found}, of_ref) == value else None
    except (x.NotInvertible, x.BadExpr, BadValue):
        return None


OUTPUT = "output"

# Partitions that a nearest input may read, the closest to its tip first -> the one that it reads.
Choose = Callable[[wire.Input, Sequence[Partition]], Partition | None]


def first_of(source: wire.Input, candidates: Sequence[Partition]) -> Partition | None:
    """Choose whatever there is: for those who ask for the binding alone."""
    return next(iter(candidates), None)


class Undetermined(ValueError):
    """What was asked for does not tell which partitions an execution reads; the message says why."""


class NoPartition(Undetermined):
    """An execution that no event can lead to, since an input has no partition there: its calendar lacks the day."""


def of_output(
    node: Node, output: Partition, choose: Choose | None = None, ledger: Finder | None = None
) -> Draft:
    """Return the execution that makes an output partition.

    Parameters
    ----------
    choose
        Takes the place of what exists, for inputs that read the nearest partition.
    ledger
        Tells which members have come of rollups that know them from arrivals alone; without it they have none.

    Raises Undetermined.
    """
    draft = _draft(node, _named(OUTPUT, node.join.route.output.dims, output), choose, ledger, output)
    if draft.output != output:
        raise Undetermined(f"no inputs of {node.id} lead to this output")
    return draft


def of_alternatives(
    ways: Sequence[Node],
    output: Partition,
    there: Callable[[str, Partition], bool],
    ledger: Finder | None = None,
) -> Draft:
    """Return the execution that makes an output partition by the first alternative whose data is there.

    Where none has its data, by the first that the output determines. ``there`` says of a signal and a partition
    whether it is there; ``ledger`` is as of `of_output`. Raises Undetermined.
    """

    def choose(source: wire.Input, candidates: Sequence[Partition]) -> Partition | None:
        return next((p for p in candidates if there(source.signal, p)), None)

    if len(ways) == 1:
        return of_output(ways[0], output, choose, ledger)
    possible: list[Draft] = []
    fault: Undetermined | None = None
    for way in ways:
        try:
            draft = of_output(way, output, choose, ledger)
        except Undetermined as refused:
            fault = fault or refused
            continue
        tips = zip(way.join.triggers, draft.binding, strict=True)
        if all(_ready(source, tip, there) for source, tip in tips):
            return draft
        possible.append(draft)
    if not possible:
        raise fault or Undetermined("there is nothing that makes it")
    return possible[0]


def _ready(source: wire.Input, tip: Partition, there: Callable[[str, Partition], bool]) -> bool:
    """Whether the data of a trigger input is there: all that it needs, and enough of what it reads."""
    if not all(there(source.signal, partition) for partition in needed(source, tip)):
        return False
    return enough(source, tip, (p for p in reads(source, tip) if there(source.signal, p)))


def of_others(node: Node, output: Partition) -> list[Read]:
    """Return what starts other alternatives of a node that it does not name: timers and what is late, which have no data.

    Of an alternative whose partitions the output does not tell there is nothing.
    """
    own, found = {source.alias for source in node.join.route.inputs}, {}
    for way in node.ways:
        lacking = [source for source in way.join.triggers if source.alias not in own]
        if not lacking:
            continue
        try:
            binding = of_output(way, output, first_of).binding
        except (Undetermined, BadValue):
            continue
        for source, tip in zip(way.join.triggers, binding, strict=True):
            if source in lacking:
                found[source.alias] = [
                    Read(source.alias, source.signal, partition, False) for partition in reads(source, tip)
                ]
    return [read for each in found.values() for read in each]


def of_inputs(
    node: Node,
    given: Mapping[str, Partition],
    choose: Choose | None = None,
    ledger: Finder | None = None,
) -> Draft:
    """Return the execution that reads these partitions; its output follows from them.

    Parameters
    ----------
    given
        For each alias the tip of that input. What the links tell of the others may be left out.
    choose, ledger
        As of `of_output`.

    Raises Undetermined.
    """
    known: Known = {}
    for alias, partition in given.items():
        known |= _named(alias, node.join.scope.dims[alias], partition)
    draft = _draft(node, known, choose, ledger, None)
    for source, tip in zip(node.join.references, node.join.tips, strict=True):
        if given.get(source.alias, found := tip(draft.binding)) != found:
            raise Undetermined(f"the links of {node.id} lead to another partition of {source.alias}")
    return draft


def of_binding(
    node: Node, binding: Binding, choose: Choose | None = None, ledger: Finder | None = None
) -> Draft:
    """Return the execution of a binding: a partition for each trigger input. Parameters are as of `of_output`.

    Raises Undetermined.
    """
    _check(node, binding)
    return _made(node, binding, choose, ledger, None)


def _named(alias: str, dims: Sequence[str], partition: Partition) -> Known:
    return {(alias, dim): value for dim, value in zip(dims, partition, strict=True)}


def _draft(
    node: Node, known: Known, choose: Choose | None, ledger: Finder | None, output: Partition | None
) -> Draft:
    join = node.join
    out = join.route.output
    own = dict(zip(out.dims, out.kinds, strict=True))

    def kinds(ref: x.Ref, known: Mapping[Dim, Value]) -> Sequence[Kind]:
        return [own[ref.dim]] if ref.input == OUTPUT else join.scope.kinds(ref, known)

    # Without a trigger nothing determines the output: whoever asks names it.
    outputs = zip(out.dims, out.values, strict=True) if join.triggers else ()
    equations = [
        *join.route.links,
        *((x.Ref(OUTPUT, name), value) for name, value in outputs),
        *_literals(node),
    ]
    found = solve(equations, known, kinds)
    wanted = [(i.alias, join.scope.dims[i.alias]) for i in join.triggers]
    unknown = [f"{alias}.{dim}" for alias, dims in wanted for dim in dims if (alias, dim) not in found]
    if unknown:
        given = "the output does" if output is not None else "those partitions do"
        raise Undetermined(f"{given} not tell {', '.join(unknown)}, so only events can run {node.id}")
    binding = tuple(tuple(found[alias, dim] for dim in dims) for alias, dims in wanted)
    _check(node, binding)
    return _made(node, binding, choose, ledger, output)


def _made(
    node: Node, binding: Binding, choose: Choose | None, ledger: Finder | None, output: Partition | None
) -> Draft:
    join = node.join
    try:
        made = join.output(binding) if join.triggers else (output or ())
    except BadValue as fault:
        raise Undetermined(f"{node.id} has no output for these inputs: {fault}") from None
    try:
        join.tips_of(binding)
    except BadValue as fault:
        raise Undetermined(f"a reference of {node.id} has no partition for these inputs: {fault}") from None
    return Draft(node.document_builder, binding, made, _chosen(node, binding, choose, ledger))


def _check(node: Node, binding: Binding) -> None:
    """Raise Undetermined for what no event could have led to: a filter or a link speaks against it."""
    join = node.join
    for source, partition in zip(join.triggers, binding, strict=True):
        if not any(
            all(r.value in (None, value) for r, value in zip(branch, partition, strict=True))
            for branch in source.branches
        ):
            raise Undetermined(f"the filter of {source.alias} in {node.id} does not let it pass")
        if not _is_partition(source, partition):
            what = joined(source.texts(node.document_builder.signals[source.signal], partition))
            raise NoPartition(
                f"{what} is no partition of {source.alias} in {node.id}: "
                "its minimum, steps, calendar or clock leave it out"
            )
    try:
        for left, right in join.route.links:
            if join.scope.on_binding(left)(binding) != join.scope.on_binding(right)(binding):
                raise Undetermined(f"the inputs of {node.id} do not fit its links")
    except BadValue as fault:
        raise Undetermined(f"a link of {node.id} has no value: {fault}") from None


def _is_partition(source: wire.Input, partition: Partition) -> bool:
    """Whether events can tell of a partition; of a rollup, of some member that lies in it."""
    members = members_of(source)
    if members is not None:
        return members.open or bool(members.members(partition))
    branch = source.branches[branch_of(source.branches, partition)] if source.branches else ()
    return all(is_partition(value, rule.kind) for value, rule in zip(partition, branch, strict=True))


def _chosen(node: Node, binding: Binding, choose: Choose | None, ledger: Finder | None) -> Chosen:
    taken: list[tuple[str, tuple[Partition, ...]]] = []
    for check in node.checks:
        source = _source(node, check)
        if check.window.nearest:
            candidates = check.window.candidates(check.window.tip_of(check.tip(binding)))
            nearest = None if choose is None else choose(source, candidates)
            if nearest is None and (choose is None or not check.window.lists):
                raise Undetermined(
                    f"{node.id} reads the nearest partition of {source.alias}, which "
                    + ("only an event chooses" if choose is None else "has none in its window")
                )
            taken.append((source.alias, () if nearest is None else (nearest,)))
        elif check.window.lists and choose is not None:
            partitions = check.window.partitions(check.window.tip_of(check.tip(binding)))
            if check.window.open and ledger is not None:
                partitions = node.come(ledger, source, check.tip(binding))
            there = tuple(p for p in partitions if choose(source, [p]) is not None)
            come = (
                not check.window.open
                or ledger is None
                or node.join.come(ledger, source.alias, check.tip(binding))
            )
            if not come:
                raise Undetermined(
                    f"nothing is there that has come of {source.alias}, so nothing makes {node.id}"
                )
            taken.append((source.alias, check.window.taken(there)))
    return tuple(taken)


def _source(node: Node, check: Check) -> wire.Input:
    return next(i for i in node.join.route.inputs if i.alias == check.window.alias)


def _literals(node: Node) -> list[tuple[x.Expr, x.Expr]]:
    """Dimensions of trigger inputs that their filters fix."""
    found: list[tuple[x.Expr, x.Expr]] = []
    for source in node.join.triggers:
        for position, dim in enumerate(node.join.scope.dims[source.alias]):
            values = {branch[position].value for branch in source.branches}
            if len(values) == 1 and (value := values.pop()) is not None:
                kind = source.branches[0][position].kind
                found.append((x.Ref(source.alias, dim), x.Const(value, kind)))
    return found
