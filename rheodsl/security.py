"""``app.set_security_conf(Storage, ...)`` -> how each part of the application is secured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rheodsl import compute
from rheodsl.errors import GraphWarning, RheoError, here
from rheodsl.words import knows_its_words

# What KMS takes for RotationPeriodInDays.
ROTATION = (90, 2560)


class SecurityError(RheoError, ValueError):
    """A security configuration that asks for what cannot be had."""

    code = "RD114"


# --- the parts of an application ---


class BaseConstruct:
    """A part of an application's architecture, as `set_security_conf` names it."""


class Storage(BaseConstruct):
    """Where data and the application's own files are: its S3 bucket."""


class RoutingTable(BaseConstruct):
    """What has arrived and what runs: the ledger's table in DynamoDB."""


class ProcessingUnit(BaseConstruct):
    """What joins events: the listener in Lambda, its settings and its log."""


class ProcessorQueue(BaseConstruct):
    """Where events wait: the queues in SQS."""


# The fifth is BatchCompute, the guide's name of the compute target too: Spark on Glue.
CONSTRUCTS = ("BatchCompute", "ProcessingUnit", "ProcessorQueue", "RoutingTable", "Storage")


# --- what is said of them ---


class DataHandlingType(StrEnum):
    """What a part does with data."""

    PASSING = "PASSING"
    PROCESSING = "PROCESSING"
    PERSISTING = "PERSISTING"


class EncryptionKeyAllocationLevel(StrEnum):
    """``HIGH``: one key for all parts that say so; ``PER_RESOURCE``: a key for this part alone."""

    HIGH = "ALL"
    PER_RESOURCE = "PER_RESOURCE"


@knows_its_words
@dataclass(frozen=True, slots=True)
class ConstructEncryption:
    """How a part is encrypted where it is kept. None leaves the default: one key, a rotation each year.

    ``is_hard_rotation`` would make old data unreadable with the new key: KMS has no such thing, and never
    needs ``reencrypt_old_data_during_hard_rotation``. ``trust_access_from_same_root`` False keeps everybody of
    the account but the application's own roles from using the key, whatever IAM allows them.
    """

    key_allocation_level: EncryptionKeyAllocationLevel | None = None
    key_rotation_cycle_in_days: int | None = None
    is_hard_rotation: bool | None = None
    reencrypt_old_data_during_hard_rotation: bool | None = None
    trust_access_from_same_root: bool | None = None


@knows_its_words
@dataclass(frozen=True, slots=True)
class ConstructPersistenceSecurityDef:
    """How a part keeps data."""

    encryption: ConstructEncryption


@knows_its_words
@dataclass(frozen=True, slots=True)
class ConstructPassingSecurityDef:
    """How data comes to a part: ``TLS``, or for Storage the least version of it, ``TLS 1.3``."""

    protocol: str


@knows_its_words
@dataclass(frozen=True, slots=True)
class ConstructProcessingSecurityDef:
    """How a part works on data.

    ``enforce_privilege_separation`` gives each job of BatchCompute a role of its own, that reads its node's
    inputs and writes its output alone.
    """

    zero_sensitive_data_after_use: bool | None = None
    enforce_privilege_separation: bool | None = None


@knows_its_words
@dataclass(frozen=True, slots=True)
class ConstructSecurityConf:
    """All that is said of a part; None leaves the default."""

    persisting: ConstructPersistenceSecurityDef | None = None
    passing: ConstructPassingSecurityDef | None = None
    processing: ConstructProcessingSecurityDef | None = None


Construct = type[BaseConstruct] | Callable[..., Any]


def secured(
    known: Mapping[str, ConstructSecurityConf], construct: Construct, conf: ConstructSecurityConf
) -> Mapping[str, ConstructSecurityConf]:
    """Return what is said of the parts of an application, with this in place of what was said of one of them.

    Raises SecurityError.
    """
    name = _name(construct)
    if not isinstance(conf, ConstructSecurityConf):
        raise SecurityError(
            f"{name}: {conf!r} is no ConstructSecurityConf",
            hint="ConstructSecurityConf(persisting=..., passing=None, processing=None)",
        )
    _check_encryption(name, conf.persisting)
    _check_passing(name, conf.passing)
    _check_processing(name, conf.processing)
    changed = {**known, name: conf}
    _check_shared(changed)
    return changed


def _name(construct: object) -> str:
    if construct is compute.BatchCompute:
        return "BatchCompute"
    if (
        isinstance(construct, type)
        and issubclass(construct, BaseConstruct)
        and construct is not BaseConstruct
    ):
        return construct.__name__
    raise SecurityError(
        f"{construct!r} is no part of an application", hint=f"use one of {', '.join(CONSTRUCTS)}"
    )


