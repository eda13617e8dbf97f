"""An execution -> an execution of a state machine, by the provider's own operator."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.operators.step_function import (  # noqa: TID253
    StepFunctionStartExecutionOperator,
)
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253
from botocore.exceptions import ClientError

from rheo_airflow.tasks import settings
from rheo_airflow.tasks.claim import hold, told
from rheo_airflow.tasks.compat import AirflowException, until
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import filled, name


class StepFunctionsComputeOperator(StepFunctionStartExecutionOperator):
    """Starts the state machine for the claimed execution and waits for its end; a retry joins one that still runs.

    ``state_machine_input`` may hold ``{day}`` and the like; the execution document when left out.
    """

    template_fields = aws_template_fields()

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return f"states {self.state_machine_arn}"

    @says_why
    def execute(self, context: Any) -> str:
        """Run it; raises AirflowException with the state machine's own error."""
        document, attempt = hold(context), context["ti"].try_number
        given = self.state_machine_input
        self.state_machine_input = told(document) if given is None else filled(given, document)
        for number in (attempt - 1, attempt):
            arn = self._arn(name(document, number))
            if number and self._status(arn) == "RUNNING":
                self.log.info("Joining %s, which an earlier try started", arn)
                return self._wait(arn)
        self.name = name(document, attempt)
        return self._wait(str(super().execute(context)))

    def _arn(self, of: str) -> str:
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{of}"

    def _status(self, arn: str) -> str | None:
        try:
            return str(self._client.describe_execution(executionArn=arn)["status"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise

    @property
    def _client(self) -> Any:
        return self.hook.conn

    def _wait(self, arn: str) -> str:
        self._running = arn
        found = until(
            lambda: self._client.describe_execution(executionArn=arn),
            lambda found: found["status"] != "RUNNING",
        )
        if found["status"] != "SUCCEEDED":
            why = (
                ": ".join(filter(None, [found.get("error"), found.get("cause")]))
                or "Step Functions says no more"
            )
            raise AirflowException(f"{arn} {found['status']}: {why}")
        return arn

    def on_kill(self) -> None:
        """Stop the execution, if there is one."""
        if (arn := getattr(self, "_running", None)) is not None:
            settings.client("stepfunctions").stop_execution(
                executionArn=arn, cause="the Airflow task was stopped"
            )
