"""Route table -> EventBridge rules, SNS subscriptions and schedules that feed the listener's queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from codegen import plan as p
from codegen.cloudformation.alarms import logical_id
from codegen.cloudformation.names import (
    Resource,
    Resources,
    Value,
    arn,
    attribute,
    ref,
    shortened,
    sub,
)
from rheo_runtime import wire
from rheo_runtime.templates import ABOVE, ITSELF, is_name
from rheo_runtime.wire import resource_name
from rheodsl import ir, schedule

# What EventBridge takes of one rule's pattern.
LONGEST_PATTERN = 2048
# Rules for signals by name; a bus has 300 ("Amazon EventBridge quotas").
MOST_RULES = 10
SWEEP = {"source": "rheo", "detail-type": "rheo.sweep"}
OBJECTS = ["Object Created", "Object Deleted"]
TIME = "<aws.scheduler.scheduled-time>"
_NAME = 64  # of a rule or a schedule


Imports = Sequence[tuple[ir.Partner, str, list[str]]]


def patterns(table: wire.RouteTable, imports: Imports) -> Iterator[tuple[str, Resource]]:
    """Yield name and pattern of each rule that the application needs; long lists are split among several.

    Signals that are sent by name, as nodes announce what they made, are heard where something reads them.
    """
    found = [event for signal in table.signals for event in signal.events]
    completions = _completions(found)
    objects: list[Resource] = []
    for names in sorted(set(completions.values())):
        # Whether EventBridge encodes keys is unknown: a name is heard in both forms, where it has two.
        spelled = sorted({form for name in names for form in (name, quote(name))})
        keys = {"object": {"key": [{"suffix": f"/{name}"} for name in spelled]}} if names else {}
        buckets = sorted(bucket for bucket, of in completions.items() if of == names)
        objects += [{"bucket": {"name": part}, **keys} for part in _parts(buckets)]
    # A deletion ends a partition's existence, where an object of a known name announces it.
    yield from numbered("objects", "aws.s3", OBJECTS, objects)
    yield from numbered("signals", "rheo", "rheo.signal", heard_of(table, table.app))
    owners = [(partner, part) for partner, _, signals in imports for part in _parts(signals)]
    theirs: list[Resource] = [{"app": [partner.app], "signal": part} for partner, part in owners]
    for (partner, _), (name, pattern) in zip(
        owners, numbered("upstream", "rheo", "rheo.signal", theirs), strict=True
    ):
        yield name, {**pattern, "account": [partner.account]}
    alarms = sorted({e.alarm for e in found if isinstance(e, wire.AlarmEvents)})
    changed = [{"alarmName": part} for part in _parts(alarms)]
    yield from numbered("alarms", "aws.cloudwatch", "CloudWatch Alarm State Change", changed)
    tables = sorted({(e.database, e.table) for e in found if isinstance(e, wire.GlueEvents)})
    catalog: list[Resource] = [
        {"databaseName": [database], "tableName": part}
        for database in dict(tables)
        for part in _parts([name for of, name in tables if of == database])
    ]
    yield from numbered("catalog", "aws.glue", "Glue Data Catalog Table State Change", catalog)


def heard_of(table: wire.RouteTable, app: str) -> list[Resource]:
    """Return what tells signals that an application sends and something reads; of all of them, where those are very many."""
    read = {source.signal for route in table.routes for source in route.inputs}
    read |= {e.of for signal in table.signals for e in signal.events if isinstance(e, wire.LateEvents)}
    sent = wire.SignalEvents(app)
    parts = list(_parts(sorted(s.id for s in table.signals if s.id in read and sent in s.events)))
    if len(parts) > MOST_RULES:
        return [{"app": [app]}]
    return [{"app": [app], "signal": part} for part in parts]


def _completions(events: list[wire.Events]) -> dict[str, tuple[str, ...]]:
    """The objects of each bucket that announce partitions, by name; none where any object may."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        if isinstance(event, wire.S3Events) and event.topic is None:
            known = found.get(event.bucket, event.completion)
            # Of what is no plain name, and of data that something else announces, all objects are heard.
            plain = event.settle is None and all(
                is_name(name) and name != ITSELF and not name.startswith(ABOVE) for name in event.completion
            )
            known = known if plain else ()
            whole = not known or not event.completion
            found[event.bucket] = () if whole else tuple(sorted({*known, *event.completion}))
    return found


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for text in texts:
        # What stands around the list takes a few hundred characters.
        if part and len(json.dumps([*part, text])) > LONGEST_PATTERN - 500:
            yield part
            part = []
        part.append(text)
    if part:
        yield part


