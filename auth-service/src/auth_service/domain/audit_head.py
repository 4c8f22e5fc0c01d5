"""Signed heads of the audit chain, and the walk that compares the chain with them.

The hashes alone show that an entry was altered, removed or inserted. They do not show that all hashes
after it were computed again, or that the newest entries were cut off: that contradicts a signed head,
which cannot be forged without the master key. An attacker with the database and the master key can
remove heads, or sign rewritten entries: that contradicts the witness (`audit_witness`).

What is signed, by ECDSA on P-256 with SHA-256, is the line `vestibule audit head 1`, a line
feed, and the JSON object of `at`, `hash`, `kid` and `sequence`: keys sorted, no white space,
the hash in hexadecimal digits, the time as in the chain's canonical form.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from chassis.dataclass import dataclass

from auth_service.domain.audit import BEGINNING, GENESIS, Anchor, ChainedEntry, chain_hash
from auth_service.domain.audit_witness import NOT_CONFIGURED, WitnessedHead

_PURPOSE = b"vestibule audit head 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """Proves which entry was the chain's newest at some time.

    Attributes:
        sequence: The entry's place.
        hash: The entry's hash.
        at: When it was signed.
        kid: The key that signed it.
        signature: In DER.
    """

    sequence: int
    hash: bytes
    at: datetime
    kid: str
    signature: bytes = b""


class HeadFault(Enum):
    """Why a signed head is invalid, whatever the chain holds."""

    UNKNOWN_KEY = "is signed by a key that is not ours"
    WRONG_SIGNATURE = "has a signature that is not its key's"


def statement(head: SignedHead) -> bytes:
    """Returns the bytes that the head's signature covers."""
    fields = {
        "at": head.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "hash": head.hash.hex(),
        "kid": head.kid,
        "sequence": head.sequence,
    }
    return _PURPOSE + json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


