"""``app.import_upstream(...)`` -> another application's nodes as inputs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from rheodsl import ir
from rheodsl.alarms import facade
from rheodsl.errors import RheoError, UnknownNameError
from rheodsl.platform import OnPlatform, Platform
from rheodsl.retrieval import FindsNodes, QueryContext
from rheodsl.views import SignalNode


class SharingError(RheoError, ValueError):
    """Another application that cannot be named, or cannot be reached."""

    code = "RD115"


class Upstream(Protocol):
    """What a platform tells of another application."""

    bucket: str

    def graph(self) -> ir.Graph | None:
        """Return what is active there; None when nothing is."""


class RemoteApplication(FindsNodes):
    """An application that is imported: its nodes can be found, and read by nodes of the one that imports it.

    What it shows is what is active there. Its external data are not its own to share: declare them.
    """

    def __init__(self, partner: ir.Partner, platform: Platform, importer: str) -> None:
        self.name = partner.app
        self.account_id = partner.account
        self.region = partner.region
        self._partner = partner
        self._platform = platform
        self._importer = importer
        self._known: dict[str, ir.Signal] | None = None  # asked for once

    def __repr__(self) -> str:
        return f"RemoteApplication({self.name!r}, {self.account_id!r}, {self.region!r})"

    def _signals(self) -> dict[str, ir.Signal]:
        if self._known is not None:
            return self._known
        there = self._platform.upstream(self._partner)
        graph = there.graph()
        if graph is None:
            raise SharingError(
                f"{self.name} is not active in {self.region} of {self.account_id}, or {self._importer} may not read it",
                hint=f"activate it there, with authorize_downstream({self._importer!r}, ...) in its program",
            )
        outputs = (s for s in graph.signals if isinstance(s.source, ir.NodeSource))
        self._known = {s.id: as_upstream(s, self.name, there.bucket) for s in outputs}
        return self._known

    def _own_signals(self, context: QueryContext) -> Iterable[ir.Signal]:
        return self._signals().values()

    def __getitem__(self, entity_id: str) -> SignalNode:
        """Return a node of the application by its id; raises UnknownNameError."""
        known = self._signals()
        if entity_id not in known:
            near = difflib.get_close_matches(entity_id, known, 1)
            raise UnknownNameError(
                f"{self.name} shares no {entity_id!r}",
                hint=f"did you mean {near[0]!r}?"
                if near
                else "see its list_data(): the outputs of its nodes",
            )
        return facade(known[entity_id])


def as_upstream(signal: ir.Signal, app: str, bucket: str) -> ir.Signal:
    """Return a node's output as it is seen by another application."""
    return replace(signal, source=ir.UpstreamSource(app, bucket), proxy=None, where=None)


class SharingMethods(OnPlatform, FindsNodes):
    """The part of an application that connects applications."""

    # In the order of their import.
    _upstreams: tuple[ir.Partner, ...] = ()
    _downstreams: frozenset[ir.Partner] = frozenset()
    _remotes: Mapping[ir.Partner, RemoteApplication] = MappingProxyType({})
    _graph: Any

    def authorize_downstream(self, remote_app_name: str, aws_acc_id: str, region_id: str) -> None:
        """Let another application read this one's outputs and hear of them, from the next activation on.

        Parameters
        ----------
        remote_app_name
            Its name.
        aws_acc_id, region_id
            Where it lives; in either order.

        Raises SharingError.

        >>> from rheodsl import Application
        >>> app = Application("joe_does_FEATURE_REPO")
        >>> app.authorize_downstream("jane_does_IF", "111222333444", "us-east-1")
        >>> [partner.app for partner in app.graph().downstreams]
        ['jane_does_IF']
        """
        partner = read_partner(self.name, remote_app_name, aws_acc_id, region_id)
        self._downstreams |= {partner}
        self._graph = None

    def import_upstream(self, remote_app_name: str, aws_acc_id: str, region_id: str) -> RemoteApplication:
        """Let nodes of this application read outputs of another one, which has authorized it.

        Parameters
        ----------
        remote_app_name
            Its name.
        aws_acc_id, region_id
            Where it lives; in either order.

        Raises SharingError; also when first used, if the application is not active there.
        """
        partner = read_partner(self.name, remote_app_name, aws_acc_id, region_id)
        self._at()
        if partner not in self._upstreams:
            self._upstreams = (*(p for p in self._upstreams if p.app != partner.app), partner)
            self._graph = None
        return self._remote(partner)

    def _remote(self, partner: ir.Partner) -> RemoteApplication:
        if partner not in self._remotes:
            made = RemoteApplication(partner, self._at(), self.name)
            self._remotes = {**self._remotes, partner: made}
        return self._remotes[partner]

    def _upstream(self, context: QueryContext) -> Sequence[FindsNodes]:
        partners = self._upstreams
        if context is QueryContext.ACTIVE_RUNTIME_CONTEXT:
            # What this program imports is active there, whether or not it is activated itself.
            graph = None if self.platform is None else self.platform.active_graph(self.name)
            active = () if graph is None else graph.upstreams
            partners = (*partners, *(p for p in active if p not in partners))
        return [self._remote(partner) for partner in partners]

    def upstream_graph(self, partner: ir.Partner) -> ir.Graph | None:
        """Return what is active in another application now; None when nothing is, or it may not be read."""
        return self._at().upstream(partner).graph()

    def _imported(self, signal: ir.Signal) -> ir.Signal | None:
        """The signal of an imported application, None for any other; as it was when it was imported."""
        source = signal.source
        if not isinstance(source, ir.UpstreamSource):
            return None
        return signal if any(p.app == source.app for p in self._upstreams) else None


_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def read_partner(app: str, name: str, account: str, region: str) -> ir.Partner:
    """Return another application as it was named, account and region in either order; raises SharingError."""
    if re.fullmatch(r"\d{12}", str(region)) and not re.fullmatch(r"\d{12}", str(account)):
        account, region = region, account
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name):
        raise SharingError(
            f"{name!r} is no name of an application", hint="give the name of its Application(...)"
        )
    if name == app:
        raise SharingError(f"{app} cannot be connected with itself", hint="name another application")
    if not isinstance(account, str) or not re.fullmatch(r"\d{12}", account):
        raise SharingError(f"{account!r} is no account of AWS", hint="its number of 12 digits, as a text")
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise SharingError(f"{region!r} is no region of AWS", hint='such as "us-east-1"')
    return ir.Partner(name, account, region)