def numbered(
    kind: str, source: str, detail_type: str | list[str], details: list[Resource]
) -> Iterator[tuple[str, Resource]]:
    """Yield a pattern for each of some details, and its name."""
    for number, detail in enumerate(details, start=1):
        name = kind if number == 1 else f"{kind}{number}"
        types = [detail_type] if isinstance(detail_type, str) else detail_type
        yield name, {"source": [source], "detail-type": types, "detail": detail}


def rules(table: wire.RouteTable, imports: Imports) -> Resources:
    """Return the rules, by logical id; their events go to the queue."""
    target = {
        "Id": "queue",
        "Arn": attribute("Queue"),
        "DeadLetterConfig": {"Arn": attribute("DeadLetters")},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
    }
    return {
        logical_id("Rule", name): {
            "Type": "AWS::Events::Rule",
            # What a rule sends before the queue takes it would be lost.
            "DependsOn": ["DeadLettersPolicy", "QueuePolicy"],
            "Properties": {
                "Name": _rule_name(table.app, name),
                # AWS services send to the default bus alone.
                **({"EventBusName": ref("EventBus")} if _is_ours(pattern) else {}),
                "EventPattern": of_own_account(pattern),
                "Targets": [target],
            },
        }
        for name, pattern in patterns(table, imports)
    }


def of_own_account(pattern: Resource) -> Resource:
    """Return a pattern for events of the stack's account, unless it names another.

    A bus may be open to others. Objects are left out: their bucket names an owner already, who may be another.
    """
    if pattern["source"] == ["aws.s3"]:
        return pattern
    return {"account": [ref("AWS::AccountId")], **pattern}


def senders(table: wire.RouteTable, imports: Imports) -> list[Value]:
    """Return the ARNs of the rules, as they are before there are rules."""
    found = []
    for name, pattern in patterns(table, imports):
        rule = _rule_name(table.app, name)
        found.append(arn("events", f"rule/{rule}"))
        if _is_ours(pattern):  # a rule of another bus than the default one
            prefix = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${EventBus}/"
            found.append({"Fn::Sub": prefix + rule})
    return found


def _is_ours(pattern: Resource) -> bool:
    return bool(pattern["source"] == ["rheo"])


def _rule_name(app: str, name: str) -> str:
    return shortened(f"{resource_name(app)}-{name}", _NAME)


def owners(table: wire.RouteTable) -> dict[str, list[str]]:
    """Return the accounts that own buckets whose objects are heard, each with those buckets."""
    events = [
        event for signal in table.signals for event in signal.events if isinstance(event, wire.S3Events)
    ]
    found: dict[str, set[str]] = {}
    for event in events:
        if event.account and event.topic is None:
            found.setdefault(event.account, set()).add(event.bucket)
    return {account: sorted(found[account]) for account in sorted(found)}


def doors(table: wire.RouteTable) -> Resources:
    """Return the policies that let owners of buckets send their S3 events to the default bus, and nothing else.

    AWS services send to the default bus of the bucket's account; a rule there forwards to this one. Where the owner is
    the stack's own account the policy opens nothing.
    """
    return {
        f"Owner{account}": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "StatementId": shortened(f"{resource_name(table.app)}-objects-{account}", _NAME),
                "EventBusName": "default",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": sub(f"arn:${{AWS::Partition}}:iam::{account}:root")},
                    "Action": "events:PutEvents",
                    "Resource": arn("events", "event-bus/default"),
                    "Condition": {"StringEquals": {"events:source": "aws.s3"}},
                },
            },
        }
        for account in owners(table)
    }


