"""What the use cases need from the world, besides what is kept (`stores.py`)."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from auth_service.domain.audit_client import AuditClient
from auth_service.domain.audit_head import HeadFault, SignedHead
from auth_service.domain.credential import Account, Credential, Person
from auth_service.domain.guessing import GuessKey
from auth_service.domain.password import Strength
from auth_service.domain.session import RefreshToken
from auth_service.domain.signing_key import SigningKey
from auth_service.domain.tokens import AccessGrant


class PasswordHasher(Protocol):
    """Hashes passwords beside the event loop; refuses at once when too many wait.

    Every method raises `HashingOverloaded` when they do.
    """

    def admit(self) -> None:
        """Returns when there is room for another password now: asked first, so that refusing costs little."""
        ...

    async def hash(self, password: str) -> str:
        """Returns a salted hash in PHC string format."""
        ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Says whether it is the password; None costs the same time and is never right."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with lesser parameters than today's."""
        ...


class PasswordStrength(Protocol):
    """Estimates how hard passwords are to guess, beside the event loop."""

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each, for a guesser who knows the terms."""
        ...


class BreachedPasswords(Protocol):
    """A set of passwords that are known from data breaches."""

    async def __call__(self, password: str) -> bool:
        """Says whether the password is in the set; no when the set cannot be asked, which is counted."""
        ...


class Patience(Protocol):
    """Holds guesses back, without a connection or a place in the hashing pool.

    Waiting places are bounded for each account and each client, so that those who guess at one
    account take no place from others, nor from a client that has not tried yet.
    """

    def turn(self, key: GuessKey) -> AbstractAsyncContextManager[None]:
        """Lets no more guesses of one client at one account be under way than it has.

        The others wait for their turn, since the password of those before them may be right.

        Raises:
            TooManyAttempts: too many wait for their turn already.
        """
        ...

    async def __call__(self, seconds: float, key: GuessKey, *, is_first: bool) -> None:
        """Returns after that time; at once for 0.

        Args:
            seconds: How long.
            key: The account and the client.
            is_first: Whether the client tries for the first time: then it is never refused.

        Raises:
            TooManyAttempts: too many wait at this account, or everywhere.
        """
        ...


class DeviceTokens(Protocol):
    """Tokens by which an account knows browsers that have signed in to it (OWASP's device cookies).

    Such a browser has guesses of its own, as few as anyone, and does not wait because of others'.
    A token names nobody, is of no use at another account, and ends with the password it was issued for.
    """

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in.

        Args:
            account: The account, as `GuessKey` names it.
            password_hash: Its password's hash.
        """
        ...

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the client's name for `GuessKey`; None when the token is not of this account."""
        ...

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that the token was issued for."""
        ...


class Afterwards(Protocol):
    """Does work that an answer need not wait for, and must not tell of by its time."""

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Returns at once. The work is dropped, and counted, when too much is left to do."""
        ...


class TokenSigner(Protocol):
    """Signs access tokens."""

    def sign(self, grant: AccessGrant) -> str:
        """Returns a JWT that says what is granted.

        Raises:
            Unavailable: there is no key yet.
        """
        ...


class RefreshTokens(Protocol):
    """Makes and reads refresh tokens."""

    def write(self, token: RefreshToken) -> str:
        """Returns the token as clients keep it; the same one for the same session and counter."""
        ...

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names; None when we did not make it."""
        ...


class KeySealer(Protocol):
    """Makes key pairs and keeps their private halves under the master key."""

    def generate(self, at: datetime, active_from: datetime | None = None) -> SigningKey:
        """Returns a new key, published from then on, and active from then on or from later."""
        ...

    def attest(self, key: SigningKey) -> bytes:
        """Returns what shows for ever, to whoever has the master key, that the public half is ours.

        Raises:
            MasterKeyMismatch: the key was sealed under another master key.
        """
        ...

    def check(self, key: SigningKey) -> None:
        """Opens the key's private half.

        Raises:
            MasterKeyMismatch: it was sealed under another master key.
        """
        ...


class HeadSigner(Protocol):
    """Signs heads of the audit chain."""

    def sign(self, sequence: int, chain_hash: bytes, at: datetime) -> SignedHead:
        """Returns the head of the chain, signed.

        Raises:
            Unavailable: there is no key yet.
        """
        ...


class HeadJudge(Protocol):
    """Judges signed heads of the audit chain by every key that ever signed."""

    async def judge(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns what is wrong with each head by itself."""
        ...


class PublishedKeys(Protocol):
    """Knows the keys that verify tokens now."""

    def published(self) -> Sequence[SigningKey]:
        """Returns them, the newest first."""
        ...


class Authenticator(Protocol):
    """Authenticates access tokens against Postgres."""

    async def authenticate(self, token: str) -> object:
        """Returns when the token is good now.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: Postgres cannot be reached.
        """
        ...


class GuessKeys(Protocol):
    """Names accounts and clients illegibly."""

    def __call__(self, canonical_email: str, client_address: str) -> GuessKey:
        """Returns the names of an account and a client."""
        ...

    def of(self, credential: Credential, client_address: str) -> GuessKey:
        """Returns the names of a credential's account and a client."""
        ...

    def of_second_factor(self, user_id: UUID) -> GuessKey:
        """Returns the name under which a person's wrong codes are counted, by whichever client."""
        ...


class UserDirectory(Protocol):
    """user-service, which decides who there is."""

    async def admit(self, user_id: UUID) -> Person:
        """Turns a registration into a person; answers the same when it is one already.

        Raises:
            EmailTaken: somebody has the address.
            NotFound: there is no such registration.
            Unavailable: user-service cannot be asked.
        """
        ...

    async def account(self, user_id: UUID) -> Account | None:
        """Returns a person as they are now; None for an id that was never a person's.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        ...

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an audit event of user-service's came from; None once that is erased.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        ...

    async def record_sign_in(self, user_id: UUID, at: datetime) -> bool:
        """Tells of a sign-in; says whether it was heard in a short time."""
        ...

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Tells that an address was shown to be a person's.

        Raises:
            Unavailable: user-service cannot be told in a short time.
        """
        ...

    async def confirm_email(self, user_id: UUID, email: str) -> None:
        """Makes the pending address, which was proven, the user's.

        Raises:
            EmailTaken: another user has it by now.
            TokenInvalid: it is not pending any more.
            Unavailable: user-service cannot be asked, or is of a release that does not know how.
        """
        ...

    async def restore_email(self, user_id: UUID, email: str) -> None:
        """Gives a user an address back that they had, proven, with none pending.

        Raises:
            EmailTaken: another user has it by now.
            Unavailable: user-service cannot be asked.
        """
        ...
