"""What is held about a user, in memory."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.export import (
    CredentialExport,
    MailTokenExport,
    SecondFactorExport,
)
from auth_service.domain.session import Session

from tests.fakes.auth_service.state import State


class FakeExports:
    """`ExportRepository` on a state. Second factors are a matter of SQL, and tested on it."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def credential(self, user_id: UUID) -> CredentialExport | None:
        """Returns a user's credential."""
        row = self._state.credentials.get(user_id)
        if row is None:
            return None
        return CredentialExport(
            email=row.credential.email,
            email_verified=row.credential.email_verified,
            role=row.credential.role,
            is_active=row.credential.is_active,
            created_at=row.created_at,
            password_changed_at=row.created_at,
        )

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Returns a user's sessions."""
        return [session for session in self._state.sessions.values() if session.user_id == user_id][::-1]

    async def second_factors(self, user_id: UUID) -> Sequence[SecondFactorExport]:
        """Returns none."""
        return []

    async def api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's API keys, the newest first."""
        return [key for key in self._state.api_keys.values() if key.user_id == user_id][::-1]

    async def mail_tokens(self, user_id: UUID) -> Sequence[MailTokenExport]:
        """Returns a user's tokens."""
        return [
            MailTokenExport(kind=row.kind, expires_at=row.expires_at)
            for row in sorted(self._state.mail_tokens.values(), key=lambda row: row.kind)
            if row.user_id == user_id
        ]

    async def wrong_passwords(self, account: bytes) -> Sequence[datetime]:
        """Returns when wrong passwords were sent for an account."""
        rows = [row for key, row in self._state.guesses.items() if key.account == account]
        return sorted(at for row in rows for at in row.failed_at)

    async def audit(self, user_id: UUID, below: int | None, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries by or about a user, the newest first."""
        found = [
            row
            for row in reversed(self._state.audit)
            if user_id in (row.entry.actor_id, row.entry.subject_id)
            and (below is None or row.sequence < below)
        ]
        return found[:limit]
