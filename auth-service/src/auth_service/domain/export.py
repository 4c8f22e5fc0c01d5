"""What is stored about a user, for the user's own export: secrets are listed, not revealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.email_change import FormerEmail
from auth_service.domain.mail import MailKind
from auth_service.domain.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialExport:
    """The credential.

    Attributes:
        email: None after another user took the address over, until the new one is copied.
    """

    email: str | None
    email_verified: bool
    role: Role
    is_active: bool
    created_at: datetime
    password_changed_at: datetime
    accept_language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorExport:
    """A second factor.

    Attributes:
        kind: `totp`, `recovery_codes` or `passkey`.
        name: The user's name for it; empty without one.
        count: The recovery codes left; 1 for other kinds.
    """

    kind: str
    name: str = ""
    is_confirmed: bool = True
    count: int = 1
    created_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTokenExport:
    """A mailed token that is not used yet."""

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
    """Reads what only the export needs."""

    async def credential(self, user_id: UUID) -> CredentialExport | None:
        """Returns a user's credential."""
        ...

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Returns a user's sessions, ended ones as well, the newest first."""
        ...

    async def second_factors(self, user_id: UUID) -> Sequence[SecondFactorExport]:
        """Returns authenticators, recovery codes and passkeys."""
        ...

    async def api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's API keys, revoked ones as well, the newest first."""
        ...

    async def mail_tokens(self, user_id: UUID) -> Sequence[MailTokenExport]:
        """Returns a user's mailed tokens."""
        ...

    async def wrong_passwords(self, account: bytes) -> Sequence[datetime]:
        """Returns the times of wrong passwords for an account."""
        ...

    async def audit(self, user_id: UUID, below: int | None, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries by or about a user, the newest first; with `below`, those before it."""
        ...