def _check_encryption(name: str, persisting: ConstructPersistenceSecurityDef | None) -> None:
    if persisting is None:
        return
    if not isinstance(persisting, ConstructPersistenceSecurityDef) or not isinstance(
        persisting.encryption, ConstructEncryption
    ):
        raise SecurityError(
            f"{name}: persisting is {persisting!r}",
            hint="ConstructPersistenceSecurityDef(ConstructEncryption(EncryptionKeyAllocationLevel.HIGH, ...))",
        )
    encryption = persisting.encryption
    days = encryption.key_rotation_cycle_in_days
    if days is not None and (isinstance(days, bool) or not isinstance(days, int) or days < 1):
        raise SecurityError(
            f"{name}: key_rotation_cycle_in_days is {days!r}", hint="a number of days, 90 to 2560"
        )
    if encryption.is_hard_rotation:
        raise SecurityError(
            f"{name}: KMS has no hard rotation: it keeps old keys, so that old data stays readable",
            hint="is_hard_rotation=False; to make old data unreadable, delete it, or its key",
        )
    if encryption.reencrypt_old_data_during_hard_rotation:
        raise SecurityError(
            f"{name}: nothing is re-encrypted, as there is no hard rotation",
            hint="reencrypt_old_data_during_hard_rotation=False",
        )


def _check_passing(name: str, passing: ConstructPassingSecurityDef | None) -> None:
    if passing is None:
        return
    version = tls_version(passing.protocol)
    if version is None or (version > "1.2" and name != "Storage"):
        raise SecurityError(
            f"{name}: data cannot be passed by {passing.protocol!r}",
            hint='"TLS", which is always required; for Storage also "TLS 1.3"',
        )


def tls_version(protocol: str) -> str | None:
    """Return the least version of TLS that a protocol's name asks for; None for another protocol.

    >>> tls_version("HTTPS"), tls_version("TLSv1.3"), tls_version("ftp")
    ('1.2', '1.3', None)
    """
    plain = str(protocol).upper().replace(" ", "").replace("V", "")
    return {"TLS": "1.2", "HTTPS": "1.2", "TLS1.2": "1.2", "TLS1.3": "1.3"}.get(plain)


def _check_processing(name: str, processing: ConstructProcessingSecurityDef | None) -> None:
    if processing is None:
        return
    if processing.zero_sensitive_data_after_use:
        raise SecurityError(
            f"{name}: AWS cannot be told to zero memory or disks after use",
            hint="zero_sensitive_data_after_use=False; its disks are encrypted, and gone with the job",
        )
    if processing.enforce_privilege_separation and name not in ("BatchCompute", "ProcessingUnit"):
        raise SecurityError(
            f"{name} runs no code whose privileges could be separated",
            hint="enforce_privilege_separation is for BatchCompute and ProcessingUnit",
        )


def encryptions(security: Mapping[str, ConstructSecurityConf]) -> Iterator[tuple[str, ConstructEncryption]]:
    """Yield the parts that have a key, each with how."""
    for name, conf in sorted(security.items()):
        if conf.persisting is not None:
            yield name, conf.persisting.encryption


def is_shared(encryption: ConstructEncryption) -> bool:
    """Whether a part shares its key with others."""
    return encryption.key_allocation_level != EncryptionKeyAllocationLevel.PER_RESOURCE


def _check_shared(security: Mapping[str, ConstructSecurityConf]) -> None:
    """Parts that share a key must agree on it."""
    shared = [(name, e) for name, e in encryptions(security) if is_shared(e)]
    for name, encryption in shared[1:]:
        first, other = shared[0]
        for what in ("key_rotation_cycle_in_days", "trust_access_from_same_root"):
            if getattr(encryption, what) != getattr(other, what):
                raise SecurityError(
                    f"{first} and {name} share a key, and differ in {what}:"
                    f" {getattr(other, what)!r} and {getattr(encryption, what)!r}",
                    hint="say the same of both, or give one a key of its own: PER_RESOURCE",
                )


def rotation_days(encryption: ConstructEncryption) -> int:
    """Return after how many days KMS makes new key material: what is asked, as near as KMS comes to it.

    >>> rotation_days(ConstructEncryption()), rotation_days(ConstructEncryption(key_rotation_cycle_in_days=60))
    (365, 90)
    """
    days = encryption.key_rotation_cycle_in_days
    return 365 if days is None else min(max(days, ROTATION[0]), ROTATION[1])


def rotation_warnings(
    security: Mapping[str, ConstructSecurityConf], known: Mapping[str, GraphWarning]
) -> Iterator[tuple[str, GraphWarning]]:
    """Yield a warning for each rotation that KMS does at another time than was asked."""
    for name, encryption in encryptions(security):
        asked = encryption.key_rotation_cycle_in_days
        if asked is not None and asked != (days := rotation_days(encryption)):
            what = f"{name}: KMS rotates a key every {ROTATION[0]} to {ROTATION[1]} days: every {days}, not {asked}"
            made = GraphWarning(SecurityError.code, what, here(), f"say key_rotation_cycle_in_days={days}")
            # What was said before was said at another place.
            yield name, known[name] if name in known and known[name].what == what else made