class ChainWalk:
    """Walks the chain entry by entry, and keeps the first problem.

    Attributes:
        sequence: Place of the last entry walked.
        hash: Its hash.
        events: Entries walked.
        heads: Valid heads met.
        signed_until: Place of the last valid head met.
        first_broken: Place of the first wrong entry; None without one.
        problem: What is wrong there; None without a problem.
    """

    __slots__ = (
        "_late",
        "_witnessed_until",
        "events",
        "first_broken",
        "hash",
        "heads",
        "newest_witnessed",
        "problem",
        "sequence",
        "signed_until",
    )

    def __init__(
        self, sequence: int = 0, previous: bytes = GENESIS, newest_witnessed: WitnessedHead | None = None
    ) -> None:
        """Begins after an entry.

        Args:
            sequence: The entry's place; 0 for the beginning of the chain.
            previous: Its hash.
            newest_witnessed: The newest head of the witness, when it could be asked.
        """
        self.newest_witnessed = newest_witnessed
        self._witnessed_until = sequence
        self._late: int | None = None
        self.sequence, self.hash = sequence, previous
        self.events = self.heads = 0
        self.signed_until = sequence
        self.first_broken: int | None = None
        self.problem: str | None = None

    def step(self, chained: ChainedEntry) -> None:
        """Goes on to the next entry."""
        expected = self.sequence + 1
        if chained.sequence != expected:
            self._broken(expected, f"entry {expected} was removed")
        elif chained.hash != chain_hash(self.hash, chained.sequence, chained.entry):
            self._broken(expected, f"entry {expected} was altered, or does not follow from the one before")
        elif not chained.entry.is_client_true:
            self._broken(expected, f"entry {expected} was altered: it commits to another client")
        self.sequence, self.hash = chained.sequence, chained.hash
        self.events += 1
        newest = self.newest_witnessed
        if self._late is None and newest is not None and self.sequence <= newest.sequence:
            # The witness saw another entry at this place. Clocks differ, so this only says where a
            # break that the hashes show begins.
            self._late = self.sequence if chained.entry.occurred_at > newest.at else None

    def meet(self, head: SignedHead, fault: HeadFault | None) -> None:
        """Compares the last entry walked with the head that was signed there."""
        if fault is not None:
            self._broken(head.sequence, f"the head signed at entry {head.sequence} {fault.value}")
        elif head.sequence != self.sequence:
            self._broken(head.sequence, f"entry {head.sequence} was removed: a head was signed there")
        elif head.hash != self.hash:
            first = self.signed_until + 1
            self._broken(
                first,
                f"entries from {first} to {head.sequence} were rewritten: the head signed there differs",
            )
        elif self.first_broken is None:
            self.heads += 1
            self.signed_until = head.sequence

    def meet_witnessed(self, head: WitnessedHead) -> None:
        """Compares the last entry walked with the head that was witnessed there."""
        if head.sequence != self.sequence:
            self._broken(head.sequence, f"entry {head.sequence} was removed: its head was witnessed")
        elif head.hash != self.hash:
            first = self._late or self._witnessed_until + 1
            entries = f"entries from {first} to {head.sequence}"
            self._broken(first, f"{entries} were rewritten or replaced: another head was witnessed there")
        else:
            self._witnessed_until, self._late = head.sequence, None

    def end_witnessed(self) -> None:
        """Ends the walk: checks that the witness knows no later entries."""
        newest = self.newest_witnessed
        if newest is None or newest.sequence <= self.sequence:
            return
        missing = self.sequence + 1
        problem = f"entries from {self._late or missing} to {newest.sequence} were cut off: "
        problem += f"the head of entry {newest.sequence} was witnessed"
        if self._late is not None:
            problem += f", and what stands before entry {missing} was written in their place"
        self._broken(self._late or missing, problem)

    def end(self, head: SignedHead | None) -> None:
        """Ends the walk, given the first head beyond the last entry, if there is one."""
        if head is not None:
            first = self.sequence + 1
            entries = f"entries from {first} to {head.sequence}"
            self._broken(first, f"{entries} were cut off: a head was signed there")

    def _broken(self, sequence: int, problem: str) -> None:
        if self.first_broken is None:
            self.first_broken, self.problem = sequence, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What walking the chain found.

    Attributes:
        after: The entry after which the chain begins; earlier ones were pruned.
        events: Entries walked.
        head: Hash of the last entry; None without any.
        first_broken: Sequence number of the first wrong entry; None without one.
        problem: What is wrong there; None without a problem.
        heads: Signed heads that the chain matches.
        signed_until: Sequence number of the last of them; 0 without one.
        witnessed: Place of the witness' newest head, 0 without any; None if the witness was not asked.
        unwitnessed: Why the chain was not compared with the witness; None if it was.
    """

    events: int
    head: bytes | None
    first_broken: int | None
    problem: str | None
    heads: int
    signed_until: int
    after: Anchor = BEGINNING
    witnessed: int | None = None
    unwitnessed: str | None = None

    @classmethod
    def of(cls, walk: ChainWalk, after: Anchor = BEGINNING, unwitnessed: str | None = None) -> "ChainReport":
        """Returns what a finished walk found."""
        newest = walk.newest_witnessed
        return cls(
            events=walk.events,
            head=walk.hash if walk.events else None,
            first_broken=walk.first_broken,
            problem=walk.problem,
            heads=walk.heads,
            signed_until=walk.signed_until,
            after=after,
            witnessed=None if unwitnessed is not None else 0 if newest is None else newest.sequence,
            unwitnessed=unwitnessed,
        )

    @property
    def intact(self) -> bool:
        """Whether every entry follows from the one before it and matches every head, the witness' too.

        A chain whose witness is unreachable is not known to be intact; without a configured witness
        `unwitnessed` says so.
        """
        return self.first_broken is None and self.unwitnessed in {None, NOT_CONFIGURED}


class HeadSigner(Protocol):
    """Signs heads of the audit chain."""

    def sign(self, sequence: int, chain_hash: bytes, at: datetime) -> SignedHead:
        """Returns the head of the chain, signed.

        Raises:
            Unavailable: there is no key yet.
        """
        ...


class HeadVerifier(Protocol):
    """Verifies signed heads by every key that ever signed."""

    async def verify(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns each head's fault; None for a valid one."""
        ...


class AuditHeadRepository(Protocol):
    """Stores the signed heads of the chain."""

    async def add(self, head: SignedHead) -> bool:
        """Stores a head, unless there is one at its place; says whether it did."""
        ...

    async def newest(self, *, signed_before: datetime | None = None) -> SignedHead | None:
        """Returns the head with the highest place, among those signed before a time."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[SignedHead]:
        """Returns the heads after a place, the lowest first."""
        ...
