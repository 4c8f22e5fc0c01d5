"""Sign-ins in memory, on the other fakes."""

from uuid import UUID

from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import ThrottleKey, ThrottleState
from auth_service.domain.proof import Methods
from auth_service.domain.session import IDLE, LockedSession, Opening, Session

from tests.fakes.auth_service.audit import FakeAuditTrail
from tests.fakes.auth_service.credentials import FakeCredentials
from tests.fakes.auth_service.guesses import FakeLoginThrottle
from tests.fakes.auth_service.state import FakeClock, State


class FakeSignIns:
    """`SignInRepository` on the others."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._clock = clock
        self._throttle = FakeLoginThrottle(state, clock)

    async def look_up(self, canonical: str, key: ThrottleKey) -> tuple[ThrottleState, Credential | None]:
        """Counts a guess; returns what is held and the credential."""
        credential = await FakeCredentials(self._state, self._clock).by_email(canonical)
        return await self._throttle.reserve(key), credential

    async def open(
        self, session_id: UUID, proven: Credential, key: ThrottleKey | None, entry: AuditEntry, amr: Methods
    ) -> Opening:
        """Opens a session, forgives and appends the entry, or none of it."""
        blocked_for = (await self._throttle.state(key)).blocked_for if key else None
        if blocked_for is not None:
            return Opening(blocked_for=blocked_for)
        row = self._state.credentials.get(proven.user_id)
        if row is None or row.credential.is_pending or not row.credential.is_active:
            return Opening()
        if row.credential.password_hash != proven.password_hash or (
            row.credential.second_factor != proven.second_factor
        ):
            return Opening()
        at = self._clock.now()
        session = Session(
            id=session_id,
            user_id=proven.user_id,
            counter=0,
            rotated_at=at,
            created_at=at,
            last_used_at=at,
            expires_at=at + IDLE,
            ended_at=None,
            ip=entry.ip,
            user_agent=entry.user_agent,
            by_passkey=key is None,
            auth_time=at,
            amr=amr,
        )
        self._state.sessions[session_id] = session
        if key is not None:
            await self._throttle.reset(key)
        await FakeAuditTrail(self._state).append(entry)
        role, guarded = row.credential.role, row.credential.second_factor or session.by_passkey
        return Opening(locked=LockedSession(session=session, role=role, at=at, guarded=guarded))
