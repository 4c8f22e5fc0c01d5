"""The witness of the audit chain: stores signed heads, and detects a chain that contradicts them.

auth-service repeatedly signs the newest entry of its chain. This service stores those heads in a
schema that no database role of auth-service can write. The owner of the chain can therefore not
truncate or rewrite it, heads included, without contradicting what is stored here.

The signed text is the line `vestibule audit head 1`, a line feed, and the JSON object of `at`,
`hash`, `kid` and `sequence`: keys sorted, no white space, the hash in hexadecimal, the time in
RFC 3339 UTC with six digits of a second and `Z`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from chassis.dataclass import dataclass

_PURPOSE = b"vestibule audit head 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadKey:
    """The public key of a head's signature: coordinates of a point on P-256, base64url."""

    kid: str
    x: str
    y: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A statement that this was the newest entry of the chain at some time.

    Attributes:
        sequence: The entry's sequence number.
        hash: The entry's hash.
        at: When it was signed.
        key: The key that signed it.
        signature: In DER.
    """

    sequence: int
    hash: bytes
    at: datetime
    key: HeadKey
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedHead:
    """A stored head, as it was when first seen."""

    sequence: int
    hash: bytes
    at: datetime
    witnessed_at: datetime


class ChainContradicted(Exception):
    """The audit chain contradicts the stored heads; the message says what is missing or differs."""


class AuditHeadSource(Protocol):
    """The heads that auth-service has signed."""

    async def heads(self, from_sequence: int) -> Sequence[SignedHead]:
        """Returns heads from this sequence number on, in order; when there are many, only the first.

        Raises:
            ChainContradicted: auth-service itself found a fault at the end of the chain.
            Unavailable: auth-service cannot be reached.
        """
        ...


class WitnessStore(Protocol):
    """Stores heads permanently. Every method raises `Unavailable` when the store cannot be reached."""

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest sequence number; None when there is none."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads after a sequence number, in order."""
        ...

    async def add(self, head: SignedHead, witnessed_at: datetime) -> bytes:
        """Adds a head unless its sequence number is taken; returns the hash that is stored there."""
        ...


class HeadVerifier(Protocol):
    """Verifies the signatures of heads."""

    def verify(self, head: SignedHead) -> bool:
        """Whether the head's key signed it, and its `kid` is the key's thumbprint."""
        ...


def statement(head: SignedHead) -> bytes:
    """Returns the bytes that the head's signature covers."""
    fields: Mapping[str, object] = {
        "at": head.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "hash": head.hash.hex(),
        "kid": head.key.kid,
        "sequence": head.sequence,
    }
    return _PURPOSE + json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def continuation(witnessed: WitnessedHead | None, offered: Sequence[SignedHead]) -> Sequence[SignedHead]:
    """Returns the new heads among those that auth-service has.

    Args:
        witnessed: The newest stored head; None before the first.
        offered: The heads of auth-service from that sequence number on.

    Raises:
        ChainContradicted: the stored head is missing, or differs.
    """
    sequences = [head.sequence for head in offered]
    if sequences != sorted(set(sequences)):
        raise ChainContradicted("heads of the audit are not in the order of their entries")
    if witnessed is None:
        return offered
    if not offered:
        raise ChainContradicted(
            f"the audit was cut off: entry {witnessed.sequence} was signed and witnessed, "
            "and auth-service has no signed head there or later"
        )
    first, *later = offered
    if first.sequence != witnessed.sequence:
        raise ChainContradicted(
            f"the head signed and witnessed at audit entry {witnessed.sequence} was removed"
        )
    if first.hash != witnessed.hash:
        raise ChainContradicted(
            f"the audit was rewritten: entry {witnessed.sequence} is not the one that was witnessed"
        )
    return later
