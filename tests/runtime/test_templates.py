"""Templates of paths: filled and read back, whatever stands in a level."""

from __future__ import annotations

import pytest

from codegen.cloudformation.events import patterns
from rheo_runtime import wire
from rheo_runtime.templates import ITSELF, Completion, completes, template
from rheo_runtime.values import Kind, datetime_kind, parse

TEXT, NUMBER, DAY = Kind("STRING"), Kind("LONG"), datetime_kind()
MARCH = parse("2024-03-01", DAY)


def test_a_path_is_filled_place_by_place() -> None:
    assert template("s3://b/x").fill((), ()) == "s3://b/x"
    assert template("{}/{}").fill(("{}", "b"), (TEXT, TEXT)) == "{}/b"
    with pytest.raises(ValueError):
        template("s3://b/{}").fill((), ())


@pytest.mark.parametrize(
    ("path", "partition", "kinds", "address"),
    [
        ("a/{0:%Y}/{0:%m%d}", (MARCH,), (DAY,), "a/2024/0301"),
        ("a/{0:%d.%m}/{0:%Y}", (MARCH,), (DAY,), "a/01.03/2024"),
        ("a/{0:%j}/{0:%Y}", (MARCH,), (DAY,), "a/061/2024"),
        ("a/{0:%Y}/{1}-{0:%m%d}", (MARCH, "us-east-1"), (DAY, TEXT), "a/2024/us-east-1-0301"),
        ("a/{0}_{1}", ("x_y", 7), (TEXT, NUMBER), "a/x_y_7"),
        ("a/{0:%Y}/{0}", (MARCH,), (DAY,), "a/2024/2024-03-01"),
        ("a/n={0}", ("a:b",), (Kind("STRING", escaped=True),), "a/n=a%3Ab"),
    ],
)
def test_what_is_written_is_read_back(
    path: str, partition: tuple[str | int, ...], kinds: tuple[Kind, ...], address: str
) -> None:
    made = template(path)
    assert made.fill(partition, kinds) == address
    texts = made.capture(tuple((kind,) for kind in kinds))(address.split("/"))
    assert texts is not None
    assert tuple(map(parse, texts, kinds)) == partition


@pytest.mark.parametrize("address", ["a/2024/2023-03-01", "a/24/2024-03-01", "a/2024/x"])
def test_levels_that_contradict_one_another_are_not_read(address: str) -> None:
    assert template("a/{0:%Y}/{0:%Y-%m-%d}").capture(((DAY,),))(address.split("/")) is None


@pytest.mark.parametrize(
    "events",
    [
        wire.S3Events("lake", "in/{}", ("*.csv",)),
        wire.S3Events("lake", "in/{}", ("orders_{0}.done",)),
        wire.S3Events("lake", "in/{}.csv", (ITSELF,)),
        wire.S3Events("lake", "in/{}", ("../_SUCCESS",)),
        wire.S3Events("lake", "in/{}", settle=300),
    ],
)
def test_all_objects_are_heard_of_where_no_plain_name_completes(events: wire.S3Events) -> None:
    signal = wire.Signal("s", ("day",), ((wire.Rule(DAY),),), (events,), "s3://lake/in/{}")
    found = dict(patterns(wire.RouteTable("app", (signal,), ()), ()))
    assert found["objects"]["detail"] == {"bucket": {"name": ["lake"]}}


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*_SUCCESS", ["_SUCCESS", "run-1_SUCCESS"], ["._SUCCESS", "_x_SUCCESS", "_SUCCESS.crc"]),
        ("*_SUCCESS*", ["_SUCCESS", "_SUCCESS.crc"], ["._SUCCESS.crc"]),
        ("*SUCCESS", ["SUCCESS", "MY_SUCCESS"], ["_SUCCESS"]),
        ("*", ["part-0"], ["_SUCCESS", ".part-0.crc", "x_$folder$"]),
        ("*.csv", ["a.csv"], ["_a.csv", ".a.csv", ".csv"]),
        ("?SUCCESS", ["xSUCCESS"], ["_SUCCESS"]),
        ("_*", ["_SUCCESS", "_x"], ["x"]),
    ],
)
def test_a_pattern_means_what_is_hidden_where_it_writes_the_underscore(
    pattern: str, yes: list[str], no: list[str]
) -> None:
    completion = Completion(pattern)
    assert [name for name in [*yes, *no] if completion.matches(name, ())] == yes
    assert [name for name in [*yes, *no] if completes((pattern,), name, ())] == yes
