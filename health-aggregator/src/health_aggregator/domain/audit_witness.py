"""The witness of the audit chain: what was signed is kept here, and what contradicts it is named.

auth-service signs the newest entry of its chain again and again. This service keeps those heads in a
schema that none of auth-service's database roles can write, so the owner of the chain cannot cut it off
or rewrite it, heads and all, without the chain disagreeing with what is kept here.

What is signed is the line `vestibule audit head 1`, a line feed, and the JSON object of `at`, `hash`,
`kid` and `sequence`: keys sorted, no white space, the hash in hexadecimal digits, the time in RFC 3339
UTC with six digits of a second and `Z`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_PURPOSE = b"vestibule audit head 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadKey:
    """The public key that a head was signed with: coordinates of a point on P-256, base64url."""

    kid: str
    x: str
    y: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """Says that the chain's newest entry at some time was this one.

    Attributes:
        sequence: The entry's place.
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
    """A head as it was when it was first seen."""

    sequence: int
    hash: bytes
    at: datetime
    witnessed_at: datetime


class ChainContradicted(Exception):
    """The audit chain is not what was witnessed; the message says what is missing or differs, in words."""


class AuditHeadSource(Protocol):
    """Knows the heads that auth-service has signed."""

    async def heads(self, from_sequence: int) -> Sequence[SignedHead]:
        """Returns heads at this place and beyond it, the lowest first; not all when there are many.

        Raises:
            ChainContradicted: auth-service itself finds something wrong at the end of the chain.
            Unavailable: auth-service cannot be asked.
        """
        ...


class WitnessStore(Protocol):
    """Keeps heads for good: they are added and read, never changed."""

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place.

        Raises:
            Unavailable: the store cannot be reached.
        """
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads beyond a place, the lowest first.

        Raises:
            Unavailable: the store cannot be reached.
        """
        ...

    async def add(self, head: SignedHead, witnessed_at: datetime) -> bytes:
        """Keeps a head, if it is the first one at its place; returns the hash that is kept there.

        Raises:
            Unavailable: the store cannot be reached.
        """
        ...


class HeadVerifier(Protocol):
    """Verifies signatures of heads."""

    def verify(self, head: SignedHead) -> bool:
        """Says whether the head's key signed it, and its `kid` is the key's thumbprint."""
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
    """Returns the heads that are new, of those that auth-service has from the witnessed one on.

    Args:
        witnessed: The newest head that is kept; None before the first.
        offered: What auth-service has at its place and beyond it.

    Raises:
        ChainContradicted: the witnessed head is not there any more, or is another one.
    """
    places = [head.sequence for head in offered]
    if places != sorted(set(places)):
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
