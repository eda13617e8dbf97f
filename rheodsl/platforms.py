"""``LocalPlatform()``, ``AWSApplication("foo-app", "us-east-1")`` -> where applications live.

The face of what runs applications: the language knows a platform by `rheodsl.platform.Platform` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rheo_platforms.aws.account import Credentials
from rheo_platforms.aws.platform import AWSPlatform as Account
from rheo_platforms.local.platform import LocalPlatform as LocalPlatform
from rheodsl.application import Application
from rheodsl.errors import SpecError
from rheodsl.modules import ModuleLike
from rheodsl.stages import Life
from rheodsl.words import declares, knows_its_words


@declares()
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
    app: str | None = None,
) -> Account:
    """Return an account of AWS as a platform: MWAA runs the DAGs. Parameters are those of `AWSApplication`.

    ``app`` is the only application that lives there, if there is one.
    """
    return Account(
        region,
        account_id,
        mwaa_environment=mwaa_environment,
        dialect=dialect,
        credentials=Credentials(profile, access_id, access_key, session_token),
        parameters=parameters,
        app=app,
    )


@knows_its_words
class AWSApplication(Application):
    """An application that lives in an account of AWS.

    Making one asks AWS for nothing; `activate` does.

    Parameters
    ----------
    app_name
        As for `Application`.
    region
        Such as ``us-east-1``. What ``[tool.rheo.stages]`` says of the stage goes before this and what follows.
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
    strict, modules, stage
        As for `Application`.

    Raises SpecError without a region.

    >>> app = AWSApplication("foo-app", "us-east-1", "111222333444")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{day:%Y-%m-%d}")
    >>> app
    AWSApplication('foo-app')
    """

    def __init__(
        self,
        app_name: str,
        region: str | None = None,
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
        modules: Sequence[ModuleLike] = (),
        stage: str | None = None,
    ) -> None:
        life = Life.of(app_name, stage)
        said = life.settings
        if (where := said.region or region) is None:
            raise SpecError(
                f"{app_name} has no region", hint='give one: AWSApplication("foo-app", "us-east-1")'
            )
        self._aws = AWSPlatform(
            where,
            said.account_id or account_id,
            mwaa_environment=said.mwaa_environment or mwaa_environment,
            dialect=said.dialect or dialect,
            profile=said.profile or profile,
            access_id=access_id,
            access_key=access_key,
            session_token=session_token,
            parameters={**(parameters or {}), **said.parameters},
            app=life.name,
        )
        super().__init__(app_name, self._aws, strict=strict, modules=modules, stage=stage)

    def provision_remote_dev_env(self, endpoint_args: Mapping[str, Any]) -> str:
        """Let the application have a SageMaker notebook in which Rheo is installed; return a link to it.

        Parameters
        ----------
        endpoint_args
            Of SageMaker's CreateNotebookInstance: ``RoleArn``, a role that may deploy, and what else is wanted.

        Raises StateError while the application has no bucket, RheoError when the notebook does not start.
        """
        return self._aws.provision_remote_dev_env(self.name, endpoint_args)
