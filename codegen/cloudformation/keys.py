"""Security of an application -> its KMS keys, and which part is encrypted by which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codegen.cloudformation.names import (
    HAS_AIRFLOW_ROLE,
    NO_VALUE,
    Resource,
    Resources,
    Statement,
    Value,
    arn,
    attribute,
    ref,
    role_path,
    sub,
)
from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.security import (
    ConstructEncryption,
    ConstructSecurityConf,
    encryptions,
    is_shared,
    rotation_days,
    tls_version,
)

HAS_KEY = "HasKmsKey"
HAS_USERS = "HasKeyUsers"
STORAGE, TABLE, LISTENER, QUEUE, JOBS = (
    "Storage",
    "RoutingTable",
    "ProcessingUnit",
    "ProcessorQueue",
    "BatchCompute",
)
_SHARED = "SharedKey"
_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
# All that an administrator does with a key, but using it.
_MANAGE = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants", "kms:ListKeyPolicies",
    "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant",
    "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
    "kms:UpdateAlias", "kms:UpdateKeyDescription",
)  # fmt: skip


class Keys:
    """Which key encrypts each part: its own, the parameter ``KmsKey`` where that is given, or AWS's."""

    def __init__(self, graph: ir.Graph) -> None:
        self.app = graph.app
        self.security: dict[str, ConstructSecurityConf] = dict(graph.security)
        self._encryptions: dict[str, ConstructEncryption] = dict(encryptions(self.security))
        self._readers = sorted({partner.account for partner in graph.downstreams})

    def of(self, part: str) -> Value | None:
        """Return a part's key as an ARN, None where it never has one of the account's own."""
        if part in self._encryptions:
            return attribute(self._id(part))
        return {"Fn::If": [HAS_KEY, ref("KmsKey"), NO_VALUE]}

    def own(self, part: str) -> bool:
        """Whether the application says how a part is encrypted."""
        return part in self._encryptions

    def choose(self, key: Value | None, with_key: Any, without: Any) -> Any:
        """Return ``with_key`` for a part that has a key of the account's own, ``without`` for another."""
        if key is None:
            return without
        return {"Fn::If": [HAS_KEY, with_key, without]} if "Fn::If" in key else with_key

    def given(self, key: Value | None) -> Value:
        """Return a part's key for what is there only when it has one: ``with_key`` of `choose`."""
        return key["Fn::If"][1] if isinstance(key, dict) and "Fn::If" in key else key or NO_VALUE

    def tls(self) -> str:
        """Return the least version of TLS by which the bucket may be asked."""
        conf = self.security.get(STORAGE)
        return "1.2" if conf is None or conf.passing is None else tls_version(conf.passing.protocol) or "1.2"

    def separate(self) -> bool:
        """Whether each job has a role of its own."""
        conf = self.security.get(JOBS)
        processing = None if conf is None else conf.processing
        return processing is not None and bool(processing.enforce_privilege_separation)

    def statements(self, *parts: str) -> list[Statement]:
        """Return what lets a role use the keys of these parts."""
        own = sorted({self._id(part) for part in parts if part in self._encryptions})
        found: list[Statement] = []
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        if own:
            resources = [attribute(id) for id in own]
            found.append({"Effect": "Allow", "Action": actions, "Resource": resources})
        if any(part not in self._encryptions for part in parts if part != JOBS):
            statement = {"Effect": "Allow", "Action": actions, "Resource": ref("KmsKey")}
            found.append({"Fn::If": [HAS_KEY, statement, NO_VALUE]})
        return found

    def parameters(self) -> Resource:
        """Return the parameters of keys: one for all without their own, and who may use those that trust nobody."""
        found: Resource = {}
        if not {STORAGE, TABLE, LISTENER, QUEUE} <= self._encryptions.keys():
            found["KmsKey"] = {
                "Type": "String",
                "Default": "",
                "AllowedPattern": "^$|^arn:aws[a-z-]*:kms:.*$",
                "Description": "The ARN of a key that encrypts what has no key of its own; empty: keys of AWS.",
            }
        if any(self._private(e) for e in self._encryptions.values()):
            text = "Who uses the keys beside the application's roles, as ARNs: those that deploy it, or look at data."
            found["KeyUsers"] = {"Type": "CommaDelimitedList", "Default": "", "Description": text}
        return found

    def conditions(self) -> Resource:
        """Return the conditions that the parameters of `parameters` are given."""
        values: Resource = {"KmsKey": ref("KmsKey"), "KeyUsers": {"Fn::Join": ["", ref("KeyUsers")]}}
        names = {"KmsKey": HAS_KEY, "KeyUsers": HAS_USERS}
        return {
            names[each]: {"Fn::Not": [{"Fn::Equals": [values[each], ""]}]}
            for each in sorted(self.parameters())
        }

    def resources(self) -> Resources:
        """Return the keys, each with an alias, by logical id."""
        found: Resources = {}
        for id in sorted({self._id(part) for part in self._encryptions}):
            parts = sorted(part for part in self._encryptions if self._id(part) == id)
            encryption = self._encryptions[parts[0]]
            found[id] = {
                "Type": "AWS::KMS::Key",
                # Data that it encrypts outlives the stack.
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "Description": f"{self.app}: {', '.join(parts)}.",
                    "EnableKeyRotation": True,
                    "RotationPeriodInDays": rotation_days(encryption),
                    "PendingWindowInDays": 30,
                    "KeyPolicy": {
                        "Version": "2012-10-17",
                        "Statement": self._policy(parts, private=self._private(encryption)),
                    },
                },
            }
            ending = "" if id == _SHARED else f"-{parts[0].lower()}"
            alias = {"AliasName": f"alias/{resource_name(self.app)}{ending}", "TargetKeyId": ref(id)}
            found[f"{id}Alias"] = {"Type": "AWS::KMS::Alias", "Properties": alias}
        return found

    def _id(self, part: str) -> str:
        return _SHARED if is_shared(self._encryptions[part]) else f"Key{part}"

    @staticmethod
    def _private(encryption: ConstructEncryption) -> bool:
        return encryption.trust_access_from_same_root is False

    # --- key policies ---

    def _policy(self, parts: Iterable[str], *, private: bool) -> list[Statement]:
        account = sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
        root = {"AWS": account}
        found: list[Any] = [_statement("Manage", root, list(_MANAGE) if private else "kms:*")]
        if private:
            found += self._users(root)
        if QUEUE in parts:
            # EventBridge and SNS encrypt what they send.
            services = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
            found.append(_statement("Senders", services, ["kms:Decrypt", "kms:GenerateDataKey*"]))
        if LISTENER in parts or JOBS in parts:
            found.append(self._logs())
        if STORAGE in parts and self._readers:
            readers = {"AWS": [sub(f"arn:${{AWS::Partition}}:iam::{a}:root") for a in self._readers]}
            found.append(_statement("Downstream", readers, ["kms:Decrypt", "kms:DescribeKey"]))
        return found

    def _users(self, root: Resource) -> list[Any]:
        """The application's roles, Airflow's, and those that the parameter names: no policy of IAM suffices."""
        own: Value = sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{role_path(self.app)}*")
        role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"
        airflow = [{"Fn::Sub": f"{role}{path}${{AirflowRole}}"} for path in ("", "*/")]
        principals = {"Fn::If": [HAS_AIRFLOW_ROLE, [own, *airflow], [own]]}
        use = _statement("Use", root, list(_USE), ArnLike={"aws:PrincipalArn": principals})
        named = _statement("Users", root, list(_USE), ArnLike={"aws:PrincipalArn": ref("KeyUsers")})
        # DynamoDB and Lambda take grants from whoever makes what they encrypt.
        lent = {
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "ArnLike": {"aws:PrincipalArn": ref("KeyUsers")},
        }
        grants = _statement("Grants", root, ["kms:CreateGrant"], **lent)
        return [use, *({"Fn::If": [HAS_USERS, each, NO_VALUE]} for each in (named, grants))]

    def _logs(self) -> Statement:
        logs = {"Service": sub("logs.${AWS::Region}.amazonaws.com")}
        groups = [
            arn("logs", f"log-group:/aws/lambda/{resource_name(self.app)}-listener"),
            arn("logs", "log-group:/aws-glue/*"),
        ]
        context = {"kms:EncryptionContext:aws:logs:arn": groups}
        return _statement("Logs", logs, list(_USE), ArnLike=context)


def _statement(sid: str, principal: Resource, actions: Any, **condition: Any) -> Statement:
    limits = condition
    if "Service" in principal and not condition:
        limits = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    found: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": actions,
        "Resource": "*",
    }
    return found | ({"Condition": limits} if limits else {})
