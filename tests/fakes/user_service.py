"""What is outside of user-service: auth-service's accounts, and the time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.errors import Unavailable
from user_service.domain.accounts import Registration
from user_service.domain.export import AccountData, AuditData, AuditPage


class FakeClock:
    """A clock that moves only when advanced."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def now(self) -> datetime:
        """Returns the current time in UTC."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeAccounts:
    """`Accounts` in memory.

    Attributes:
        waiting: Registrations, by id.
        passwords: By id.
        synced: Ids in the order of their syncs.
        refused: Ids of dropped registrations.
        audit_events_kept: Number of audit entries of each user.
        down: Whether auth-service cannot be reached.
    """

    waiting: dict[UUID, Registration] = field(default_factory=dict)
    passwords: dict[UUID, str] = field(default_factory=dict)
    synced: list[UUID] = field(default_factory=list)
    refused: list[UUID] = field(default_factory=list)
    audit_events_kept: int = 3
    down: bool = False

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a pending registration."""
        self._require_up()
        return self.waiting.get(user_id)

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration."""
        self._require_up()
        self.waiting.pop(user_id, None)
        self.refused.append(user_id)

    async def sync(self, user_id: UUID) -> None:
        """Records the sync."""
        self._require_up()
        self.synced.append(user_id)

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the user's."""
        self._require_up()
        return self.passwords.get(user_id) == password

    async def export(self, user_id: UUID) -> AccountData:
        """Returns a placeholder."""
        self._require_up()
        return AccountData(f"account of {user_id}")

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns entries, represented by numbers."""
        self._require_up()
        newest = self.audit_events_kept if below is None else below - 1
        entries = [AuditData(number) for number in range(newest, max(0, newest - page_size), -1)]
        full = len(entries) == page_size
        return AuditPage(entries, next_below=newest - page_size + 1 if full else None)

    def _require_up(self) -> None:
        if self.down:
            raise Unavailable
