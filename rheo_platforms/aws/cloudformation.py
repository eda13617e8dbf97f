"""A template and its parameters -> a stack that is as they say, or the reasons why not."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from codegen.cloudformation.stack import compact
from rheo_platforms.lifecycle.changes import CHANGED, REMOVED, Change
from rheo_platforms.lifecycle.errors import DeployError

SECONDS = 3.0
_TIMES_OUT = 3600.0
_NOTHING = ("didn't contain changes", "no updates are to be performed")
_MOST_REASONS = 5
# A first attempt that failed, and one that was never carried out: only deleting leads on.
_STILLBORN = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")


class Stack:
    """One stack of CloudFormation.

    Parameters
    ----------
    client
        Of CloudFormation.
    name
        The stack's name.
    put
        Keeps a template that is too long for a call, and returns its address.
    tags
        Given to all resources.
    sleep
        Waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        tags: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.name = name
        self.tags = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.sleep = sleep

    def describe(self) -> dict[str, Any] | None:
        """Return what CloudFormation says of the stack; None when there is none."""
        try:
            found: dict[str, Any] = self.client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as fault:
            if "does not exist" in fault.response["Error"]["Message"]:
                return None
            raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def template(self) -> dict[str, Any]:
        """Return the template of the stack; an empty one when there is none."""
        if (found := self.describe()) is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return {}
        body = self.client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        template: dict[str, Any] = json.loads(body if isinstance(body, str) else json.dumps(body))
        return template

    def parameters(self) -> dict[str, str]:
        """Return the values of the stack's parameters."""
        found = self.describe() or {}
        return {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", ())}

    def drift(self) -> list[Change]:
        """Return which resources are not as the stack made them, as CloudFormation finds it out; it takes seconds."""
        if self.describe() is None:
            return []
        id = self.client.detect_stack_drift(StackName=self.name)["StackDriftDetectionId"]
        while True:
            found = self.client.describe_stack_drift_detection_status(StackDriftDetectionId=id)
            if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
            self.sleep(SECONDS)
        pages = self.client.get_paginator("describe_stack_resource_drifts").paginate(
            StackName=self.name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
        )
        return [_drift(each) for page in pages for each in page["StackResourceDrifts"]]

    def deploy(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        put: Callable[[str], str],
        renew: Callable[[], None] = lambda: None,
        *,
        first: bool = False,
        refresh: bool = False,
    ) -> bool:
        """Make the stack as the template says, and wait until it is; return whether anything changed.

        Buckets and tables that an earlier stack has left behind are taken up.

        Parameters
        ----------
        put
            Keeps the template when it is too long for a call, and returns its address.
        renew
            Called again and again while this takes long.
        first
            Leave a stack alone that is there already: somebody was faster.
        refresh
            Take back what was changed by hand in the resources.

        Raises DeployError with CloudFormation's reasons; the stack is then as it was before.
        """
        found = self._quiet(renew)
        if found is not None and found["StackStatus"] in _STILLBORN:
            self.delete(renew)
            found = None
        if first and found is not None:
            return False
        new = found is None
        text = compact(template)
        where = {"TemplateBody": text} if len(text.encode()) <= 51_200 else {"TemplateURL": put(text)}
        change = f"rheo-{uuid.uuid4().hex[:12]}"
        self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=change,
            ChangeSetType="CREATE" if new else "UPDATE",
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=self.tags,
            ImportExistingResources=True,
            **({"DeploymentMode": "REVERT_DRIFT"} if refresh and not new else {}),
            **where,
        )
        if not self._planned(change, renew):
            return False
        self.client.execute_change_set(StackName=self.name, ChangeSetName=change)
        self._end(self._quiet(renew, begun=True), ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"))
        return True

    def delete(self, renew: Callable[[], None] = lambda: None) -> None:
        """Delete the stack and wait; resources that the template retains stay. Raises DeployError."""
        if self._quiet(renew) is None:
            return
        self.client.delete_stack(StackName=self.name)
        if (found := self._quiet(renew)) is not None:
            self._end(found, ())

    def _planned(self, change: str, renew: Callable[[], None]) -> bool:
        """Wait until a change set is ready; False when it is empty, and then it is removed."""
        while True:
            found = self.client.describe_change_set(StackName=self.name, ChangeSetName=change)
            if found["Status"] == "CREATE_COMPLETE":
                return True
            if found["Status"] == "FAILED":
                break
            self.sleep(SECONDS)
            renew()
        self.client.delete_change_set(StackName=self.name, ChangeSetName=change)
        reason = found.get("StatusReason", "")
        if any(text in reason.lower() for text in map(str.lower, _NOTHING)):
            return False
        raise DeployError(f"CloudFormation refuses the template of {self.name}: {reason}")

    def _quiet(self, renew: Callable[[], None], *, begun: bool = False) -> dict[str, Any] | None:
        """Return what the stack is once nothing goes on with it any more; ``begun``: something does."""
        deadline = time.monotonic() + _TIMES_OUT
        while (found := self.describe()) is not None:
            status = found["StackStatus"]
            if not status.endswith("_IN_PROGRESS") or (status == "REVIEW_IN_PROGRESS" and not begun):
                return found
            if time.monotonic() > deadline:
                raise DeployError(f"the stack {self.name} is {status} for an hour", hint="look at it in AWS")
            self.sleep(SECONDS)
            renew()
        return None

    def _end(self, found: Mapping[str, Any] | None, good: Iterable[str]) -> None:
        status = "gone" if found is None else found["StackStatus"]
        if status in good:
            return
        reasons = "\n".join(f"  {line}" for line in self._reasons())
        raise DeployError(
            f"the stack {self.name} is {status}:\n{reasons}", hint="repair the cause, and do it again"
        )

    def _reasons(self) -> list[str]:
        """The first failures of the last operation: later ones follow from them."""
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        found: list[str] = []
        for event in events:  # the latest first
            status = event.get("ResourceStatus", "")
            if event.get("LogicalResourceId") == self.name and status.endswith(
                ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
            ):
                break
            if status.endswith("_FAILED"):
                found.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', status)}")
        return found[::-1][:_MOST_REASONS] or ["CloudFormation says no more"]


def _drift(found: Mapping[str, Any]) -> Change:
    name = f"{found['ResourceType'].removeprefix('AWS::')} {found['LogicalResourceId']}"
    if found["StackResourceDriftStatus"] == "DELETED":
        return Change(REMOVED, name)
    paths = (each["PropertyPath"].strip("/") for each in found.get("PropertyDifferences", ()))
    return Change(CHANGED, name, tuple(sorted(paths)))
