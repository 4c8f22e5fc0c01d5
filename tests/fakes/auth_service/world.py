"""Everything besides storage: hashing, tokens, user-service."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from uuid import UUID

from auth_service.domain.audit_client import AuditClient
from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailTaken, HashingOverloaded
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.mail import MailKind
from auth_service.domain.password import Strength
from auth_service.domain.session import RefreshToken
from auth_service.domain.tokens import AccessGrant, unix_milliseconds
from auth_service.domain.user import Role, User, UserState
from chassis.addresses import counted_as
from chassis.email_address import canonical_email
from chassis.errors import NotFound, TokenInvalid, Unavailable

from tests.fakes.auth_service.state import FakeClock
from tests.fakes.auth_service.unit_of_work import FakeUnitsOfWork


class FakePasswordHasher:
    """Keeps the password in the hash, for all to read. `generation` is what parameters are elsewhere."""

    def __init__(self, units: FakeUnitsOfWork) -> None:
        self.generation = 1
        self.verified: list[str | None] = []
        self.is_full = False
        self._units = units

    def admit(self) -> None:
        """Has room unless told otherwise."""
        if self.is_full:
            raise HashingOverloaded

    async def hash(self, password: str) -> str:
        """Returns the password in a wrapper."""
        assert self._units.open_connections == 0, "a connection was held across a hash"
        return f"{self.generation}:{password}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Says whether it is the password."""
        assert self._units.open_connections == 0, "a connection was held across a hash"
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
        """Lets everybody go on."""
        return nullcontext()

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns at once."""
        self.waits.append(seconds)


class AtOnce:
    """`Background` that does the work before the answer, for tests to see."""

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does the work."""
        await work()


class FakeTokenSigner:
    """Writes what is granted in clear."""

    def __init__(self) -> None:
        self.grants: list[AccessGrant] = []

    def sign(self, grant: AccessGrant) -> str:
        """Returns text that says what is granted."""
        self.grants.append(grant)
        return f"access {grant.session_id} {grant.role} {unix_milliseconds(grant.at)}"


class FakeRefreshTokens:
    """Writes session and counter in clear."""

    def write(self, token: RefreshToken) -> str:
        """Returns the token."""
        return f"{token.session_id}/{token.counter}"

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names."""
        session_id, slash, counter = text.partition("/")
        return RefreshToken(session_id=UUID(session_id), counter=int(counter)) if slash else None


class FakeThrottleKeys:
    """Names accounts and clients legibly."""

    def __call__(self, canonical_email: str, client_address: str) -> ThrottleKey:
        """Returns the names of an account and a client."""
        return ThrottleKey(account=canonical_email.encode(), client=counted_as(client_address).encode())

    def of(self, credential: Credential, client_address: str) -> ThrottleKey:
        """Returns the names of a credential's account and a client."""
        return self(canonical_email(credential.email or str(credential.user_id)), client_address)

    def of_second_factor(self, user_id: UUID) -> ThrottleKey:
        """Returns the name under which a user's wrong codes are counted."""
        return ThrottleKey(account=f"second factor {user_id}".encode(), client=b"")


class FakeMailTokens:
    """Writes in clear what a token stands for."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token."""
        return f"{kind}/{mail_id}/{user_id}/{canonical_email(email)}"

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token."""
        return token == self(kind, mail_id, user_id, email)


class FakeUserDirectory:
    """user-service in a dictionary; it asks for registrations as the real one does.

    Attributes:
        away: Whether it cannot be reached.
        admits: Whether it has the address free.
    """

    def __init__(self, units: FakeUnitsOfWork, clock: FakeClock) -> None:
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
        known = self.users.get(user_id)
        if known is not None and known.user is not None:
            return known.user
        async with self._units.statements() as unit:
            registration = await unit.credentials.pending(user_id)
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
        """Tells of a sign-in."""
        if not self.away:
            self.sign_ins.append((user_id, at))
        return not self.away

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Tells of a verified address."""
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
        assert self._units.open_connections == 0, "a connection was held across a call"
        if self.away:
            raise Unavailable
