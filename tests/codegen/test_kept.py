"""A compile keeps what it made of parts that have not changed: it writes what one from the beginning would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from codegen.compiler import compile_graph
from codegen.kept import KEPT, Kept
from rheodsl import Application, SignalNode


def declared() -> Application:
    app = Application("kept")
    before: SignalNode = app.s3("source", "s3://bucket/source/{region:int}/{day:%Y-%m-%d}")
    for n in range(4):
        before = app.create_data(
            f"node{n}", inputs=[before["*"][:-7]], compute_targets=f"output = {before.id}"
        )
    return app


def anew(app: Application) -> dict[str, str]:
    """What a process that has compiled nothing before makes of an application."""
    KEPT.turn()
    KEPT.turn()
    return compile_graph(app.graph())


CHANGES: dict[str, Callable[[Application], object]] = {
    "nothing": lambda app: None,
    "an option": lambda app: app.patch_data("node1", max_active_runs=3),
    "the code": lambda app: app.patch_data("node1", compute_targets="output = node0.limit(1)"),
    "the data that others read": lambda app: app.patch_data("node1", dataset_format="CSV"),
    "the inputs": lambda app: app.patch_data("node2", inputs=[app["source"]], compute_targets="output = source"),
    "another node": lambda app: app.create_data("more", app["node3"], compute_targets="output = node3"),
    "a metric of its own": lambda app: app.create_metric("errors"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_compile_after_a_change_is_one_from_the_beginning(change: str) -> None:
    app = declared()
    first = compile_graph(app.graph())
    CHANGES[change](app)
    after = compile_graph(app.graph())
    assert after == anew(app)
    assert (after == first) is (change == "nothing")


def test_another_dialect_and_bucket_are_made_anew() -> None:
    app = declared()
    compile_graph(app.graph())
    assert (
        compile_graph(app.graph(), dialect="mwaa-3.0")["node1.py"] != compile_graph(app.graph())["node1.py"]
    )
    assert "s3://elsewhere/" in compile_graph(app.graph(), bucket="elsewhere")["node1.py"]
    assert "s3://elsewhere/" not in compile_graph(app.graph())["node1.py"]


def test_what_a_whole_compile_does_not_use_is_dropped() -> None:
    kept, made, one, other = Kept(), [], ("one",), ("other",)
    for part in (one, other):
        kept.of("text", (part,), lambda part=part: made.append(part))
    for _ in range(2):
        kept.turn()
        kept.of("text", (one,), lambda: made.append(one))
    assert made == [one, other]
    kept.of("text", (other,), lambda: made.append(other))
    assert made == [one, other, other]


def test_a_fault_is_not_kept() -> None:
    kept, part = Kept(), ("part",)
    with pytest.raises(ZeroDivisionError):
        kept.of("text", (part,), lambda: 1 // 0)
    assert kept.of("text", (part,), lambda: 1) == 1


def test_only_a_changed_node_and_those_that_read_it_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = declared()
    compile_graph(app.graph())
    made: list[str] = []
    from codegen import compiler

    real = compiler.dag_file
    monkeypatch.setattr(compiler, "dag_file", lambda dag, chosen: made.append(dag.node) or real(dag, chosen))
    app.patch_data("node1", max_active_runs=3)
    compile_graph(app.graph())
    assert made == ["node1", "node2"]
    compile_graph(app.graph())
    assert made == ["node1", "node2"]
