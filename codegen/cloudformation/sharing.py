"""Connected applications -> who may read the bucket, and how signals come from one account to another.

The upstream lets the other account read its outputs, and forwards its signals there unless both live in one
place. The downstream lets them in, and lets its own roles read. Each account decides for its own part: without
the other's nothing is open.
"""

from __future__ import annotations

from codegen import plan as p
from codegen.cloudformation.names import (
    Resource,
    Resources,
    Statement,
    Value,
    arn,
    attribute,
    ref,
    role_path,
    s3_arn,
    shortened,
    sub,
)
from codegen.cloudformation.storage import document
from rheo_runtime.wire import resource_name
from rheodsl import ir

SIGNAL = {"source": ["rheo"], "detail-type": ["rheo.signal"]}


def condition(partner: ir.Partner) -> str:
    """Return the name of the condition that another application does not live where the stack is.

    >>> condition(ir.Partner("jane", "111222333444", "us-east-1"))
    'Not111222333444InUsEast1'
    """
    return f"Not{partner.account}In{''.join(word.title() for word in partner.region.split('-'))}"


def conditions(graph: ir.Graph) -> Resource:
    """Return the conditions of all other applications."""
    return {
        condition(partner): {
            "Fn::Not": [
                {
                    "Fn::And": [
                        {"Fn::Equals": [ref("AWS::AccountId"), partner.account]},
                        {"Fn::Equals": [ref("AWS::Region"), partner.region]},
                    ]
                }
            ]
        }
        for partner in (*graph.downstreams, *_sources(graph))
    }


# --- downstreams ---


def readers(plan: p.Plan, graph: ir.Graph) -> list[Statement]:
    """Return what the bucket's policy says of other applications' accounts: they may read outputs.

    They also read what is active, to know what there is to read.
    """
    accounts = sorted({partner.account for partner in graph.downstreams})
    if not accounts:
        return []
    who = {"AWS": [_root(account) for account in accounts]}
    objects = [s3_arn(f"{plan.bucket}/internal_data/*"), s3_arn(f"{plan.bucket}/rheo/graph.json")]
    listed = {"StringLike": {"s3:prefix": ["internal_data", "internal_data/*"]}}
    return [
        {"Effect": "Allow", "Principal": who, "Action": "s3:GetObject", "Resource": objects},
        {
            "Effect": "Allow", "Principal": who, "Action": "s3:ListBucket", "Resource": s3_arn(plan.bucket),
            "Condition": listed,
        },
    ]  # fmt: skip


def _root(account: str) -> Value:
    return sub(f"arn:${{AWS::Partition}}:iam::{account}:root")


def forwarding(graph: ir.Graph) -> Resources:
    """Return the rules that send the application's signals to where others read them, and their role."""
    found: Resources = {}
    buses: dict[str, Value] = {}
    for partner in graph.downstreams:
        id = condition(partner)
        buses[id] = sub(
            f"arn:${{AWS::Partition}}:events:{partner.region}:{partner.account}:event-bus/default"
        )
        # One rule for a place, however many applications of it read.
        found[f"Forward{id}"] = {
            "Type": "AWS::Events::Rule",
            "Condition": id,
            "DependsOn": ["DeadLettersPolicy"],
            "Properties": {
                "Name": _rule(graph.app, id),
                "EventBusName": ref("EventBus"),
                "EventPattern": {**SIGNAL, "detail": {"app": [graph.app]}},
                "Targets": [
                    {
                        "Id": "bus",
                        "Arn": buses[id],
                        "RoleArn": attribute(f"ForwardRole{id}"),
                        "DeadLetterConfig": {"Arn": attribute("DeadLetters")},
                    }
                ],
            },
        }
        found[f"ForwardRole{id}"] = _role(graph.app, id, buses[id])
    return found


def _role(app: str, id: str, bus: Value) -> Resource:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
    }
    sends = {"Effect": "Allow", "Action": ["events:PutEvents"], "Resource": bus}
    return {
        "Type": "AWS::IAM::Role",
        "Condition": id,
        "Properties": {
            "Path": role_path(app),
            "AssumeRolePolicyDocument": document([trust]),
            "Policies": [{"PolicyName": "own", "PolicyDocument": document([sends])}],
        },
    }


def _rule(app: str, id: str) -> str:
    return shortened(f"{resource_name(app)}-forward-{id.lower()}", 64)


def senders(graph: ir.Graph) -> list[Value]:
    """Return the ARNs of the rules of `forwarding`, as they are before there are rules."""
    found: list[Value] = []
    for id in sorted({condition(partner) for partner in graph.downstreams}):
        rule = _rule(graph.app, id)
        found.append(arn("events", f"rule/{rule}"))
        found.append(
            {
                "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${EventBus}/"
                + rule
            }
        )
    return found


# --- upstreams ---


def _sources(graph: ir.Graph) -> list[ir.Partner]:
    """The imported applications from which something is read."""
    read = {s.source.app for s in graph.signals if isinstance(s.source, ir.UpstreamSource)}
    return [partner for partner in graph.upstreams if partner.app in read]


def imports(graph: ir.Graph) -> list[tuple[ir.Partner, str, list[str]]]:
    """Return, for each imported application that is read from, its bucket and the ids of what is read."""
    found = []
    for partner in _sources(graph):
        used = [
            s
            for s in graph.signals
            if isinstance(s.source, ir.UpstreamSource | ir.ChecksSource) and s.source.app == partner.app
        ]
        bucket = next(s.source.bucket for s in used if isinstance(s.source, ir.UpstreamSource))
        found.append((partner, bucket, sorted(s.id for s in used)))
    return found


def entrance(graph: ir.Graph) -> Resources:
    """Return the policies of the bus that let signals of imported applications in."""
    found: Resources = {}
    for account in sorted({partner.account for partner in _sources(graph)}):
        partners = [partner for partner in _sources(graph) if partner.account == account]
        name = shortened(f"{resource_name(graph.app)}-{account}", 64)
        found[f"EntranceOf{account}"] = {
            "Type": "AWS::Events::EventBusPolicy",
            # Within an account its own policies suffice.
            "Condition": condition(partners[0]),
            "Properties": {
                "StatementId": name,
                "EventBusName": ref("EventBus"),
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": _root(account)},
                    "Action": "events:PutEvents",
                    "Resource": {
                        "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBus}"
                    },
                    "Condition": {
                        "StringEquals": {"events:source": "rheo", "events:detail-type": "rheo.signal"}
                    },
                },
            },
        }
    return found


def decrypting(graph: ir.Graph) -> list[Statement]:
    """Return what lets a role read imported data that is encrypted by a key of its own account, through S3."""
    return [
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": sub(f"arn:${{AWS::Partition}}:kms:{partner.region}:{partner.account}:key/*"),
            "Condition": {
                "StringEquals": {"kms:ViaService": f"s3.{partner.region}.amazonaws.com"},
                "StringLike": {
                    "kms:EncryptionContext:aws:s3:arn": [s3_arn(bucket), s3_arn(f"{bucket}/*")],
                },
            },
        }
        for partner, bucket, _ in imports(graph)
    ]
