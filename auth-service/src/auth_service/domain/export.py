"""What is held about a user, for the user. Secrets are told of, not told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.email_change import FormerEmail
from auth_service.domain.mail import MailKind
from auth_service.domain.session import Session
from auth_service.domain.user import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialExport:
    """The credential.

    Attributes:
        email: None while an address taken over by somebody else awaits its successor.
    """

    email: str | None
    email_verified: bool
    role: Role
    is_active: bool
    created_at: datetime
    password_changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorExport:
    """A second factor.

    Attributes:
        kind: `totp`, `recovery_codes` or `passkey`.
        name: As the user called it; empty when it has none.
        count: Of recovery codes, how many are left; 1 otherwise.
    """

    kind: str
    name: str = ""
    is_confirmed: bool = True
    count: int = 1
    created_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTokenExport:
    """A token that was mailed and not used yet."""

    kind: MailKind
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountExport:
    """Everything but the audit chain."""

    credential: CredentialExport
    sessions: Sequence[Session]
    second_factors: Sequence[SecondFactorExport]
    api_keys: Sequence[ApiKey]
    waiting_mails: Sequence[MailKind]
    mail_tokens: Sequence[MailTokenExport]
    former_emails: Sequence[FormerEmail]
    wrong_passwords: Sequence[datetime]


class ExportRepository(Protocol):
    """Reads what no other use case asks for."""

    async def credential(self, user_id: UUID) -> CredentialExport | None:
        """Returns a user's credential."""
        ...

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Returns a user's sessions, ended ones as well, the newest first."""
        ...

    async def second_factors(self, user_id: UUID) -> Sequence[SecondFactorExport]:
        """Returns what else than the password proves who the user is."""
        ...

    async def api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's API keys, revoked ones as well, the newest first."""
        ...

    async def mail_tokens(self, user_id: UUID) -> Sequence[MailTokenExport]:
        """Returns a user's tokens that were mailed."""
        ...

    async def wrong_passwords(self, account: bytes) -> Sequence[datetime]:
        """Returns when wrong passwords were sent for an account."""
        ...

    async def audit(self, user_id: UUID, below: int | None, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries by or about a user, the newest first; with `below`, those before it."""
        ...
