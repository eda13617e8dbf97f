"""moto with our changes answers as moto does, whatever was written before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from rheo_platforms.local.moto_changes import CHANGES

RANDOM = ("VersionId", "CopySourceVersionId", "DeleteMarkerVersionId", "NextVersionIdMarker")
Step = tuple[str, dict[str, Any]]
TEXTS = st.sampled_from(["", "a", "ab", "b", "é"])


@contextmanager
def changed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, ours in CHANGES:
            patch.setattr(owner, name, ours)
        yield


def answers(service: str, prepare: Callable[[Any], Any], steps: Sequence[Step]) -> list[Any]:
    """What a fresh moto says to some calls; of a call in pages, all its pages."""
    with mock_aws():
        prepare(client(service))
        return [list(_pages(client(service), name, call)) for name, call in steps]


@cache
def client(service: str) -> Any:
    """A client takes long to make."""
    secret = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client(service, region_name="us-east-1", **secret)  # type: ignore[call-overload]


def _pages(client: Any, name: str, call: Mapping[str, Any]) -> Iterator[Any]:
    for _ in range(20):
        try:
            answer = getattr(client, name)(**call)
        except ClientError as error:
            yield error.response["Error"]
            return
        except Exception as error:  # noqa: BLE001 - faults of moto's own stay as they are
            yield repr(error)
            return
        yield _told(answer)
        further = {
            then: answer[key]
            for key, then in (
                ("LastEvaluatedKey", "ExclusiveStartKey"),
                ("NextContinuationToken", "ContinuationToken"),
                ("NextMarker", "Marker"),
                ("NextKeyMarker", "KeyMarker"),
            )
            if key in answer
        }
        if not further:
            return
        call = {**call, **further}


def _told(answer: Any) -> Any:
    """An answer without times and random ids."""
    if isinstance(answer, dict):
        left_out = ("ResponseMetadata", "LastModified", *RANDOM)
        return {key: _told(value) for key, value in answer.items() if key not in left_out}
    return [_told(each) for each in answer] if isinstance(answer, list) else answer


# --- DynamoDB ---

NUMBERS = st.sampled_from(["1", "1.0", "2", "10", "-3"])
VALUES = st.recursive(
    st.one_of(
        TEXTS.map(lambda value: {"S": value}),
        NUMBERS.map(lambda value: {"N": value}),
        st.sampled_from([{"B": b"\xff\x00"}, {"BOOL": False}, {"NULL": True}, {"L": []}, {"M": {}}]),
        st.sampled_from([{"SS": ["a", ""]}, {"NS": ["1", "2.5"]}, {"BS": [b"a", b"\xfe"]}]),
    ),
    lambda values: st.one_of(
        st.lists(values, max_size=2).map(lambda several: {"L": several}),
        st.dictionaries(TEXTS, values, max_size=2).map(lambda several: {"M": several}),
    ),
    max_leaves=4,
)


def text(value: str) -> dict[str, str]:
    return {"S": value}


def table(client: Any) -> None:
    """Two tables: of the second, an item has a hash key alone."""
    indexes = [
        {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": kind}}
        for name, kind, schema in (
            ("todo", "KEYS_ONLY", [{"AttributeName": "todo", "KeyType": "HASH"}]),
            ("aged", "ALL", [
                {"AttributeName": "todo", "KeyType": "HASH"},
                {"AttributeName": "age", "KeyType": "RANGE"},
            ]),
            ("ages", "ALL", [{"AttributeName": "age", "KeyType": "HASH"}]),
        )
    ]  # fmt: skip
    for name, keys in (("two", ("pk", "sk")), ("one", ("pk",))):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "N" if key == "age" else "S"}
                for key in (*keys, "todo", "age")
            ],
            GlobalSecondaryIndexes=indexes,
        )


@st.composite
def writes(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from(["two", "one"]))
    keys = st.sampled_from(["a", "b"]).map(text)
    key = {"pk": draw(keys)} | ({"sk": draw(keys)} if name == "two" else {})
    todo, age = text(draw(st.sampled_from(["x", "y"]))), {"N": draw(NUMBERS)}
    item = {**key, "note": draw(VALUES)} | draw(
        st.sampled_from([{}, {"todo": todo}, {"todo": todo, "age": age}])
    )
    condition = draw(st.sampled_from([{}, {"ConditionExpression": "attribute_exists(todo)"}]))
    change, values = draw(
        st.sampled_from(
            [
                ("SET todo = :todo", {":todo": todo}),
                ("SET todo = :todo, age = :age", {":todo": todo, ":age": age}),
                ("REMOVE todo", {}),
                ("REMOVE age SET note = :todo", {":todo": todo}),
            ]
        )
    )
    here = {"TableName": name}
    put = {**here, "Item": item, **condition}
    delete = {**here, "Key": key, **condition}
    update = {**here, "Key": key, "UpdateExpression": change, **condition}
    if values:
        update["ExpressionAttributeValues"] = values
    other = {**here, "Key": {name: text("e") for name in key}}
    step: Step = draw(
        st.sampled_from(
            [
                ("put_item", put),
                ("update_item", {**update, "ReturnValues": "ALL_NEW"}),
                ("update_item", {**update, "ReturnValues": "ALL_OLD"}),
                ("delete_item", {**delete, "ReturnValues": "ALL_OLD"}),
                ("batch_write_item", {"RequestItems": {name: [{"PutRequest": {"Item": item}}]}}),
                ("transact_write_items", {"TransactItems": [{"Put": put}, {"Delete": other}]}),
                ("transact_write_items", {"TransactItems": [
                    {"Update": {**update, "TableName": name}},
                    {"ConditionCheck": {**other, "ConditionExpression": "attribute_exists(pk)"}},
                ]}),
                ("execute_statement", {"Statement": f"UPDATE {name} SET todo = 'y' WHERE pk = 'a'"}),
            ]
        )
    )  # fmt: skip
    return step


@st.composite
def queries(draw: st.DrawFn) -> Step:
    call: dict[str, Any] = {"TableName": draw(st.sampled_from(["two", "one"]))}
    index = draw(st.sampled_from([None, "todo", "aged", "ages"]))
    value = text(draw(st.sampled_from(["a", "b"])))
    if index is not None:
        call["IndexName"] = index
        value = {"N": draw(NUMBERS)} if index == "ages" else text(draw(st.sampled_from(["x", "y"])))
    key = {None: "pk", "ages": "age"}.get(index, "todo")
    call["ExpressionAttributeValues"] = {":value": value}
    call["KeyConditionExpression"] = f"{key} = :value"
    if index == "aged" and draw(st.booleans()):
        call["KeyConditionExpression"] += " AND age > :age"
        call["ExpressionAttributeValues"][":age"] = {"N": draw(NUMBERS)}
    if index is None and call["TableName"] == "two" and draw(st.booleans()):
        call["KeyConditionExpression"] += " AND begins_with(sk, :begin)"
        call["ExpressionAttributeValues"][":begin"] = value
    if draw(st.booleans()):
        call["Limit"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        call["ScanIndexForward"] = draw(st.booleans())
    if draw(st.booleans()):
        call["FilterExpression"] = "attribute_not_exists(age) OR age < :most"
        call["ExpressionAttributeValues"][":most"] = {"N": "5"}
    if draw(st.booleans()):
        return ("scan", {k: call[k] for k in ("TableName", "IndexName", "Limit") if k in call})
    return ("query", call)


@pytest.mark.slow
@pytest.mark.random
@given(st.lists(st.tuples(writes(), queries(), queries()), max_size=20))
def test_dynamodb_answers_as_moto_does(turns: list[tuple[Step, Step, Step]]) -> None:
    steps = [step for turn in turns for step in turn]
    plain = answers("dynamodb", table, steps)
    with changed():
        assert answers("dynamodb", table, steps) == plain


# --- S3 ---

KEYS = st.sampled_from(["a", "a/", "a/1", "a/2", "a/b/1", "a0", "b/1", "é/1"])


def buckets(client: Any) -> None:
    client.create_bucket(Bucket="plain")
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})


@st.composite
def objects(draw: st.DrawFn) -> Step:
    bucket = {"Bucket": draw(st.sampled_from(["plain", "versions"]))}
    key, other = draw(KEYS), draw(KEYS)
    step: Step = draw(
        st.sampled_from(
            [
                ("put_object", {**bucket, "Key": key, "Body": b"x"}),
                ("delete_object", {**bucket, "Key": key}),
                ("delete_objects", {**bucket, "Delete": {"Objects": [{"Key": key}, {"Key": other}]}}),
                ("copy_object", {**bucket, "Key": key, "CopySource": {**bucket, "Key": other}}),
            ]
        )
    )
    return step


@st.composite
def lists(draw: st.DrawFn) -> Step:
    call: dict[str, Any] = {"Bucket": draw(st.sampled_from(["plain", "versions"]))}
    name = draw(st.sampled_from(["list_objects", "list_objects_v2", "list_object_versions"]))
    if draw(st.booleans()):
        call["Prefix"] = draw(st.sampled_from(["a", "a/", "b", "é", "z"]))
    if draw(st.booleans()):
        call["Delimiter"] = "/"
    if draw(st.booleans()):
        call["MaxKeys"] = draw(st.integers(1, 3))
    if name == "list_objects_v2" and draw(st.booleans()):
        call["StartAfter"] = draw(KEYS)
    return name, call


@pytest.mark.slow
@pytest.mark.random
@given(st.lists(st.tuples(objects(), lists()), max_size=20))
def test_s3_lists_as_moto_does(turns: list[tuple[Step, Step]]) -> None:
    steps = [step for turn in turns for step in turn]
    plain = answers("s3", buckets, steps)
    with changed():
        assert answers("s3", buckets, steps) == plain
