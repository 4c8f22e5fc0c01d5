"""What is outside auth-service: passwords' cost, user-service, browsers, the audit witness."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from auth_service.domain.audit_head import SignedHead
from auth_service.domain.audit_witness import WitnessedHead
from auth_service.domain.errors import EmailTaken, HashingOverloaded
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.passkey import Assertion, NewPasskey, Passkey, Signed
from auth_service.domain.password import Strength
from auth_service.domain.user import User, UserState
from chassis.email_address import canonical_email
from chassis.errors import Invalid, NotFound, TokenInvalid, Unavailable
from chassis.identity.audit_client import AuditClient
from chassis.identity.role import Role

from tests.auth_service.clocked_postgres import ClockedUnitsOfWork
from tests.fakes.auth_service.clock import FakeClock


class FakePasswordHasher:
    """Keeps the password in the hash, for all to read. `generation` is what parameters are elsewhere."""

    def __init__(self, units: ClockedUnitsOfWork) -> None:
        self.generation = 1
        self.verified: list[str | None] = []
        self.is_full = False
        self._units = units

    def admit(self) -> None:
        """Has room unless `is_full`."""
        if self.is_full:
            raise HashingOverloaded

    async def hash(self, password: str) -> str:
        """Returns the password in a wrapper."""
        assert not self._units.holds_connection, "a connection was held across a hash"
        return f"{self.generation}:{password}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Says whether it is the password."""
        assert not self._units.holds_connection, "a connection was held across a hash"
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition(":")[2] == password

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash is of an older generation."""
        return password_hash.partition(":")[0] != str(self.generation)


class FakePasswordStrength:
    """Finds long passwords strong."""

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each."""
        return [Strength(4) if len(each) >= 10 else Strength(1, "use more words") for each in passwords]


class FakeLoginDelay:
    """Notes how long it would have waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Lets every login go on."""
        return nullcontext()

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns at once."""
        self.waits.append(seconds)


class AtOnce:
    """`AfterResponse` that does the work before the answer, for tests to see."""

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does the work."""
        await work()


class FakeUserDirectory:
    """user-service in a dictionary; it asks for registrations as the real one does.

    Attributes:
        away: Whether it cannot be reached.
        admits: Whether it has the address free.
    """

    def __init__(self, units: ClockedUnitsOfWork, clock: FakeClock) -> None:
        self.users: dict[UUID, UserState] = {}
        self.sign_ins: list[tuple[UUID, datetime]] = []
        self.verified: list[tuple[UUID, str]] = []
        self.audit_clients: dict[UUID, AuditClient] = {}
        self.away = False
        self._units = units
        self._clock = clock

    async def admit(self, user_id: UUID) -> User:
        """Turns a registration into a user."""
        self._reach()
        async with self._units.statements() as unit:
            registration = await unit.credentials.pending(user_id)
        # Looked for after the statement: a concurrent call may have admitted the user meanwhile.
        known = self.users.get(user_id)
        if known is not None and known.user is not None:
            return known.user
        if registration is None:
            raise NotFound
        if self._holder(registration.email) is not None:
            raise EmailTaken
        return self.put(
            user_id,
            registration.email,
            full_name=registration.full_name,
            role=registration.role,
            email_verified=registration.email_verified,
        )

    async def account(self, user_id: UUID) -> UserState | None:
        """Returns a user as they are now."""
        self._reach()
        return self.users.get(user_id)

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an audit event came from."""
        self._reach()
        return self.audit_clients.get(event_id)

    async def record_sign_in(self, user_id: UUID, at: datetime) -> bool:
        """Notes a sign-in."""
        if not self.away:
            self.sign_ins.append((user_id, at))
        return not self.away

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Notes a verified address."""
        self._reach()
        self.verified.append((user_id, email))

    async def confirm_email(self, user_id: UUID, email: str) -> None:
        """Makes the pending address, which was proven, the user's."""
        self._reach()
        user = self.users[user_id].user
        if user is None or email not in (user.email, user.pending_email):
            raise TokenInvalid
        holder = self._holder(email)
        if holder is not None and holder.user_id != user_id:
            raise EmailTaken
        if email != user.email:
            self.put(user_id, email, role=user.role, email_verified=True)

    async def restore_email(self, user_id: UUID, email: str) -> None:
        """Gives a user an address back that they had."""
        self._reach()
        self.put(user_id, email, email_verified=True)

    def put(
        self,
        user_id: UUID,
        email: str,
        *,
        full_name: str = "Ada Lovelace",
        role: Role = Role.USER,
        is_active: bool = True,
        email_verified: bool = False,
        pending_email: str | None = None,
    ) -> User:
        """Makes a user, or changes one."""
        user = User(
            user_id=user_id,
            email=email,
            full_name=full_name,
            role=role,
            is_active=is_active,
            email_verified=email_verified,
            created_at=self._clock.now(),
            updated_at=self._clock.now(),
            last_login_at=None,
            etag='"1-0"',
            pending_email=pending_email,
        )
        self.users[user_id] = UserState(version=self._version(user_id) + 1, user=user)
        return user

    def erase(self, user_id: UUID) -> None:
        """Erases a user."""
        self.users[user_id] = UserState(version=self._version(user_id) + 1, user=None)

    def _version(self, user_id: UUID) -> int:
        return self.users[user_id].version if user_id in self.users else 0

    def _holder(self, email: str) -> User | None:
        canonical = canonical_email(email)
        users = [account.user for account in self.users.values() if account.user]
        return next((each for each in users if canonical_email(each.email) == canonical), None)

    def _reach(self) -> None:
        assert not self._units.holds_connection, "a connection was held across a call"
        if self.away:
            raise Unavailable


