"""What an alarm watches, and what it does when it changes its state, as frozen types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rheodsl.cloudwatch.alarm_rule import AlarmState
from rheodsl.errors import RheoError
from rheodsl.words import knows_its_words


class AlarmError(RheoError, ValueError):
    """An alarm, a composite alarm or an action that CloudWatch would not take."""

    code = "RD403"


# CloudWatch's limit for each state.
MOST_ACTIONS = 5
_TOPIC = re.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}")


def _topic(arn: object) -> None:
    if not isinstance(arn, str) or not _TOPIC.fullmatch(arn):
        raise AlarmError(
            f"{arn!r} is no SNS topic", hint="write its ARN: arn:aws:sns:us-east-1:123456789012:name"
        )


@knows_its_words
@dataclass(frozen=True, slots=True)
class SnsAction:
    """Publish CloudWatch's own message to an existing SNS topic.

    >>> SnsAction("arn:aws:sns:us-east-1:123456789012:oncall").topic.rpartition(":")[2]
    'oncall'
    """

    topic: str

    def __post_init__(self) -> None:
        _topic(self.topic)


@knows_its_words
@dataclass(frozen=True, slots=True, init=False)
class EmailAction:
    """Send CloudWatch's message to addresses; each confirms its subscription once.

    >>> EmailAction("oncall@example.com", "lead@example.com").addresses
    ('lead@example.com', 'oncall@example.com')
    """

    addresses: tuple[str, ...]

    def __init__(self, *addresses: str) -> None:
        for address in addresses:
            if not isinstance(address, str) or not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", address):
                raise AlarmError(f"{address!r} is no mail address", hint='EmailAction("oncall@example.com")')
        if not addresses:
            raise AlarmError("EmailAction needs an address", hint='EmailAction("oncall@example.com")')
        object.__setattr__(self, "addresses", tuple(sorted(set(addresses))))


@knows_its_words
@dataclass(frozen=True, slots=True)
class SlackAction:
    """Post to a Slack channel, through the chat integration of AWS.

    Parameters
    ----------
    workspace, channel
        The ids that Slack shows: ``T...`` and ``C...`` or ``G...``. The workspace is authorized once, in
        the console of Amazon Q Developer in chat applications (AWS Chatbot).
    """

    workspace: str
    channel: str

    def __post_init__(self) -> None:
        for value, form, name in (
            (self.workspace, r"T[0-9A-Z]{8,255}", "workspace"),
            (self.channel, r"[CDG][0-9A-Z]{8,255}", "channel"),
        ):
            if not isinstance(value, str) or not re.fullmatch(form, value):
                raise AlarmError(
                    f"{value!r} is no id of a Slack {name}", hint='SlackAction("T0AAAAAAA", "C0BBBBBBB")'
                )


@dataclass(frozen=True, slots=True)
class TicketCTI:
    """Where a ticket belongs: category, type, item."""

    category: str
    type: str
    item: str


class TicketSeverity(StrEnum):
    """How urgent a ticket is: 1 is an outage."""

    SEV1 = "1"
    SEV2 = "2"
    SEV2_5 = "2.5"
    SEV3 = "3"
    SEV4 = "4"
    SEV5 = "5"


class TicketActionType(StrEnum):
    """What the ticketing system does."""

    TICKET = "ticket"
    PAGE = "page"


@knows_its_words
@dataclass(frozen=True, slots=True)
class TicketAction:
    """Ask a ticketing system for a ticket, by a JSON message to an SNS topic.

    Parameters
    ----------
    cti
        Category, type and item of the ticket.
    severity, action_type
        How urgent it is; whether to page somebody.
    dedupe_str
        The ticketing system opens one ticket for all messages with the same text; the alarm's own name
        when left out.
    topic
        The topic that the ticketing system reads; the application's own ticket topic when left out.

    >>> cti = TicketAction.CTI(category="Delivery", type="Machine Learning", item="Platform")
    >>> TicketAction(cti, TicketAction.Severity.SEV3, dedupe_str="app-ERROR").severity.value
    '3'
    """

    cti: TicketCTI
    severity: TicketSeverity = TicketSeverity.SEV5
    action_type: TicketActionType = TicketActionType.TICKET
    dedupe_str: str | None = None
    topic: str | None = None

    # The guide's spelling: TicketAction.CTI(...), TicketAction.Severity.SEV3.
    CTI = TicketCTI
    Severity = TicketSeverity
    ActionType = TicketActionType

    def __post_init__(self) -> None:
        for name, kind in (("severity", TicketSeverity), ("action_type", TicketActionType)):
            given = getattr(self, name)
            if given not in list(kind):
                shown = kind.__name__.removeprefix("Ticket")
                allowed = ", ".join(f"TicketAction.{shown}.{member.name}" for member in kind)
                raise AlarmError(f"{given!r} is no {name} of a ticket", hint=allowed)
            object.__setattr__(self, name, kind(given))
        if not isinstance(self.cti, TicketCTI):
            raise AlarmError(f"{self.cti!r} is no CTI", hint="TicketAction.CTI(category, type, item)")
        if self.topic is not None:
            _topic(self.topic)


Action: TypeAlias = SnsAction | EmailAction | SlackAction | TicketAction
Actions: TypeAlias = Iterable[Action] | Action | None


@knows_its_words
@dataclass(frozen=True, slots=True, init=False)
class AlarmDefaultActionsMap:
    """What an alarm does on each transition; sets as in the guide, kept sorted.

    >>> AlarmDefaultActionsMap(ALARM_ACTIONS={EmailAction("oncall@example.com")}).of("ALARM")
    (EmailAction(addresses=('oncall@example.com',)),)
    """

    ALARM_ACTIONS: tuple[Action, ...]
    OK_ACTIONS: tuple[Action, ...]
    INSUFFICIENT_DATA_ACTIONS: tuple[Action, ...]

    def __init__(
        self,
        ALARM_ACTIONS: Actions = None,
        OK_ACTIONS: Actions = None,
        INSUFFICIENT_DATA_ACTIONS: Actions = None,
    ) -> None:
        for name, actions in (
            ("ALARM_ACTIONS", ALARM_ACTIONS),
            ("OK_ACTIONS", OK_ACTIONS),
            ("INSUFFICIENT_DATA_ACTIONS", INSUFFICIENT_DATA_ACTIONS),
        ):
            object.__setattr__(self, name, _sorted(name, actions))

    def of(self, state: AlarmState | str) -> tuple[Action, ...]:
        """Return what is done on the transition into a state."""
        found: tuple[Action, ...] = getattr(self, f"{AlarmState(state)}_ACTIONS")
        return found


def _sorted(name: str, actions: Actions) -> tuple[Action, ...]:
    if actions is None:
        return ()
    many = (actions,) if isinstance(actions, Action) else tuple(actions)
    for action in many:
        if not isinstance(action, Action):
            raise AlarmError(
                f"{name}: {action!r} is no action",
                hint="use TicketAction, EmailAction, SlackAction or SnsAction",
            )
    found = tuple(sorted(set(many), key=repr))
    if sum(not isinstance(action, TicketAction) for action in found) > MOST_ACTIONS:
        raise AlarmError(
            f"{name} has {len(found)} actions; CloudWatch takes {MOST_ACTIONS}",
            hint="send to one SNS topic, and let others subscribe to it",
        )
    return found


NO_ACTIONS = AlarmDefaultActionsMap()


class AlarmComparisonOperator(StrEnum):
    """How a value is compared with the threshold; the last three with a band that CloudWatch learns."""

    GreaterThanOrEqualToThreshold = "GreaterThanOrEqualToThreshold"
    GreaterThanThreshold = "GreaterThanThreshold"
    LessThanThreshold = "LessThanThreshold"
    LessThanOrEqualToThreshold = "LessThanOrEqualToThreshold"
    LessThanLowerOrGreaterThanUpperThreshold = "LessThanLowerOrGreaterThanUpperThreshold"
    LessThanLowerThreshold = "LessThanLowerThreshold"
    GreaterThanUpperThreshold = "GreaterThanUpperThreshold"


class AlarmTreatMissingData(StrEnum):
    """What a period without data counts as."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


