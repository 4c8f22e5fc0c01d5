"""Signed heads of the audit chain, and the walk that holds the chain against them.

The chain alone tells of an entry that was altered, removed or put in between. It cannot tell
of somebody who computes every hash after such an entry anew, or cuts the newest entries off:
that contradicts a head, which nobody signs who has not the master key. Heads can be taken away or
signed anew with their entries by somebody who has the database and the key: that contradicts the
witness (`audit_witness`).

What is signed, by ECDSA on P-256 with SHA-256, is the line `vestibule audit head 1`, a line
feed, and the JSON object of `at`, `hash`, `kid` and `sequence`: keys sorted, no white space,
the hash in hexadecimal digits, the time as in the chain's canonical form.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from auth_service.domain.audit import BEGINNING, GENESIS, Anchor, ChainedEntry, chain_hash
from auth_service.domain.audit_witness import NOT_CONFIGURED, WitnessedHead

_PURPOSE = b"vestibule audit head 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """Says that the chain's newest entry at some time was this one.

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
    """What is wrong with a signed head by itself."""

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
    """Walks the chain entry by entry, and remembers the first thing that is not as it must be.

    Attributes:
        sequence: Place of the last entry walked.
        hash: Its hash.
        events: Entries walked.
        heads: Good heads met.
        signed_until: Place of the last good head met.
        first_broken: Place of the first entry that is not what it was; None while all are.
        problem: What is wrong there, in words; None while nothing is.
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
            # It stands where another stood when the witness looked. Clocks differ, so this only
            # says where a break that is found by hashes begins.
            self._late = self.sequence if chained.entry.occurred_at > newest.at else None

    def meet(self, head: SignedHead, fault: HeadFault | None) -> None:
        """Holds the entry just walked against the head that was signed there."""
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
        """Holds the entry just walked against the head that was witnessed there."""
        if head.sequence != self.sequence:
            self._broken(head.sequence, f"entry {head.sequence} was removed: its head was witnessed")
        elif head.hash != self.hash:
            first = self._late or self._witnessed_until + 1
            entries = f"entries from {first} to {head.sequence}"
            self._broken(first, f"{entries} were rewritten or replaced: another head was witnessed there")
        else:
            self._witnessed_until, self._late = head.sequence, None

    def end_witnessed(self) -> None:
        """Ends the walk where the witness knows of later entries."""
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
        """Ends the walk; takes the first head that lies beyond the last entry."""
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
        after: The entry after which the chain begins, in place of all that have served their time.
        events: Entries walked.
        head: Hash of the last entry that is there; None when there is none.
        first_broken: Sequence of the first entry that is not what it was; None when all are.
        problem: What is wrong there, in words; None when nothing is.
        heads: Signed heads that the chain agrees with.
        signed_until: Sequence of the last of them; 0 without one.
        witnessed: Place of the newest head of the witness, 0 before the first; None when not asked.
        unwitnessed: Why the chain was not held against its witness, in words; None when it was.
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
        """Returns what a walk found that is over."""
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
        """Whether every entry follows from the one before it, and agrees with every head.

        That of the witness as well: a chain whose witness cannot be asked is not known to be intact.
        Where there is none, `unwitnessed` says so.
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
    """Judges signed heads of the audit chain by every key that ever signed."""

    async def verify(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns what is wrong with each head by itself."""
        ...


class AuditHeadRepository(Protocol):
    """Keeps the signed heads of the chain."""

    async def add(self, head: SignedHead) -> bool:
        """Keeps a head; says whether it is the first one at its place."""
        ...

    async def newest(self, *, signed_before: datetime | None = None) -> SignedHead | None:
        """Returns the head with the highest place, of those signed before a time."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[SignedHead]:
        """Returns heads beyond a place, the lowest first."""
        ...
