"""``app.list_data()`` -> nodes: finding what is declared, or what is active."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from rheodsl import ir
from rheodsl.describe import describe_dims, describe_source
from rheodsl.signals import SignalNode
from rheodsl.words import knows_its_words

# What has no data: the rest of the sources are what `list_data` and its like find.
_NO_DATA = ir.TimerSource | ir.LateSource | ir.ChecksSource | ir.AlarmSource | ir.MetricSource


class QueryApplicationScope(Enum):
    """Whose nodes are looked at: the application's, those of the applications it imports, or all."""

    ALL = "ALL"
    CURRENT_APP_ONLY = "CURRENT_APP_ONLY"
    EXTERNAL_APPS_ONLY = "EXTERNAL_APPS_ONLY"


class QueryContext(Enum):
    """Which state of an application is looked at: what was activated last, or what this program declares."""

    ACTIVE_RUNTIME_CONTEXT = "ACTIVE_RUNTIME_CONTEXT"
    DEV_CONTEXT = "DEV_CONTEXT"


@knows_its_words
class FindsNodes:
    """What can be asked for its nodes: an application, or one that is imported.

    It needs its own signals in each context, and what it imports. What is found comes in the order of
    ids, the application's own first, then those of each imported one in the order of their import.
    """

    def _own_signals(self, context: QueryContext) -> Iterable[ir.Signal]:
        """Its own signals; none for the active context when it is not active."""
        raise NotImplementedError

    def _upstream(self, context: QueryContext) -> Sequence[FindsNodes]:
        """The applications that it imports."""
        return ()

    def _find(self, scope: QueryApplicationScope, context: QueryContext) -> list[ir.Signal]:
        found: list[ir.Signal] = []
        if scope is not QueryApplicationScope.EXTERNAL_APPS_ONLY:
            found += sorted(self._own_signals(context), key=lambda signal: signal.id)
        if scope is not QueryApplicationScope.CURRENT_APP_ONLY:
            for other in self._upstream(context):
                found += other._find(QueryApplicationScope.ALL, context)
        return found

    def _find_data(self, scope: QueryApplicationScope, context: QueryContext) -> list[ir.Signal]:
        return [s for s in self._find(scope, context) if not isinstance(s.source, _NO_DATA)]

    def list_data(
        self,
        app_scope: QueryApplicationScope = QueryApplicationScope.ALL,
        context: QueryContext = QueryContext.ACTIVE_RUNTIME_CONTEXT,
    ) -> Sequence[SignalNode]:
        """Return all data: external data sets and the outputs of nodes, each fit to be an input.

        Parameters
        ----------
        app_scope
            Whose data: all that is visible, the application's own, or that of imported applications.
        context
            The active state, which is empty for an application that was not activated; or what this
            program has declared.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> orders = app.s3("orders", "s3://bucket/orders/{day:%Y-%m-%d}")
        >>> app.list_data(context=QueryContext.DEV_CONTEXT) == [orders], app.list_data()
        (True, [])
        """
        return [SignalNode(signal) for signal in self._find_data(app_scope, context)]

    def get_data(
        self,
        data_id: str,
        app_scope: QueryApplicationScope = QueryApplicationScope.ALL,
        context: QueryContext = QueryContext.ACTIVE_RUNTIME_CONTEXT,
    ) -> list[SignalNode]:
        """Return the data of exactly this id: several, when imported applications use the same id.

        Parameters are those of `list_data`.
        """
        return [SignalNode(signal) for signal in self._find_data(app_scope, context) if signal.id == data_id]

    def get_timer(
        self,
        timer_id: str,
        app_scope: QueryApplicationScope = QueryApplicationScope.ALL,
        context: QueryContext = QueryContext.ACTIVE_RUNTIME_CONTEXT,
    ) -> list[SignalNode]:
        """Return the timers of exactly this id; parameters are those of `list_data`."""
        return [
            SignalNode(signal)
            for signal in self._find(app_scope, context)
            if signal.id == timer_id and isinstance(signal.source, ir.TimerSource)
        ]

    def query_data(
        self,
        query: str,
        app_scope: QueryApplicationScope = QueryApplicationScope.ALL,
        context: QueryContext = QueryContext.ACTIVE_RUNTIME_CONTEXT,
    ) -> Mapping[str, SignalNode]:
        """Return the data whose id contains ``query``, by id.

        Of several with one id the application's own is given, else that of the first import. Parameters
        are those of `list_data`.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> items = app.s3("shipment_items", "s3://bucket/items/{day:%Y-%m-%d}")
        >>> list(app.query("ship", context=QueryContext.DEV_CONTEXT))
        ['shipment_items']
        """
        return _by_id(s for s in self._find_data(app_scope, context) if query in s.id)

    query = query_data

    def search_data(
        self,
        query: str,
        app_scope: QueryApplicationScope = QueryApplicationScope.ALL,
        context: QueryContext = QueryContext.ACTIVE_RUNTIME_CONTEXT,
    ) -> Mapping[str, SignalNode]:
        """Return the data in which every word of ``query`` occurs somewhere, by id; case does not count.

        Looked at are the id, the dimensions, where the data lies, its format and the user's metadata.
        Parameters are those of `list_data`.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> items = app.s3("items", "s3://lake/items/{day:%Y-%m-%d}", metadata={"team": "Fulfilment"})
        >>> list(app.search_data("fulfilment LAKE", context=QueryContext.DEV_CONTEXT))
        ['items']
        """
        words = query.casefold().split()
        found = ((signal, _text(signal)) for signal in self._find_data(app_scope, context))
        return _by_id(signal for signal, text in found if all(word in text for word in words))


def _by_id(found: Iterable[ir.Signal]) -> dict[str, SignalNode]:
    nodes: dict[str, SignalNode] = {}
    for signal in found:
        nodes.setdefault(signal.id, SignalNode(signal))
    return nodes


def _text(signal: ir.Signal) -> str:
    metadata = json.dumps(dict(signal.metadata), ensure_ascii=False)
    parts = (signal.id, describe_dims(signal), describe_source(signal.source), signal.data.format, metadata)
    return "\n".join(parts).casefold()
