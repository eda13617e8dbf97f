"""What is called as ``code(input_map, output, params)``, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from rheodsl import Application, InlinedCompute, RouteExecutionHook
from rheodsl.errors import ComputeError


class Called:
    def __call__(self, input_map: Any, output: Any, params: Any) -> None: ...


class Configured(Called):
    def __init__(self, table: str) -> None:
        self.table = table


class Defaulted(Called):
    def __init__(self, table: str = "orders") -> None:
        self.table = table


class Uncalled: ...


class Narrow:
    def __call__(self, input_map: Any) -> None: ...


def whole(input_map: Any, output: Any, params: Any) -> None: ...


def wider(input_map: Any, output: Any, params: Any, more: int = 1) -> None: ...


def any_number(*given: Any) -> None: ...


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any) -> Any:
        return function(args[0])

    return call


@logged
def wrapped(input_map: Any) -> None: ...


def two(input_map: Any, output: Any) -> None: ...


def none() -> None: ...


def named(input_map: Any, output: Any, params: Any, *, more: int) -> None: ...


@pytest.mark.parametrize(
    "code", [whole, wider, any_number, wrapped, Called, Called(), Defaulted, Defaulted("x")]
)
def test_what_can_be_called(code: Any) -> None:
    assert InlinedCompute(code).code.text


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        (two, "two cannot be called with (input_map, output, params)", "def two(input_map, output, params)"),
        (none, "none cannot be called with", "def none(input_map, output, params)"),
        (named, "named cannot be called with", "def named(input_map, output, params)"),
        (Narrow, "Narrow cannot be called with", "def __call__(self, input_map, output, params)"),
        (Narrow(), "Narrow cannot be called with", "def __call__(self, input_map, output, params)"),
        (Uncalled, "Uncalled has no __call__", "def __call__(self, input_map, output, params)"),
        (Uncalled(), "Uncalled has no __call__", "def __call__(self, input_map, output, params)"),
        (Configured, "an object of Configured cannot be made without arguments", "defaults"),
        (Configured("x"), "an object of Configured cannot be made without arguments", "defaults"),
    ],
)
def test_what_cannot_be_called(code: Any, said: str, hint: str) -> None:
    with pytest.raises(ComputeError) as raised:
        InlinedCompute(code)
    assert said in raised.value.what
    assert hint in str(raised.value.hint)


def test_a_node_and_a_hook_say_it_too() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    with pytest.raises(ComputeError, match="two cannot be called"):
        app.create_data("daily", [orders], compute_targets=two)
    with pytest.raises(ComputeError, match="none cannot be called"):
        app.create_data("daily", [orders], execution_hook=RouteExecutionHook(on_success=none))


def test_how_often_it_is_retried_is_a_number() -> None:
    with pytest.raises(ComputeError, match="retry_count is 'x'"):
        InlinedCompute(whole, retry_count="x")  # type: ignore[arg-type]
