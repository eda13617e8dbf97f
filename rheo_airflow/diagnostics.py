"""Values of an application's own metrics -> CloudWatch: ``diagnostics["etl"]["Error"].emit(1)``.

It stands alone: scripts that use it get a copy of this file's text.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

_UTC = timezone.utc  # noqa: UP017 - AWS Glue 4 runs Python 3.10


class Diagnostics:
    """The metrics that an application declares by ``create_metric``.

    A value that cannot be sent is reported on standard error and given up: a computation does not fail
    because its monitoring does. A metric or name that is not declared, or a value that is no number, is
    an error.

    Parameters
    ----------
    metrics
        For each id: namespace, dimensions, names (None for any) and resolution (1 or 60 seconds).
    put
        ``put_metric_data`` of a CloudWatch client, or anything like it.

    >>> sent = []
    >>> etl = {"namespace": "Rheo/shop", "dimensions": {"MetricId": "etl"}, "names": ["Error"], "resolution": 60}
    >>> diagnostics = Diagnostics({"etl": etl}, lambda **request: sent.append(request))
    >>> diagnostics["etl"]["Error"].emit([2, 5, 5])
    >>> sent[0]["MetricData"][0]["Values"], sent[0]["MetricData"][0]["Counts"]
    ([2.0, 5.0], [1.0, 2.0])
    """

    VALUES = 150  # of one datum
    DATA = 500  # of one request, which takes 1000 data or 1 MB

    def __init__(self, metrics: Mapping[str, Mapping[str, Any]], put: Callable[..., Any]) -> None:
        self._metrics = metrics
        self._put = put
        self._batch: list[tuple[str, dict[str, Any]]] | None = None

    def __getitem__(self, id: str) -> "Metrics":
        if id not in self._metrics:
            known = ", ".join(sorted(self._metrics)) or "none"
            raise KeyError(f"the application has no metric {id!r} of its own; it has: {known}")
        return Metrics(self, id, self._metrics[id])

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Send what is emitted inside in few requests, when the block ends, also by an error."""
        if self._batch is not None:  # the outer one sends
            yield
            return
        self._batch = []
        try:
            yield
        finally:
            waiting, self._batch = self._batch, None
            self._send(waiting)

    def _emit(self, namespace: str, data: list[dict[str, Any]]) -> None:
        pairs = [(namespace, datum) for datum in data]
        if self._batch is None:
            self._send(pairs)
        else:
            self._batch += pairs

    def _send(self, pairs: list[tuple[str, dict[str, Any]]]) -> None:
        for namespace in dict.fromkeys(name for name, _ in pairs):
            data = [datum for name, datum in pairs if name == namespace]
            for first in range(0, len(data), self.DATA):
                part = data[first : first + self.DATA]
                try:
                    self._put(Namespace=namespace, MetricData=part)
                except Exception as fault:  # noqa: BLE001 - whatever the client raises, the computation goes on
                    names = ", ".join(sorted({datum["MetricName"] for datum in part}))
                    print(f"metrics not sent ({names}): {fault}", file=sys.stderr, flush=True)


class Metrics:
    """The metrics of one declaration, by their names."""

    def __init__(self, diagnostics: Diagnostics, id: str, declared: Mapping[str, Any]) -> None:
        self._diagnostics = diagnostics
        self._id = id
        self._declared = declared

    def __getitem__(self, name: str) -> "Metric":
        names = self._declared["names"]
        if names is not None and name not in names:
            raise KeyError(f"metric {self._id!r} has no {name!r}; it is declared with {', '.join(names)}")
        if not isinstance(name, str) or not name:
            raise KeyError(f"{name!r} is no name of a metric")
        return Metric(self._diagnostics, name, self._declared)

    def emit(self, values: Any = 1, *, timestamp: datetime | None = None, unit: str | None = None) -> None:
        """Send values of the only name that the metric is declared with; see `Metric.emit`."""
        names = self._declared["names"]
        if names is None or len(names) != 1:
            raise KeyError(f'metric {self._id!r} has several names: write diagnostics["{self._id}"]["Error"]')
        self[names[0]].emit(values, timestamp=timestamp, unit=unit)


class Metric:
    """One metric, ready to be sent."""

    def __init__(self, diagnostics: Diagnostics, name: str, declared: Mapping[str, Any]) -> None:
        self._diagnostics = diagnostics
        self._name = name
        self._declared = declared

    def emit(
        self,
        values: float | Iterable[float] | Mapping[float, float] = 1,
        *,
        timestamp: datetime | None = None,
        unit: str | None = None,
    ) -> None:
        """Send a value, several, or values with how often each occurred: ``{5.0: 1, 3.0: 2}``.

        Parameters
        ----------
        timestamp
            When they were measured; now when left out, UTC without a timezone.
        unit
            One of CloudWatch's units: ``Count``, ``Seconds``, ``Bytes``, ...

        Raises ValueError for what is no finite number.
        """
        if isinstance(values, Mapping):
            counts = {_number(value): _number(count) for value, count in values.items()}
        elif isinstance(values, (int, float)):
            self._emit([{"Value": _number(values)}], timestamp, unit)
            return
        else:
            counts = {value: float(n) for value, n in Counter(map(_number, values)).items()}
        pairs = list(counts.items())
        size = Diagnostics.VALUES
        self._emit(
            [
                {
                    "Values": [value for value, _ in pairs[first : first + size]],
                    "Counts": [count for _, count in pairs[first : first + size]],
                }
                for first in range(0, len(pairs), size)
            ],
            timestamp,
            unit,
        )

    def emit_statistics(
        self,
        *,
        count: float,
        sum: float,
        minimum: float,
        maximum: float,
        timestamp: datetime | None = None,
        unit: str | None = None,
    ) -> None:
        """Send what is known of many values that were counted elsewhere, such as by Spark's executors."""
        values = {"SampleCount": count, "Sum": sum, "Minimum": minimum, "Maximum": maximum}
        statistics = {name: _number(value) for name, value in values.items()}
        self._emit([{"StatisticValues": statistics}], timestamp, unit)

    def _emit(self, parts: list[dict[str, Any]], timestamp: datetime | None, unit: str | None) -> None:
        moment = timestamp or datetime.now(_UTC)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=_UTC)
        common = {
            "MetricName": self._name,
            "Dimensions": [{"Name": n, "Value": v} for n, v in self._declared["dimensions"].items()],
            "Timestamp": moment,
            "StorageResolution": self._declared["resolution"],
            **({"Unit": unit} if unit else {}),
        }
        self._diagnostics._emit(self._declared["namespace"], [{**common, **part} for part in parts])


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no value of a metric: CloudWatch takes finite numbers")
    return number
