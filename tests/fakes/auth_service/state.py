"""What is kept, and the time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.credential import Credential
from auth_service.domain.email_change import FormerEmail
from auth_service.domain.events import Event
from auth_service.domain.idempotency import IdempotencyKey, IdempotencyRecord
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.mail import MailKind
from auth_service.domain.passkey import Challenge as PasskeyChallenge
from auth_service.domain.passkey import Passkey
from auth_service.domain.second_factor import Authenticator, PendingSignIn
from auth_service.domain.session import Session
from auth_service.domain.signing_key import RetiredKey, SigningKey
from auth_service.domain.tokens import Revocation


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, time: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        """Returns the present moment in UTC."""
        return self.time

    def advance(self, wait: timedelta) -> None:
        """Moves on."""
        self.time += wait


@dataclass
class CredentialRow:
    """A row of the table `credentials`."""

    credential: Credential
    canonical: str | None
    full_name: str | None
    created_at: datetime


@dataclass
class GuessRow:
    """A row of the table `sign_in_failures`."""

    failed_at: list[datetime] = field(default_factory=list)
    blocked_until: datetime | None = None


@dataclass
class MailRow:
    """A row of the table `mails`."""

    kind: MailKind
    user_id: UUID
    due_at: datetime
    queued_at: datetime
    attempts: int = 0


@dataclass
class MailTokenRow:
    """A row of the table `mailed_tokens`."""

    user_id: UUID
    kind: MailKind
    digest: bytes
    queued_at: datetime
    expires_at: datetime


@dataclass
class IdempotencyRow:
    """A row of the table `attempts`."""

    record: IdempotencyRecord
    key: IdempotencyKey
    leased_until: datetime


@dataclass
class State:
    """What is kept: copied when a transaction begins, put back when it fails."""

    credentials: dict[UUID, CredentialRow] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    revocations: list[Revocation] = field(default_factory=list)
    unended_revocations: list[Revocation] = field(default_factory=list)
    guesses: dict[ThrottleKey, GuessRow] = field(default_factory=dict)
    audit: list[ChainedEntry] = field(default_factory=list)
    audit_heads: dict[int, SignedHead] = field(default_factory=dict)
    signing_keys: list[SigningKey] = field(default_factory=list)
    retired_keys: list[RetiredKey] = field(default_factory=list)
    authenticators: dict[UUID, Authenticator] = field(default_factory=dict)
    recovery_codes: dict[UUID, set[bytes]] = field(default_factory=dict)
    challenges: dict[bytes, PendingSignIn] = field(default_factory=dict)
    passkeys: dict[UUID, Passkey] = field(default_factory=dict)
    passkey_challenges: dict[PasskeyChallenge, datetime] = field(default_factory=dict)
    api_keys: dict[UUID, ApiKey] = field(default_factory=dict)
    devices: dict[tuple[UUID, bytes], datetime] = field(default_factory=dict)
    attempts: dict[bytes, IdempotencyRow] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    mails: dict[UUID, MailRow] = field(default_factory=dict)
    mail_tokens: dict[UUID, MailTokenRow] = field(default_factory=dict)
    pending_emails: dict[UUID, str] = field(default_factory=dict)
    former_emails: dict[UUID, FormerEmail] = field(default_factory=dict)
    restored_emails: dict[UUID, str] = field(default_factory=dict)
    mail_targets: dict[bytes, list[datetime]] = field(default_factory=dict)
