"""Values of inputs -> a computed value: the expressions of links, outputs and references, as data.

Nodes are frozen and serialise to JSON lists ``[tag, field, ...]``. `kind_of` types an expression,
`compile_expr` turns it into a function. Nothing here runs a user's code.
"""

from rheo_runtime.expr.codec import from_json, kind_from_json, kind_to_json, to_json
from rheo_runtime.expr.evaluate import compile_expr
from rheo_runtime.expr.inverse import NotInvertible, implied, solve
from rheo_runtime.expr.kinds import BadExpr, kind_of
from rheo_runtime.expr.nodes import (
    DATE_FIELDS,
    NODES,
    PARTS,
    At,
    CalendarShift,
    Cast,
    Const,
    DateOf,
    Expr,
    Fmt,
    Lower,
    MapValues,
    Offset,
    Parse,
    Part,
    Ref,
    Shift,
    Trunc,
    Tz,
    Upper,
    Zfill,
    children,
    refs,
    rewrite,
)

__all__ = [
    "DATE_FIELDS",
    "NODES",
    "PARTS",
    "At",
    "BadExpr",
    "CalendarShift",
    "Cast",
    "Const",
    "DateOf",
    "Expr",
    "Fmt",
    "Lower",
    "MapValues",
    "NotInvertible",
    "Offset",
    "Parse",
    "Part",
    "Ref",
    "Shift",
    "Trunc",
    "Tz",
    "Upper",
    "Zfill",
    "children",
    "compile_expr",
    "from_json",
    "implied",
    "kind_from_json",
    "kind_of",
    "kind_to_json",
    "refs",
    "rewrite",
    "solve",
    "to_json",
]