def for_owners(table: wire.RouteTable, account: str, region: str) -> list[str]:
    """Return what the owners of buckets in other accounts have to do, a heading and commands for each.

    Parameters
    ----------
    account, region
        Where the application lives.
    """
    bus = f"arn:aws:events:{region}:{account}:event-bus/default"
    lines = []
    for owner, buckets in owners(table).items():
        if owner == account:
            continue
        name = shortened(f"{resource_name(table.app)}-objects", _NAME)
        pattern = {"source": ["aws.s3"], "detail-type": OBJECTS, "detail": {"bucket": {"name": buckets}}}
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": owner}},
        }]}  # fmt: skip
        sends = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}],
        }
        target = [{"Id": "bus", "Arn": bus, "RoleArn": f"arn:aws:iam::{owner}:role/{name}"}]
        lines += [
            f"account {owner}, which owns {', '.join(buckets)}:",
            *(
                f"  aws s3api put-bucket-notification-configuration --bucket {bucket} --region {region}"
                """ --notification-configuration '{"EventBridgeConfiguration": {}}'"""
                for bucket in buckets
            ),
            f"  aws iam create-role --role-name {name} --assume-role-policy-document '{json.dumps(trust)}'",
            f"  aws iam put-role-policy --role-name {name} --policy-name forward --policy-document '{json.dumps(sends)}'",
            f"  aws events put-rule --region {region} --name {name} --event-pattern '{json.dumps(pattern)}'",
            f"  aws events put-targets --region {region} --rule {name} --targets '{json.dumps(target)}'",
            f"  and let arn:aws:iam::{account}:root read them by the bucket's policy: s3:GetObject, s3:ListBucket",
        ]
    return lines


def topics(table: wire.RouteTable) -> list[str]:
    """Return the SNS topics that the application listens to."""
    events = [event for signal in table.signals for event in signal.events]
    return sorted({e.topic for e in events if isinstance(e, wire.SnsEvents)})


def subscriptions(topics: Sequence[str]) -> Resources:
    """Return the queue's subscriptions to topics."""
    return {
        logical_id("Topic", topic): {
            "Type": "AWS::SNS::Subscription",
            "DependsOn": ["QueuePolicy"],
            "Properties": {
                "TopicArn": topic,
                "Region": topic.split(":")[3],
                "Protocol": "sqs",
                "Endpoint": attribute("Queue"),
                "RedrivePolicy": {"deadLetterTargetArn": attribute("DeadLetters")},
            },
        }
        for topic in topics
    }


# --- schedules ---


def schedules(plan: p.Plan) -> Resources:
    """Return the sweep and the timers that are joined with data; they run as the role ``SchedulerRole``."""
    payload = {**SWEEP, "detail": {"app": plan.app}}
    found: Resources = {
        "Timers": {
            "Type": "AWS::Scheduler::ScheduleGroup",
            "Properties": {"Name": resource_name(plan.app)},
        },
        "Sweep": _schedule("sweep", "rate(1 minute)", attribute("Listener"), payload),
    }
    # A sweep that is missed is made good by the next one.
    found["Sweep"]["Properties"]["Target"]["RetryPolicy"] = {
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
    }
    for timer in plan.timers:
        detail = {"app": plan.app, "timer": timer.id, "time": TIME}
        payload = {"source": "rheo", "detail-type": "rheo.timer", "detail": detail}
        name = shortened(f"timer-{timer.id}", _NAME)
        written, zone = expression(timer.schedule, timer.timezone)
        made = _schedule(name, written, attribute("Queue"), payload, zone)
        made["Properties"]["Target"]["DeadLetterConfig"] = {"Arn": attribute("DeadLetters")}
        found[logical_id("Timer", timer.id)] = made
    return found


def group_arn(app: str) -> Value:
    """Return the ARN of the group of an application's schedules."""
    return arn("scheduler", f"schedule-group/{resource_name(app)}")


def expression(written: str, timezone: str | None = None) -> tuple[str, str]:
    """Return a schedule as EventBridge has it, and the zone of its clock; a rate as a cron expression.

    EventBridge counts a rate from the moment of its creation, Rheo from 1970. Where no cron expression fires
    at the same times, one does that fires more often, and the listener takes every so many-th.

    >>> expression("rate(6 hours)"), expression("rate(5 days)")
    (('cron(0 0/6 * * ? *)', 'UTC'), ('cron(0 0 * * ? *)', 'UTC'))
    """
    rate = schedule.parse(written)
    return (rate.ticks(), "UTC") if isinstance(rate, schedule.Rate) else (written, timezone or "UTC")


def _schedule(
    name: str, expression: str, target: Value, payload: Resource, timezone: str = "UTC"
) -> Resource:
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": name,
            "GroupName": ref("Timers"),
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": target,
                "RoleArn": attribute("SchedulerRole"),
                "Input": json.dumps(payload),
            },
        },
    }
