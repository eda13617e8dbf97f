"""The listener as CloudFormation resources: the function, its log, its trigger."""

from __future__ import annotations

from codegen import plan as p
from codegen.template.keys import LISTENER, Keys
from codegen.template.names import NO_VALUE, Resources, attribute, ref, resource_name
from codegen.template.storage import TIMEOUT

HANDLER = "rheo_runtime.listener.handler"
RUNTIME = "python3.12"
BATCH = 10
LOG_DAYS = 90


def function(plan: p.Plan, keys: Keys, pending: str) -> Resources:
    """Return the listener; ``pending`` are the nodes whose waiting it reports, joined by commas."""
    name = f"{resource_name(plan.app)}-listener"
    key = keys.of(LISTENER)
    variables = {
        "RHEO_TABLE": ref("Ledger"),
        "RHEO_MWAA_ENVIRONMENT": ref("MwaaEnvironment"),
        "RHEO_EVENT_BUS": ref("EventBus"),
        "RHEO_DEAD_LETTERS": ref("DeadLetters"),
        "RHEO_LISTENERS": ref("MaximumConcurrency"),  # they share the calls that MWAA takes
        **({"RHEO_PENDING_METRICS": pending} if pending else {}),
    }
    return {
        "Listener": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name,
                "Description": f"Joins events of {plan.app} and starts its DAGs.",
                "Runtime": RUNTIME,
                "Architectures": ["arm64"],
                "Handler": HANDLER,
                "Code": {"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
                "MemorySize": 512,
                "Timeout": TIMEOUT,
                "Role": attribute("ListenerRole"),
                "Environment": {"Variables": variables},
                "KmsKeyArn": key or NO_VALUE,
                "LoggingConfig": {"LogGroup": ref("ListenerLog")},
            },
        },
        "ListenerLog": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": f"/aws/lambda/{name}",
                "RetentionInDays": LOG_DAYS,
                **({"KmsKeyId": key} if keys.own(LISTENER) else {}),
            },
        },
        "ListenerTrigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": ref("Listener"),
                "EventSourceArn": attribute("Queue"),
                "BatchSize": BATCH,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": ref("MaximumConcurrency")},
            },
        },
        # A sweep that fails is made good by the next one.
        "ListenerRetries": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": ref("Listener"),
                "Qualifier": "$LATEST",
                "MaximumEventAgeInSeconds": 60,
                "MaximumRetryAttempts": 0,
            },
        },
    }
