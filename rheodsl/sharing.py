"""``app.import_upstream(...)`` -> another application's nodes as inputs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from rheodsl import ir
from rheodsl.cloudwatch.alarms import facade
from rheodsl.errors import RheoError, UnknownNameError, did_you_mean
from rheodsl.platform import Platform
from rheodsl.retrieval import FindsNodes, QueryContext
from rheodsl.signals import SignalNode
from rheodsl.words import knows_its_words


class SharingError(RheoError, ValueError):
    """Another application that cannot be named, or cannot be reached."""

    code = "RD115"


@knows_its_words
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
            raise UnknownNameError(
                f"{self.name} shares no {entity_id!r}",
                hint=did_you_mean(entity_id, known, "see its list_data(): the outputs of its nodes"),
            )
        return facade(known[entity_id])


def as_upstream(signal: ir.Signal, app: str, bucket: str) -> ir.Signal:
    """Return a node's output as it is seen by another application."""
    template = signal.source.template if isinstance(signal.source, ir.NodeSource) else ""
    return replace(signal, source=ir.UpstreamSource(app, bucket, template), proxy=None, where=None)


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
