"""What auth-service keeps about people and their sessions; mails are in `mail_repositories.py`.

Repositories are bound to one connection and come in a `Stores`. None of them calls another
service or hashes a password, so a connection is never held for longer than its SQL takes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.audit import AuditEntry, AuditFilter, ChainedEntry
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.credential import Credential, Person, Registration
from auth_service.domain.events import Event
from auth_service.domain.guessing import GuessKey, GuessRecord
from auth_service.domain.proof import Methods
from auth_service.domain.session import Opening, Session, Standing
from auth_service.domain.signing_key import RetiredKey, SigningKey


class CredentialRepository(Protocol):
    """Keeps one credential a person; canonical addresses are unique."""

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        ...

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a person's credential."""
        ...

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a person's credential and keeps everybody else from changing or using it."""
        ...

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Keeps a registration until it is admitted or dropped.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted."""
        ...

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the people whose registrations wait since before that time, the oldest first."""
        ...

    async def drop_pending(self, user_id: UUID) -> bool:
        """Drops a registration; says whether there was one."""
        ...

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential; says whether there was one."""
        ...

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from whoever holds it but `keeper`: drops a registration, empties a copy.

        Returns:
            The person whose copy has been emptied.
        """
        ...

    async def copy(self, person: Person, version: int) -> None:
        """Makes the credential equal to the person, and active if it was pending.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Exchanges the password's hash if it is still the old one."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes a person's credential with everything that hangs on it."""
        ...

    async def has_admin(self) -> bool:
        """Whether an admitted, active admin exists."""
        ...


class SignInRepository(Protocol):
    """What a sign-in reads and writes, in as few steps as can be."""

    async def look_up(self, canonical: str, key: GuessKey) -> tuple[GuessRecord, Credential | None]:
        """Counts a guess before it is made, and returns what is held and the credential.

        That is `GuessRepository.reserve` and the credential with the address, in one step.
        """
        ...

    async def open(
        self, session_id: UUID, judged: Credential, key: GuessKey | None, entry: AuditEntry, amr: Methods
    ) -> Opening:
        """Opens a session, forgives the client's wrong guesses and appends the entry, or none of it.

        Args:
            session_id: The session's id.
            judged: The credential as it was when it was found proven.
            key: The account and the client; None for a passkey, which cannot be guessed.
            entry: Of the sign-in; address and User-Agent of the session are its.
            amr: How the user has proved who they are.
        """
        ...


class SessionRepository(Protocol):
    """Keeps sessions, one row each."""

    async def lock(self, session_id: UUID) -> Standing | None:
        """Locks a session's credential against change and the session for a change.

        Returns:
            None when there is no such session, or its person may not sign in.
        """
        ...

    async def rotate(self, session: Session, at: datetime, expires_at: datetime) -> bool:
        """Raises the counter by one if it is still the session's; says whether it was."""
        ...

    async def renew(self, session: Session) -> None:
        """Keeps when an open, locked session was used, until when it lasts and how it is proven."""
        ...

    async def end(self, session_id: UUID, user_id: UUID) -> bool:
        """Ends a person's open session; says whether it was one."""
        ...

    async def end_all(
        self, user_id: UUID, *, but: UUID | None = None, used_since: datetime
    ) -> Sequence[UUID]:
        """Ends a person's open sessions.

        Args:
            user_id: The person.
            but: The session that goes on.
            used_since: Name only sessions used since then: older ones have no living token.

        Returns:
            The sessions ended, as far as `used_since` asks for them.
        """
        ...

    async def end_every(
        self, opened_until: datetime, *, but: UUID, limit: int, used_since: datetime
    ) -> tuple[int, Sequence[UUID]]:
        """Ends up to `limit` open sessions of whomever; returns how many, and which had living tokens."""
        ...

    async def is_open(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a user's session goes on."""
        ...

    async def open_sessions(self, user_id: UUID, limit: int, offset: int = 0) -> Sequence[Session]:
        """Returns a person's open sessions, the newest first."""
        ...

    async def count_open(self, user_id: UUID) -> int:
        """Returns how many open sessions a user has."""
        ...

    async def allows(self, session_id: UUID, user_id: UUID, issued_at: datetime) -> bool:
        """Whether an access token of the session, issued then, has not been revoked."""
        ...


class GuessRepository(Protocol):
    """Counts wrong passwords by account and client."""

    async def record(self, key: GuessKey) -> GuessRecord:
        """Returns what is held against the client and the account now."""
        ...

    async def reserve(self, key: GuessKey) -> GuessRecord:
        """Counts a guess before it is made, if the client has one left, and returns what is held.

        Of guesses at the same time no more are counted than a client has.
        """
        ...

    async def confirm(self, key: GuessKey) -> None:
        """Blocks the client when its guesses are used up; to be called when one was wrong."""
        ...

    async def release(self, key: GuessKey, counted_at: datetime) -> None:
        """Takes back a guess that was counted and not made."""
        ...

    async def note_failure(self, key: GuessKey) -> GuessRecord:
        """Counts a wrong guess, and blocks the client when it has made too many."""
        ...

    async def forgive(self, key: GuessKey) -> timedelta | None:
        """Forgets the client's failures, unless it is blocked: then returns for how long."""
        ...

    async def erase(self, account: bytes) -> None:
        """Forgets everything about an account."""
        ...


class AuditTrail(Protocol):
    """The hash chain. Appending comes last in a transaction: it holds the chain's lock."""

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the head of the chain; does nothing when its id is there already."""
        ...

    async def page(
        self, wanted: AuditFilter, *, limit: int, offset: int = 0, below: int | None = None
    ) -> Sequence[ChainedEntry]:
        """Returns entries, the newest first; with `below`, those with a smaller sequence."""
        ...

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries the filter lets through."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries that follow a sequence, the oldest first."""
        ...

    async def prune(self, through: int) -> int:
        """Removes every entry up to a signed head's, and the heads before it; says how many entries.

        Raises:
            Forbidden: the role of the serving process may not.
        """
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


class SigningKeyRepository(Protocol):
    """Keeps the signing keys, their private halves sealed."""

    async def all(self) -> Sequence[SigningKey]:
        """Returns every key, the oldest first."""
        ...

    async def lock(self) -> None:
        """Keeps every other instance from adding keys until the end of the transaction."""
        ...

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        ...

    async def end(self, key: SigningKey) -> None:
        """Keeps when the JWKS stops showing a key."""
        ...

    async def retire(self, key: RetiredKey) -> None:
        """Destroys a key's private half and keeps its public half for ever."""
        ...

    async def retired(self) -> Sequence[RetiredKey]:
        """Returns every retired key, the oldest first."""
        ...


class Outbox(Protocol):
    """Where events are written in the transaction of the change they tell of."""

    async def append(self, event: Event) -> None:
        """Writes an event; it is delivered at least once if the transaction commits."""
        ...


class Retention(Protocol):
    """Deletes what has served its time, a small batch at a time."""

    async def purge(self, limit: int) -> int:
        """Deletes up to `limit` rows of each kind; returns how many it deleted."""
        ...
