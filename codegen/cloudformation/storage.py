"""The application's bucket, ledger and queues as CloudFormation resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen import plan as p
from codegen.cloudformation.keys import QUEUE, STORAGE, TABLE, Keys
from codegen.cloudformation.names import (
    NO_VALUE,
    Resources,
    Statement,
    Value,
    arn,
    attribute,
    ref,
    s3_arn,
    shortened,
)
from codegen.compiler import stack
from rheo_runtime.wire import resource_name

# An invocation may take 60 s; a message that it holds stays away for six times as long, as AWS advises.
TIMEOUT = 60
VISIBILITY = 6 * TIMEOUT
# Messages outlast an outage of two hours before they count as failed: 20 times 6 minutes.
RECEIVES = 20
_TWO_WEEKS = 14 * 86400


def bucket(plan: p.Plan, keys: Keys, shared: list[Statement]) -> Resources:
    """Return the application's bucket, private, encrypted, heard by EventBridge; ``shared`` is its policy's."""
    key = keys.of(STORAGE)
    encryption = {
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": keys.choose(key, "aws:kms", "AES256"),
            "KMSMasterKeyID": key or NO_VALUE,
        },
        "BucketKeyEnabled": keys.choose(key, True, False),
    }
    lifecycle = [
        {"Id": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        {"Id": "executions", "Status": "Enabled", "Prefix": "executions/", "ExpirationInDays": 90},
        {"Id": "staging", "Status": "Enabled", "Prefix": "staging/", "ExpirationInDays": 14},
        *(
            {
                "Id": shortened(f"retention-{rule['prefix']}", 255),
                "Status": "Enabled",
                "Prefix": rule["prefix"],
                "ExpirationInDays": rule["days"],
            }
            for rule in stack(plan).get("retention", ())
        ),
    ]
    objects = [s3_arn(plan.bucket), s3_arn(f"{plan.bucket}/*")]
    denied = [encrypted_transport("s3:*", objects)]
    if (version := keys.tls()) > "1.2":  # AWS takes nothing older
        denied.append({**denied[0], "Condition": {"NumericLessThan": {"s3:TlsVersion": version}}})
    return {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            # Data outlives the stack; `delete` of the application empties and removes it.
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BucketName": plan.bucket,
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
                "LifecycleConfiguration": {"Rules": lifecycle},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
            },
        },
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": ref("Bucket"),
                "PolicyDocument": document([*denied, *shared]),
            },
        },
    }


def ledger(app: str, keys: Keys) -> Resources:
    """Return the table of the ledger, as `rheo_runtime.dynamodb` makes it, with backups."""
    key = keys.of(TABLE)
    encryption = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": keys.given(key)}
    return {
        "Ledger": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": resource_name(app),
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                    {"AttributeName": "node", "AttributeType": "S"},
                    {"AttributeName": "todo", "AttributeType": "S"},
                ],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": "statuses",
                        "KeySchema": [{"AttributeName": "node", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["p", "state"]},
                    },
                    {
                        "IndexName": "todo",
                        "KeySchema": [{"AttributeName": "todo", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    },
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": keys.choose(key, encryption, NO_VALUE),
            },
        }
    }


def queues(
    app: str,
    keys: Keys,
    rules: Sequence[Value],
    topics: Sequence[Value],
    failing_rules: Sequence[Value] = (),
    failing_topics: Sequence[Value] = (),
) -> Resources:
    """Return the listener's queue, that of executions that wait for others, that of what failed, and who may send.

    Parameters
    ----------
    rules, topics
        ARNs of those that send to both.
    failing_rules, failing_topics
        ARNs of those that send elsewhere, and here what they cannot deliver there.
    """
    name, key = resource_name(app), keys.of(QUEUE)
    queue, gather, failed = (arn("sqs", f"{name}{end}") for end in ("", "-gather", "-dlq"))
    common = {
        "MessageRetentionPeriod": _TWO_WEEKS,
        "KmsMasterKeyId": key or NO_VALUE,
        "SqsManagedSseEnabled": keys.choose(key, NO_VALUE, True),
    }

    def working(name: str) -> dict[str, Any]:
        return {
            "Type": "AWS::SQS::Queue",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "QueueName": name,
                "VisibilityTimeout": VISIBILITY,
                "RedrivePolicy": {
                    "deadLetterTargetArn": attribute("DeadLetters"),
                    "maxReceiveCount": RECEIVES,
                },
                **common,
            },
        }

    return {
        "Queue": working(name),
        "Gather": working(f"{name}-gather"),
        "DeadLetters": {
            "Type": "AWS::SQS::Queue",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "QueueName": f"{name}-dlq",
                "RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [queue, gather]},
                **common,
            },
        },
        "QueuePolicy": _queue_policy("Queue", queue, rules, topics),
        "GatherPolicy": _queue_policy("Gather", gather, (), ()),
        "DeadLettersPolicy": _queue_policy(
            "DeadLetters", failed, [*rules, *failing_rules], [*topics, *failing_topics]
        ),
    }


def _queue_policy(name: str, queue: Value, rules: Sequence[Value], topics: Sequence[Value]) -> dict[str, Any]:
    statements = [encrypted_transport("sqs:*", queue)]
    for service, senders in (("events.amazonaws.com", rules), ("sns.amazonaws.com", topics)):
        if senders:
            statements.append(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sqs:SendMessage",
                    "Resource": queue,
                    "Condition": {"ArnEquals": {"aws:SourceArn": list(senders)}},
                }
            )
    properties = {"Queues": [ref(name)], "PolicyDocument": document(statements)}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": properties}


def document(statements: list[Statement]) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": statements}


def encrypted_transport(action: str, resource: Value | list[Value]) -> Statement:
    """Return the statement that refuses whoever does not speak TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
