"""``AWSApplication(...)`` -> applications in an account of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rheo_platforms.aws import notebooks
from rheo_platforms.aws.account import Account, Credentials, bucket_name
from rheo_platforms.aws.place import AwsPlace
from rheo_platforms.data.reader import Reading
from rheo_platforms.deployment import Deployment, Remote
from rheo_platforms.lifecycle.activation import Lifecycle
from rheo_platforms.operations.control import Control
from rheo_platforms.operations.monitoring import Monitoring
from rheodsl import ir
from rheodsl.errors import StateError


class AWSPlatform:
    """An account and a region of AWS, with an MWAA environment. Nothing is asked before it is needed.

    Parameters
    ----------
    region, account_id, mwaa_environment
        As for `rheodsl.AWSApplication`.
    dialect
        Which Airflow the environment runs.
    credentials
        How to sign in.
    parameters
        Values for parameters of the application's CloudFormation template, such as ``PermissionsBoundary``.
    session
        A boto3 session to use in place of a new one.
    app
        The application whose own platform this is, if it is one's.
    """

    def __init__(
        self,
        region: str,
        account_id: str | None = None,
        *,
        mwaa_environment: str | None = None,
        dialect: str = "mwaa-3.3",
        credentials: Credentials | None = None,
        parameters: Mapping[str, str] | None = None,
        session: Any = None,
        app: str | None = None,
    ) -> None:
        self.app = app
        self.dialect = dialect
        self.parameters = dict(parameters or {})
        self._session = session
        self._credentials = credentials or Credentials()
        self._given = (region, account_id, mwaa_environment)
        self._account: Account | None = None
        self._lives: dict[str, Lifecycle] = {}

    @property
    def account(self) -> Account:
        """The account."""
        if self._account is None:
            region = self._given[0]
            session = self._credentials.session(region) if self._session is None else self._session
            self._account = Account(session, *self._given)
        return self._account

    def place(self, app: str) -> AwsPlace:
        """Return where an application of this name lives."""
        return AwsPlace(self.account, app, self.dialect, self.parameters)

    def deployment(self, app: str | None = None) -> Deployment:
        """Return the running application of this name. Raises StateError when it is not active."""
        return self.place(self._named(app)).deployment()

    def sync_bundle(self, app: str | None = None) -> str:
        """Put Rheo, as it is installed here, into the application's bucket for notebooks; return its address.

        Raises StateError while the application has no bucket.
        """
        return notebooks.sync(self.place(self._named(app)))

    def provision_remote_dev_env(self, app: str, arguments: Mapping[str, Any]) -> str:
        """Let the application have a SageMaker notebook; see `notebooks.provision`."""
        return notebooks.provision(self.place(app), arguments)

    def _named(self, app: str | None) -> str:
        if (name := app or self.app) is None:
            raise StateError("an account has many applications", hint="say which is meant")
        return name

    def active_graph(self, app: str) -> ir.Graph | None:
        """Return what is active under this name; None when nothing is."""
        try:
            return self.deployment(app).graph()
        except StateError:
            return None

    def bucket(self, app: str) -> str:
        """Return the bucket of the application of this name."""
        return self.account.bucket(app)

    def monitoring(self, app: str) -> Monitoring:
        """Return what tells of an application; raises StateError when it is not active."""
        return Monitoring(self.deployment(app))

    def analysis(self, app: str) -> Reading:
        """Return what reads data, also before an application is active."""
        return Reading(self.account.session, self.account.bucket(app))

    def control(self, app: str) -> Control:
        """Return what sends events to an application, and starts its executions."""
        return Control(lambda: self.deployment(app))

    def lifecycle(self, app: str) -> Lifecycle:
        """Return what activates, changes and ends the application of this name."""
        if app not in self._lives:
            self._lives[app] = Lifecycle(self.place(app))
        return self._lives[app]

    def upstream(self, partner: ir.Partner) -> Remote:
        """Return another application, in this account or in one whose application has authorized this one."""
        s3 = self.account.session.client("s3", region_name=partner.region)
        return Remote(s3, bucket_name(partner.app, partner.account, partner.region))
