"""403 is not "not there": what may not be looked for is told, with the permission that is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_runtime import wire
from rheo_runtime.answers import Denied, is_refusal
from rheo_runtime.storage import AwsStorage, delete

from .tables import NUMBER, signal

ORDERS = signal("orders", x=NUMBER)
BUCKET, KEY = "lake", "orders/1/_SUCCESS"


def refusal(code: str, call: str, message: str = "Forbidden") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, call)


class S3:
    """A bucket that answers HEAD with 403, as S3 does of what is not there where nothing may be listed."""

    def __init__(self, keys: tuple[str, ...] = (), *, listed: bool = True) -> None:
        self.keys = keys
        self.listed = listed

    def head_object(self, **call: str) -> None:
        raise refusal("403", "HeadObject")

    def list_objects_v2(self, **call: Any) -> dict[str, Any]:
        if not self.listed:
            raise refusal("AccessDenied", "ListObjectsV2")
        return {"Contents": [{"Key": key} for key in self.keys if key.startswith(call["Prefix"])]}


@pytest.mark.parametrize(("keys", "there"), [((), False), ((f"{KEY}.old",), False), ((KEY,), True)])
def test_a_list_tells_what_head_does_not(keys: tuple[str, ...], there: bool) -> None:
    assert AwsStorage(S3(keys)).exists(ORDERS, (1,)) is there


def test_what_may_not_be_looked_for_is_no_absence() -> None:
    with pytest.raises(Denied) as raised:
        AwsStorage(S3(listed=False)).exists(ORDERS, (1,))
    assert str(raised.value) == (
        f"s3://{BUCKET}/{KEY} may not be looked for: s3:ListBucket on arn:aws:s3:::{BUCKET} is missing"
    )


def test_a_listener_is_told_once_and_goes_on() -> None:
    told: list[Denied] = []
    storage = AwsStorage(S3(listed=False), tell=told.append)
    assert [storage.exists(ORDERS, (n,)) for n in range(3)] == [False] * 3
    assert [each.permission for each in told] == [f"s3:ListBucket on arn:aws:s3:::{BUCKET}"]


def test_what_may_not_be_looked_for_is_not_gone() -> None:
    """A partition that has come would exist no more, and its windows wait for it, because of a permission."""
    storage = AwsStorage(S3(listed=False), tell=lambda refusal: None)
    with pytest.raises(Denied):
        storage.gone(ORDERS, (1,))
    assert AwsStorage(S3()).gone(ORDERS, (1,)) and not AwsStorage(S3((KEY,))).gone(ORDERS, (1,))


class Glue:
    """A catalog that answers with one fault."""

    def __init__(self, fault: ClientError) -> None:
        self.fault = fault

    def get_partition(self, **call: Any) -> None:
        raise self.fault


def test_a_catalog_that_refuses_names_what_is_missing() -> None:
    sales = replace(signal("sales", x=NUMBER), events=(wire.GlueEvents("shop", "sales"),))
    said = "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: glue:GetPartition on resource: arn:aws:glue:r:1:catalog because"
    with pytest.raises(
        Denied, match=r"shop\.sales 1 may not .* glue:GetPartition on arn:aws:glue:r:1:catalog is missing"
    ):
        AwsStorage(None, Glue(refusal("AccessDeniedException", "GetPartition", said))).exists(sales, (1,))
    absent = Glue(refusal("EntityNotFoundException", "GetPartition"))
    assert AwsStorage(None, absent).exists(sales, (1,)) is False
    with pytest.raises(ClientError, match="Throttling"):
        AwsStorage(None, Glue(refusal("ThrottlingException", "GetPartition"))).exists(sales, (1,))


class Deleting(S3):
    """A bucket that deletes a thousand objects a call, and one of them not."""

    def __init__(self, kept: str = "") -> None:
        super().__init__()
        self.kept = kept
        self.calls: list[list[str]] = []

    def delete_objects(self, *, Bucket: str, Delete: Any) -> dict[str, Any]:
        self.calls.append([each["Key"] for each in Delete["Objects"]])
        errors = [
            {"Key": key, "Code": "AccessDenied", "Message": "no"}
            for key in self.calls[-1]
            if key == self.kept
        ]
        return {"Errors": errors} if errors else {}


def test_many_objects_are_deleted_by_few_calls() -> None:
    s3 = Deleting()
    delete(s3, BUCKET, [str(n) for n in range(2001)])
    assert [len(keys) for keys in s3.calls] == [1000, 1000, 1]
    delete(s3, BUCKET, [])
    assert len(s3.calls) == 3, "no call for nothing: S3 refuses an empty list"


def test_what_is_not_deleted_is_told() -> None:
    with pytest.raises(ClientError, match=r"AccessDenied.*no \(s3://lake/b\)") as raised:
        delete(Deleting("b"), BUCKET, ["a", "b"])
    assert is_refusal(raised.value)