class FakeRelyingParty:
    """Takes an answer that names challenge, credential and counter in clear; `by` is what signed it."""

    def challenge(self) -> bytes:
        """Returns a challenge."""
        return str(uuid4()).encode()

    def registration_options(
        self, user_id: UUID, account: str, challenge: bytes, known: Sequence[Passkey]
    ) -> Mapping[str, Any]:
        """Returns the options."""
        return {"challenge": challenge.decode(), "account": account, "known": len(known)}

    def sign_in_options(self, challenge: bytes) -> Mapping[str, Any]:
        """Returns the options."""
        return {"challenge": challenge.decode()}

    def challenge_in(self, attestation: Mapping[str, Any]) -> bytes:
        """Returns the challenge that an attestation says it answers."""
        return _member(attestation, "challenge")

    def attested(self, attestation: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Returns the passkey that an attestation is about."""
        if attestation.get("by") != attestation["id"]:
            raise Invalid.on("credential", "is not signed")
        return NewPasskey(
            credential_id=_member(attestation, "id"),
            public_key=b"key",
            sign_count=attestation.get("count", 0),
        )

    def assertion(self, assertion: Mapping[str, Any]) -> Assertion:
        """Returns what an assertion says."""
        return Assertion(
            credential_id=_member(assertion, "id"),
            user_handle=assertion["user"].bytes,
            challenge=_member(assertion, "challenge"),
        )

    def signed(
        self, assertion: Mapping[str, Any], challenge: bytes, passkey: Passkey | None
    ) -> Signed | None:
        """Returns what the passkey signed."""
        if passkey is None or assertion.get("by") != passkey.credential_id.decode():
            return None
        return Signed(sign_count=assertion.get("count", 0), is_backed_up=False)


def _member(answer: Mapping[str, Any], name: str) -> bytes:
    value = answer.get(name)
    if not isinstance(value, str):
        raise Invalid.on("credential", "is malformed")
    return value.encode()


@dataclass
class FakeAuditWitness:
    """`AuditWitness` in a dictionary.

    Attributes:
        away: Whether it cannot be asked.
        asked: How often it was asked for its newest head.
    """

    away: bool = False
    asked: int = 0
    _heads: dict[int, WitnessedHead] = field(default_factory=dict)

    def see(self, *heads: SignedHead) -> None:
        """Takes heads down, as health-aggregator does every few seconds."""
        for head in heads:
            seen = WitnessedHead(sequence=head.sequence, hash=head.hash, at=head.at)
            self._heads.setdefault(head.sequence, seen)

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place."""
        self.asked += 1
        self._answer()
        return self._heads[max(self._heads)] if self._heads else None

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads beyond a place."""
        self._answer()
        return [self._heads[place] for place in sorted(self._heads) if place > sequence][:limit]

    def _answer(self) -> None:
        if self.away:
            raise Unavailable
