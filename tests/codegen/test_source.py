"""Laws of the doors by which data enters generated source."""

from __future__ import annotations

import ast
import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.source import SourceError, block, call, comment, docstring, literal, module, name, raw

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(values)
def test_every_literal_reads_back_as_itself(value: object) -> None:
    assert ast.literal_eval(literal(value)) == value


@given(values)
def test_a_broken_literal_reads_back_as_itself(value: object) -> None:
    assert ast.literal_eval(block(value, "    ", 80)) == value


@given(st.text())
def test_every_docstring_reads_back_as_itself(text: str) -> None:
    assert ast.literal_eval(docstring(text)) == text


@given(st.text() | st.text(alphabet="\\\"'\n ax"))
def test_raw_text_reads_back_as_itself(text: str) -> None:
    assert ast.literal_eval(raw(text)) == text


@given(st.text())
def test_a_comment_holds_no_code(text: str) -> None:
    assert ast.parse(comment(text)).body == []


@given(st.dictionaries(st.from_regex(r"[a-z_]{3,8}x", fullmatch=True), values, max_size=5))
def test_a_call_holds_its_arguments(arguments: dict[str, object]) -> None:
    tree = ast.parse(call("Operator", arguments), mode="eval").body
    assert isinstance(tree, ast.Call)
    assert {k.arg: ast.literal_eval(k.value) for k in tree.keywords} == arguments


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize("value", [{1, 2}, b"x", Color.RED, float("nan"), float("inf"), object(), {1: 2}])
def test_what_has_no_plain_spelling_is_refused(value: object) -> None:
    with pytest.raises(SourceError):
        literal(value)


@pytest.mark.parametrize("text", ["class", "a-b", "", "1a", "a b", "x\n"])
def test_a_name_is_an_identifier(text: str) -> None:
    with pytest.raises(SourceError):
        name(text)


def test_a_module_must_parse() -> None:
    assert module("x = 1\n", "", "y = 2") == "x = 1\n\ny = 2\n"
    with pytest.raises(SyntaxError):
        module("x = = 1")
