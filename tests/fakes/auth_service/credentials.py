"""Credentials in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.user import Role, User
from chassis.email_address import canonical_email

from tests.fakes.auth_service.audit import without_client
from tests.fakes.auth_service.state import CredentialRow, FakeClock, State


class FakeCredentials:
    """`CredentialRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.credentials
        self._sessions = state.sessions
        self._passkeys = state.passkeys
        self._devices = state.devices
        self._api_keys = state.api_keys
        self._mail_tokens = state.mail_tokens
        self._audit = state.audit
        self._pending_emails = state.pending_emails
        self._former_emails = state.former_emails
        self._clock = clock

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        return next((row.credential for row in self._rows.values() if row.canonical == canonical), None)

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential."""
        row = self._rows.get(user_id)
        return row.credential if row else None

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential; the fake's transactions are one at a time anyway."""
        return await self.by_id(user_id)

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Keeps a registration."""
        canonical = canonical_email(registration.email)
        if await self.by_email(canonical) is not None:
            raise EmailTaken
        credential = Credential(
            user_id=registration.user_id,
            email=registration.email,
            password_hash=password_hash,
            role=registration.role,
            is_pending=True,
            email_verified=registration.email_verified,
            is_invited=registration.is_invited,
        )
        self._rows[registration.user_id] = CredentialRow(
            credential, canonical, registration.full_name, self._clock.now()
        )

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits."""
        row = self._rows.get(user_id)
        if row is None or not row.credential.is_pending or row.full_name is None:
            return None
        assert row.credential.email is not None
        return Registration(
            user_id=user_id,
            email=row.credential.email,
            full_name=row.full_name,
            role=row.credential.role,
            email_verified=row.credential.email_verified,
        )

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the users whose registrations wait since before that time."""
        waiting = [
            (row.created_at, user_id)
            for user_id, row in self._rows.items()
            if row.credential.is_pending and row.created_at < before
        ]
        return [user_id for _, user_id in sorted(waiting)][:limit]

    async def drop_pending(self, user_id: UUID) -> bool:
        """Drops a registration."""
        row = self._rows.get(user_id)
        if row is None or not row.credential.is_pending:
            return False
        del self._rows[user_id]
        return True

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential."""
        row = self._rows.get(user_id)
        if row is None or not row.credential.is_pending:
            return False
        row.credential, row.full_name = replace(row.credential, is_pending=False), None
        return True

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from whoever holds it but `keeper`."""
        for user_id, row in list(self._rows.items()):
            if row.canonical != canonical or user_id == keeper:
                continue
            if row.credential.is_pending:
                del self._rows[user_id]
                return None
            row.canonical, row.credential = None, replace(row.credential, email=None, version=0)
            return user_id
        return None

    async def copy(self, user: User, version: int) -> None:
        """Makes the credential equal to the user."""
        row = self._rows.get(user.user_id)
        if row is None:
            return
        canonical = canonical_email(user.email)
        holder = await self.by_email(canonical)
        if holder is not None and holder.user_id != user.user_id:
            raise EmailTaken
        row.canonical, row.full_name = canonical, None
        stays = row.credential.email_verified and row.credential.email == user.email
        row.credential = replace(
            row.credential,
            email=user.email,
            role=user.role,
            is_active=user.is_active,
            is_pending=False,
            version=version,
            email_verified=user.email_verified or stays,
        )

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Exchanges the password's hash if it is still the old one."""
        row = self._rows.get(user_id)
        if row is None or row.credential.password_hash != old_hash:
            return False
        row.credential = replace(row.credential, password_hash=new_hash, is_invited=False)
        return True

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's credential and sessions."""
        self._rows.pop(user_id, None)
        for key in [known for known, row in self._mail_tokens.items() if row.user_id == user_id]:
            del self._mail_tokens[key]
        self._pending_emails.pop(user_id, None)
        for mail_id in [key for key, former in self._former_emails.items() if former.user_id == user_id]:
            del self._former_emails[mail_id]
        for session in [each for each in self._sessions.values() if each.user_id == user_id]:
            del self._sessions[session.id]
        for device in [known for known in self._devices if known[0] == user_id]:
            del self._devices[device]
        for passkey in [each for each in self._passkeys.values() if each.user_id == user_id]:
            del self._passkeys[passkey.id]
        for api_key in [each for each in self._api_keys.values() if each.user_id == user_id]:
            del self._api_keys[api_key.id]
        for place, row in enumerate(self._audit):
            if (row.entry.actor_id or row.entry.subject_id) == user_id:
                self._audit[place] = replace(row, entry=without_client(row.entry))

    async def has_admin(self) -> bool:
        """Whether an admitted, active admin exists."""
        return any(
            row.credential.role is Role.ADMIN and row.credential.is_active and not row.credential.is_pending
            for row in self._rows.values()
        )