# Namespace, name and dimensions of a metric.
MetricKey = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class MetricStat:
    """One time series of CloudWatch; ``period`` in seconds, None where it is left open."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    period: int | None

    @property
    def key(self) -> MetricKey:
        """What CloudWatch tells metrics apart by."""
        return self.namespace, self.name, self.dimensions


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A metric of an alarm, under the id that the expression uses."""

    id: str
    stat: MetricStat


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """An alarm on one metric, or on an expression over several.

    ``threshold`` is a number, or the expression of a band (``ANOMALY_DETECTION_BAND(m1, 2)``).
    """

    queries: tuple[MetricQuery, ...]
    expression: str | None
    period: int
    evaluation_periods: int
    datapoints: int
    comparison: AlarmComparisonOperator
    threshold: float | str
    missing: AlarmTreatMissingData
    actions: AlarmDefaultActionsMap = NO_ACTIONS
    description: str = ""


@dataclass(frozen=True, slots=True)
class CompositeAlarm:
    """What a composite alarm does; its rule is the signal's."""

    actions: AlarmDefaultActionsMap = NO_ACTIONS
    description: str = ""


@dataclass(frozen=True, slots=True)
class ExternalAlarm:
    """Where an alarm that exists is, when it is not here."""

    account: str | None = None
    region: str | None = None
