"""Route table -> EventBridge rules, SNS subscriptions and schedules that feed the listener's queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from codegen import plan as p
from codegen.alarms import logical_id
from codegen.template.names import Resource, Resources, Value, arn, attribute, ref, resource_name, shortened
from rheo_runtime import wire
from rheodsl import ir, schedule

# What EventBridge takes of one rule's pattern.
LONGEST_PATTERN = 2048
SWEEP = {"source": "rheo", "detail-type": "rheo.sweep"}
TIME = "<aws.scheduler.scheduled-time>"
_NAME = 64  # of a rule or a schedule


Imports = Sequence[tuple[ir.Partner, str, list[str]]]


def patterns(table: wire.RouteTable, imports: Imports) -> Iterator[tuple[str, Resource]]:
    """Yield name and pattern of each rule that the application needs; long lists are split among several.

    Signals that are sent by name are always heard: so do nodes announce what they made.
    """
    found = [event for signal in table.signals for event in signal.events]
    completions = _completions(found)
    objects: list[Resource] = []
    for names in sorted(set(completions.values())):
        keys = {"object": {"key": [{"suffix": f"/{name}"} for name in names]}} if names else {}
        buckets = sorted(bucket for bucket, of in completions.items() if of == names)
        objects += [{"bucket": {"name": part}, **keys} for part in _parts(buckets)]
    yield from _numbered("objects", "aws.s3", "Object Created", objects)
    yield from _numbered("signals", "rheo", "rheo.signal", [{"app": [table.app]}])
    owners = [(partner, part) for partner, _, signals in imports for part in _parts(signals)]
    theirs: list[Resource] = [{"app": [partner.app], "signal": part} for partner, part in owners]
    for (partner, _), (name, pattern) in zip(
        owners, _numbered("upstream", "rheo", "rheo.signal", theirs), strict=True
    ):
        yield name, {**pattern, "account": [partner.account]}
    alarms = sorted({e.alarm for e in found if isinstance(e, wire.AlarmEvents)})
    changed = [{"alarmName": part} for part in _parts(alarms)]
    yield from _numbered("alarms", "aws.cloudwatch", "CloudWatch Alarm State Change", changed)
    tables = sorted({(e.database, e.table) for e in found if isinstance(e, wire.GlueEvents)})
    catalog: list[Resource] = [
        {"databaseName": [database], "tableName": part}
        for database in dict(tables)
        for part in _parts([name for of, name in tables if of == database])
    ]
    yield from _numbered("catalog", "aws.glue", "Glue Data Catalog Table State Change", catalog)


def _completions(events: list[wire.Events]) -> dict[str, tuple[str, ...]]:
    """The objects of each bucket that announce partitions, by name; none where any object may."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        if isinstance(event, wire.S3Events):
            known = found.get(event.bucket, event.completion)
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


def _numbered(
    kind: str, source: str, detail_type: str, details: list[Resource]
) -> Iterator[tuple[str, Resource]]:
    for number, detail in enumerate(details, start=1):
        name = kind if number == 1 else f"{kind}{number}"
        yield name, {"source": [source], "detail-type": [detail_type], "detail": detail}


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
                "EventPattern": pattern,
                "Targets": [target],
            },
        }
        for name, pattern in patterns(table, imports)
    }


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
        made = _schedule(name, expression(timer.schedule), attribute("Queue"), payload)
        made["Properties"]["Target"]["DeadLetterConfig"] = {"Arn": attribute("DeadLetters")}
        found[logical_id("Timer", timer.id)] = made
    return found


def group_arn(app: str) -> Value:
    """Return the ARN of the group of an application's schedules."""
    return arn("scheduler", f"schedule-group/{resource_name(app)}")


def expression(written: str) -> str:
    """Return a schedule as EventBridge has it: a rate as a cron expression where one fires at the same times.

    EventBridge counts a rate from the moment of its creation, Rheo from midnight.

    >>> expression("rate(6 hours)"), expression("rate(1 day)"), expression("rate(7 days)")
    ('cron(0 0/6 * * ? *)', 'cron(0 0 * * ? *)', 'rate(7 days)')
    """
    rate = schedule.parse(written)
    if not isinstance(rate, schedule.Rate):
        return written
    minutes = int(rate.delta().total_seconds()) // 60
    if 60 % minutes == 0 and minutes < 60:
        return f"cron(0/{minutes} * * * ? *)"
    if minutes % 60 == 0 and minutes < 1440 and 1440 % minutes == 0:
        return f"cron(0 0/{minutes // 60} * * ? *)"
    return "cron(0 0 * * ? *)" if minutes == 1440 else written


def _schedule(name: str, expression: str, target: Value, payload: Resource) -> Resource:
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": name,
            "GroupName": ref("Timers"),
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": target,
                "RoleArn": attribute("SchedulerRole"),
                "Input": json.dumps(payload),
            },
        },
    }
