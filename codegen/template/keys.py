"""Security of an application -> its KMS keys, and which part is encrypted by which."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from codegen.template.names import NO_VALUE, Statement, Value, ref

HAS_KEY = "HasKmsKey"


class Construct(StrEnum):
    """The parts of an application that are secured."""

    STORAGE = "Storage"
    ROUTING_TABLE = "RoutingTable"
    PROCESSING_UNIT = "ProcessingUnit"
    PROCESSOR_QUEUE = "ProcessorQueue"
    BATCH_COMPUTE = "BatchCompute"


class Keys:
    """Which key encrypts each part: the parameter ``KmsKey`` where it is given, AWS's own otherwise."""

    def of(self, construct: Construct) -> Value | None:
        """Return a part's key as an ARN, None where it never has one of the account's own."""
        return {"Fn::If": [HAS_KEY, ref("KmsKey"), NO_VALUE]}

    def choose(self, key: Value | None, with_key: Any, without: Any) -> Any:
        """Return ``with_key`` for a part that has a key of the account's own, ``without`` for another."""
        if key is None:
            return without
        return {"Fn::If": [HAS_KEY, with_key, without]} if "Fn::If" in key else with_key

    def given(self, key: Value | None) -> Value:
        """Return a part's key for what is there only when it has one: ``with_key`` of `choose`."""
        return key["Fn::If"][1] if isinstance(key, dict) and "Fn::If" in key else key or NO_VALUE

    def statements(self, *constructs: Construct) -> list[Statement]:
        """Return what lets somebody use the keys of these parts."""
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        statement = {"Effect": "Allow", "Action": actions, "Resource": ref("KmsKey")}
        return [{"Fn::If": [HAS_KEY, statement, NO_VALUE]}]
