"""``AWSApplication("foo-app", "us-east-1")`` -> an application that lives in an account of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rheodsl.application import Application
from rheodsl.platform import Platform


class WithNotebooks(Platform, Protocol):
    """A platform that makes notebooks."""

    def provision_remote_dev_env(self, app: str, arguments: Mapping[str, Any]) -> str:
        """Let an application have a notebook, and return a link to it."""


def AWSPlatform(
    region: str,
    account_id: str | None = None,
    *,
    mwaa_environment: str | None = None,
    dialect: str = "mwaa-3.3",
    profile: str | None = None,
    access_id: str | None = None,
    access_key: str | None = None,
    session_token: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Platform:
    """Return an account of AWS as a platform: MWAA runs the DAGs. Parameters are those of `AWSApplication`."""
    return _platform(
        None,
        region,
        account_id,
        mwaa_environment=mwaa_environment,
        dialect=dialect,
        credentials=(profile, access_id, access_key, session_token),
        parameters=parameters,
    )


def _platform(
    app: str | None,
    region: str,
    account_id: str | None,
    *,
    mwaa_environment: str | None,
    dialect: str,
    credentials: tuple[str | None, ...],
    parameters: Mapping[str, str] | None,
) -> WithNotebooks:
    from platforms.aws.account import Credentials
    from platforms.aws.platform import AWSPlatform as Made

    return Made(
        region,
        account_id,
        mwaa_environment=mwaa_environment,
        dialect=dialect,
        credentials=Credentials(*credentials),
        parameters=parameters,
        app=app,
    )


class AWSApplication(Application):
    """An application that lives in an account of AWS.

    Making one asks AWS for nothing; `activate` does.

    Parameters
    ----------
    app_name
        As for `Application`.
    region
        Such as ``us-east-1``.
    account_id
        The account that is meant: credentials of another one are refused. Any, when left out.
    mwaa_environment
        The name of the MWAA environment that runs the DAGs; the only one in the region when left out.
    dialect
        Which Airflow it runs: ``mwaa-3.3`` or ``mwaa-3.0``.
    profile, access_id, access_key, session_token
        How to sign in; what is left out follows boto3's rules.
    parameters
        Values for parameters of the application's CloudFormation template, such as ``PermissionsBoundary``.
    strict
        Treat warnings as errors.

    >>> app = AWSApplication("foo-app", "us-east-1", "111222333444")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{day:%Y-%m-%d}")
    >>> app
    AWSApplication('foo-app')
    """

    def __init__(
        self,
        app_name: str,
        region: str,
        account_id: str | None = None,
        *,
        mwaa_environment: str | None = None,
        dialect: str = "mwaa-3.3",
        profile: str | None = None,
        access_id: str | None = None,
        access_key: str | None = None,
        session_token: str | None = None,
        parameters: Mapping[str, str] | None = None,
        strict: bool = False,
    ) -> None:
        self._aws = _platform(
            app_name,
            region,
            account_id,
            mwaa_environment=mwaa_environment,
            dialect=dialect,
            credentials=(profile, access_id, access_key, session_token),
            parameters=parameters,
        )
        super().__init__(app_name, self._aws, strict=strict)

    def provision_remote_dev_env(self, endpoint_args: Mapping[str, Any]) -> str:
        """Let the application have a SageMaker notebook in which Rheo is installed; return a link to it.

        Parameters
        ----------
        endpoint_args
            Of SageMaker's CreateNotebookInstance: ``RoleArn``, a role that may deploy, and what else is wanted.

        Raises StateError while the application has no bucket, RheoError when the notebook does not start.
        """
        return self._aws.provision_remote_dev_env(self.name, endpoint_args)
