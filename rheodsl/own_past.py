"""``output[-1:].ref`` -> the node's own past, as an input: an earlier partition of what it makes.

What a node makes today from what it made yesterday is a chain, not a circle, as long as each partition reads
earlier ones alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from rheo_runtime.wire import Branch, Window
from rheodsl.errors import SpecError, TruthError


@dataclass(frozen=True, slots=True, repr=False)
class OwnPast:
    """The node's own earlier partition as an input: ``output[-1:].ref``. Its dimensions are known once it is resolved.

    ``indexes`` are as written, one for each dimension of the output.
    """

    indexes: tuple[Any, ...] = ()
    is_reference: bool = False
    checked: bool = False
    name: str | None = None
    shown: str = "output"

    def __getitem__(self, index: Any) -> OwnPast:
        return replace(self, indexes=(*self.indexes, index))

    # Python would otherwise try [0], [1], ... for ever.
    def __iter__(self) -> NoReturn:
        raise not_iterable()

    @property
    def ref(self) -> OwnPast:
        """The partition as a reference: read if it is there."""
        return replace(self, is_reference=True)

    def reference(self) -> OwnPast:
        """Return the partition as a reference, as `ref`."""
        return self.ref

    as_reference = reference

    @property
    def no_event(self) -> OwnPast:
        """The partition as a reference, as `ref`."""
        return self.ref

    def optional(self) -> OwnPast:
        """Return the partition as a reference, as `ref`: it may be absent."""
        return replace(self, is_reference=True, checked=False)

    def range_check(self, enabled: bool = True, *, at_least: int | None = None) -> OwnPast:
        """Return it so that partitions are made one after the other: each once the one before is there."""
        if at_least is not None:
            raise SpecError(
                f"{self}: at_least={at_least!r} counts partitions of a window; a past is one",
                hint="write output[-1:].ref.range_check(True)",
            )
        return replace(self, checked=enabled)

    def check_range(self) -> OwnPast:
        """Return it checked, as `range_check`."""
        return self.range_check(True)

    def alias(self, name: str) -> OwnPast:
        """Return it under another name for compute code than the node's id."""
        if not isinstance(name, str) or not name.isidentifier():
            raise SpecError(f"{name!r} is no alias", hint="use letters, digits and underscores")
        return replace(self, name=name)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise SpecError(
            f"{self} has no {name!r}: a node's own past is one earlier partition, and an input alone",
            hint="write output[-1:].ref, with .range_check(True) to make partitions one after the other",
        )

    def __str__(self) -> str:
        written = "".join(f"[{_written(index)}]" for index in self.indexes)
        return (
            self.shown
            + written
            + (".range_check(True)" if self.checked else "")
            + (".ref" if self.is_reference else "")
        )

    __repr__ = __str__


def not_iterable() -> TruthError:
    """Return the error of a loop over ``output``."""
    return TruthError(
        "output cannot be iterated", hint="a list of inputs is written [orders, output[-1:].ref]"
    )


def _written(index: Any) -> str:
    if not isinstance(index, slice):
        return repr(index)
    start, stop = ("" if bound is None else str(bound) for bound in (index.start, index.stop))
    return f"{start}:{stop}"


def why_no_past(own: OwnPast, branch: Branch) -> str | None:
    """Return why a view of a node's own output is not its past; None when it is.

    ``branch`` is its filter, over the dimensions of the output.
    """
    windows = [rule.window for rule in branch if rule.window is not None]
    if not own.is_reference:
        return "a node cannot wait for what it makes itself"
    if any(rule.value is not None for rule in branch):
        return "every partition would read one and the same"
    if not windows:
        return "each partition would read itself"
    if len(windows) > 1:
        return "only one dimension can be moved"
    return _why_not_earlier(windows[0])


def _why_not_earlier(window: Window) -> str | None:
    offsets = window.offsets()
    if 0 in offsets:
        return "a window that begins at the partition itself holds it"
    if max(offsets) > 0:
        return "what comes later is made later"
    return "a window has several partitions; a past is one" if len(offsets) > 1 else None
