"""What CloudFormation says, by a script of its answers -> what is done, and what a person is told."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_platforms.aws.cloudformation import Stack
from rheo_platforms.lifecycle.errors import DeployError


class Script:
    """CloudFormation, with the stack in one state after the other."""

    def __init__(self, *states: str | None, change: tuple[str, str] = ("CREATE_COMPLETE", "")) -> None:
        self.states = list(states)
        self.change = change
        self.events: list[dict[str, str]] = []
        self.called: list[str] = []
        self.given: dict[str, Any] = {}

    def describe_stacks(self, StackName: str) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state is None:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": state}]}

    def describe_change_set(self, **given: Any) -> Any:
        return {"Status": self.change[0], "StatusReason": self.change[1]}

    def describe_stack_events(self, StackName: str) -> Any:
        return {"StackEvents": self.events}

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> None:
            self.called.append(name)
            self.given = {**self.given, **given}

        return call


def deploy(script: Script, template: Any = None, slept: list[float] | None = None) -> bool:
    stack = Stack(script, "rheo-shop", tags={"a": "b"}, sleep=([] if slept is None else slept).append)
    return stack.deploy(template or {"Resources": {}}, {"Code": "x"}, lambda text: f"https://{len(text)}")


def test_a_new_stack_is_created() -> None:
    script = Script(None, "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    slept: list[float] = []
    assert deploy(script, slept=slept)
    assert script.called == ["create_change_set", "execute_change_set"]
    assert len(slept) == 1
    assert script.given["ChangeSetType"] == "CREATE"
    assert script.given["ImportExistingResources"] is True
    assert script.given["Parameters"] == [{"ParameterKey": "Code", "ParameterValue": "x"}]
    assert script.given["TemplateBody"] == '{"Resources":{}}'


def test_a_stack_in_the_middle_of_something_is_waited_for() -> None:
    script = Script(
        "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
    )
    assert deploy(script)
    assert script.given["ChangeSetType"] == "UPDATE"


def test_an_execution_may_need_a_moment_to_begin() -> None:
    assert deploy(Script(None, "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"))


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stillborn_stack_is_made_anew(state: str) -> None:
    script = Script(state, state, "DELETE_IN_PROGRESS", None, "CREATE_COMPLETE")
    assert deploy(script)
    assert script.called == ["delete_stack", "create_change_set", "execute_change_set"]
    assert script.given["ChangeSetType"] == "CREATE"


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_no_change_is_fine(reason: str) -> None:
    script = Script("UPDATE_COMPLETE", change=("FAILED", reason))
    assert not deploy(script)
    assert script.called == ["create_change_set", "delete_change_set"]


def test_a_refused_template_is_told() -> None:
    script = Script("UPDATE_COMPLETE", change=("FAILED", "Template error: no such attribute"))
    with pytest.raises(
        DeployError, match="refuses the template of rheo-shop: Template error: no such attribute"
    ):
        deploy(script)


def test_a_failure_is_told_by_its_first_reasons() -> None:
    script = Script("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
    script.events = [  # the latest first
        {"LogicalResourceId": "rheo-shop", "ResourceStatus": "UPDATE_ROLLBACK_COMPLETE"},
        {
            "LogicalResourceId": "Queue",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "cancelled",
        },
        {
            "LogicalResourceId": "Job",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no such role",
        },
        {"LogicalResourceId": "rheo-shop", "ResourceStatus": "UPDATE_IN_PROGRESS"},
        {
            "LogicalResourceId": "Old",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "of the last time",
        },
    ]
    with pytest.raises(DeployError) as caught:
        deploy(script)
    assert caught.value.what == (
        "the stack rheo-shop is UPDATE_ROLLBACK_COMPLETE:\n  Job: no such role\n  Queue: cancelled"
    )


def test_a_long_template_goes_by_the_bucket() -> None:
    script = Script("UPDATE_COMPLETE")
    deploy(script, {"Resources": {"x": "y" * 60_000}})
    assert script.given["TemplateURL"].startswith("https://600")
    assert "TemplateBody" not in script.given


def test_deleting_waits_and_says_why_it_fails() -> None:
    script = Script("UPDATE_COMPLETE", "DELETE_IN_PROGRESS", None)
    Stack(script, "s", tags={}, sleep=[].append).delete()
    assert script.called == ["delete_stack"]
    Stack(Script(None), "s", tags={}).delete()
    script = Script("UPDATE_COMPLETE", "DELETE_FAILED")
    script.events = [
        {"LogicalResourceId": "Role", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "in use"}
    ]
    with pytest.raises(DeployError, match="s is DELETE_FAILED:\n  Role: in use"):
        Stack(script, "s", tags={}).delete()


def test_a_first_stack_never_replaces_one_that_is_there() -> None:
    """Of two who activate a new application at once, the slower one finds the faster one's stack."""
    script = Script("CREATE_IN_PROGRESS", "UPDATE_COMPLETE")
    stack = Stack(script, "s", tags={}, sleep=[].append)
    assert not stack.deploy({"Resources": {}}, {}, lambda text: "", first=True)
    assert script.called == []
