"""A node as it runs -> the declaration that leads to it, so that it can be changed and built on."""

from __future__ import annotations

from collections.abc import Mapping

from rheo_runtime import expr as x
from rheodsl import ir
from rheodsl.expressions import OUTPUT
from rheodsl.resolution import Declaration
from rheodsl.views import View


def declaration_of(node: ir.Node, signals: Mapping[str, ir.Signal]) -> Declaration:
    """Return a declaration that resolves to this node.

    What the user left to the rules (aliases, the output's dimensions and values) is spelled out; default
    links stay defaults.
    """
    views = tuple(
        (i.alias, View(signals[i.signal], i.branches, mode=i.mode, reference=i.reference and not i.awaited))
        for i in node.inputs
    )
    output = zip((name for name, _ in node.output), node.output_values, strict=True)
    return Declaration(
        id=node.id,
        inputs=views,
        links=tuple(link for link in node.written if not link.default),
        output_spec=tuple((name, rule.kind) for name, rule in node.output),
        output_links=tuple(
            ir.Link(x.Ref(OUTPUT, name), value, where=node.where)
            for name, value in output
            if value != x.Ref(OUTPUT, name)
        ),
        computes=node.computes,
        hooks=node.hooks,
        options=node.options,
        data=node.data,
        metadata=node.metadata,
        where=node.where,
    )
