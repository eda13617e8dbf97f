"""An output partition, or partitions of inputs -> the execution that makes it: a node run backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.documents import Chosen, Draft
from rheo_runtime.invert import Known, solve
from rheo_runtime.program import Check, Node
from rheo_runtime.records import Binding
from rheo_runtime.values import BadValue, Kind, Partition

OUTPUT = "output"

# Partitions that a nearest input may read, the closest to its tip first -> the one that it reads.
Choose = Callable[[wire.Input, Sequence[Partition]], Partition | None]


class Undetermined(ValueError):
    """What was asked for does not tell which partitions an execution reads; the message says why."""


def of_output(node: Node, output: Partition, choose: Choose | None = None) -> Draft:
    """Return the execution that makes an output partition.

    Parameters
    ----------
    choose
        Takes the place of what exists, for inputs that read the nearest partition.

    Raises Undetermined.
    """
    draft = _draft(node, _named(OUTPUT, node.join.route.output.dims, output), choose, output)
    if draft.output != output:
        raise Undetermined(f"no inputs of {node.id} lead to this output")
    return draft


def of_inputs(node: Node, given: Mapping[str, Partition], choose: Choose | None = None) -> Draft:
    """Return the execution that reads these partitions; its output follows from them.

    Parameters
    ----------
    given
        For each alias the tip of that input. What the links tell of the others may be left out.

    Raises Undetermined.
    """
    known: Known = {}
    for alias, partition in given.items():
        known |= _named(alias, node.join.scope.dims[alias], partition)
    draft = _draft(node, known, choose, None)
    for source, tip in zip(node.join.references, node.join.tips, strict=True):
        if given.get(source.alias, found := tip(draft.binding)) != found:
            raise Undetermined(f"the links of {node.id} lead to another partition of {source.alias}")
    return draft


def _named(alias: str, dims: Sequence[str], partition: Partition) -> Known:
    return {(alias, dim): value for dim, value in zip(dims, partition, strict=True)}


def _draft(node: Node, known: Known, choose: Choose | None, output: Partition | None) -> Draft:
    join = node.join
    out = join.route.output
    kinds = dict(zip(out.dims, out.kinds, strict=True))

    def kind(ref: x.Ref) -> Kind:
        return kinds[ref.dim] if ref.input == OUTPUT else join.scope.kind_of_ref(ref)

    # Without a trigger nothing determines the output: whoever asks names it.
    outputs = zip(out.dims, out.values, strict=True) if join.triggers else ()
    equations = [
        *join.route.links,
        *((x.Ref(OUTPUT, name), value) for name, value in outputs),
        *_literals(node),
    ]
    found = solve(equations, known, kind)
    wanted = [(i.alias, join.scope.dims[i.alias]) for i in join.triggers]
    unknown = [f"{alias}.{dim}" for alias, dims in wanted for dim in dims if (alias, dim) not in found]
    if unknown:
        given = "the output does" if output is not None else "those partitions do"
        raise Undetermined(f"{given} not tell {', '.join(unknown)}, so only events can run {node.id}")
    binding = tuple(tuple(found[alias, dim] for dim in dims) for alias, dims in wanted)
    _check(node, binding)
    try:
        made = join.output(binding) if join.triggers else (output or ())
    except BadValue as fault:
        raise Undetermined(f"{node.id} has no output for these inputs: {fault}") from None
    return Draft(node.recipe, binding, made, _chosen(node, binding, choose))


def _check(node: Node, binding: Binding) -> None:
    """Raise Undetermined for what no event could have led to: a filter or a link speaks against it."""
    join = node.join
    for source, partition in zip(join.triggers, binding, strict=True):
        if not any(
            all(r.value in (None, value) for r, value in zip(branch, partition, strict=True))
            for branch in source.branches
        ):
            raise Undetermined(f"the filter of {source.alias} in {node.id} does not let it pass")
    try:
        for left, right in join.route.links:
            if join.scope.on_binding(left)(binding) != join.scope.on_binding(right)(binding):
                raise Undetermined(f"the inputs of {node.id} do not fit its links")
    except BadValue as fault:
        raise Undetermined(f"a link of {node.id} has no value: {fault}") from None


def _chosen(node: Node, binding: Binding, choose: Choose | None) -> Chosen:
    taken = []
    for check in node.checks:
        if not check.window.nearest:
            continue
        source = _source(node, check)
        candidates = check.window.candidates(check.window.tip_of(check.tip(binding)))
        nearest = None if choose is None else choose(source, candidates)
        if nearest is None:
            raise Undetermined(
                f"{node.id} reads the nearest partition of {source.alias}, which "
                + ("only an event chooses" if choose is None else "has none in its window")
            )
        taken.append((source.alias, nearest))
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
