"""Users and credentials to try repositories with."""

from datetime import UTC, datetime, timedelta

from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential, Registration
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.proof import PASSWORD
from auth_service.domain.session import Opening
from auth_service.domain.unit_of_work import UnitOfWork
from auth_service.domain.user import User
from chassis.identity.role import Role
from chassis.ids import uuid7

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GUESSES = ThrottleKey(b"account", b"client")


def a_registration(email: str = "Ada@Example.com", role: Role = Role.USER) -> Registration:
    """Returns a registration of a new user."""
    return Registration(user_id=uuid7(), email=email, full_name="Ada Lovelace", role=role)


def a_user(registration: Registration, email: str, role: Role = Role.USER, *, is_active: bool = True) -> User:
    """Returns the user of a registration, changed."""
    return User(
        user_id=registration.user_id,
        email=email,
        full_name="Ada King",
        role=role,
        is_active=is_active,
        email_verified=False,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        last_login_at=None,
        etag="",
    )


async def admitted(unit: UnitOfWork, email: str = "Ada@Example.com", role: Role = Role.USER) -> Credential:
    """Adds a credential that may sign in."""
    registration = a_registration(email, role)
    await unit.credentials.add_pending(registration, "hash")
    await unit.credentials.activate(registration.user_id)
    credential = await unit.credentials.by_id(registration.user_id)
    assert credential is not None
    return credential


async def opened(
    unit: UnitOfWork, credential: Credential, ip: str = "", user_agent: str = "", key: ThrottleKey = GUESSES
) -> Opening:
    """Opens a session for a credential."""
    entry = AuditEntry(
        occurred_at=LONG_AGO, action="auth.login", outcome="success", ip=ip, user_agent=user_agent
    )
    return await unit.sign_ins.open(uuid7(), credential, key, entry, PASSWORD)
