"""What API keys promise."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.api_key import ApiKey
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import a_registration, a_user, admitted

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def a_key(user_id: UUID, prefix: str = "vst_a", created_at: datetime = NOW, digest: bytes = b"d") -> ApiKey:
    """Returns a key."""
    return ApiKey(
        id=uuid7(),
        user_id=user_id,
        name="report",
        scopes=("read",),
        prefix=prefix,
        digest=digest,
        created_at=created_at,
        expires_at=NOW + timedelta(days=1),
    )


async def test_kept_as_given(units: UnitsOfWork) -> None:
    """And found by its prefix, with its user and the time."""
    async with units.transaction() as unit:
        ada = await admitted(unit, role=Role.ADMIN)
        key = a_key(ada.user_id)
        await unit.api_keys.add(key)

    async with units.statements() as unit:
        holder = await unit.api_keys.find("vst_a")
        assert holder is not None
        assert (holder.key, holder.role, holder.is_active) == (key, Role.ADMIN, True)
        assert holder.read_at.tzinfo is not None
        assert await unit.api_keys.by_id(key.id) == key
        assert await unit.api_keys.find("vst_b") is None
        assert await unit.api_keys.by_id(uuid7()) is None


async def test_a_users_keys(units: UnitsOfWork) -> None:
    """One's own, the newest first, none that was revoked; the export has those too."""
    async with units.transaction() as unit:
        ada, bob = await admitted(unit), await admitted(unit, "bob@example.com")
        old, new = a_key(ada.user_id), a_key(ada.user_id, "vst_b", NOW + timedelta(seconds=1))
        revoked = a_key(ada.user_id, "vst_c", NOW + timedelta(seconds=2))
        for key in (old, new, revoked, a_key(bob.user_id, "vst_d")):
            await unit.api_keys.add(key)
        assert await unit.api_keys.revoke(revoked.id, ada.user_id)

    async with units.statements() as unit:
        assert await unit.api_keys.of_user(ada.user_id) == [new, old]
        exported = await unit.exports.api_keys(ada.user_id)
        assert [key.id for key in exported] == [revoked.id, new.id, old.id]
        assert exported[0].revoked_at is not None


async def test_revoked_once_by_its_user(units: UnitsOfWork) -> None:
    """Another's, an unknown one and one that was revoked are not there."""
    async with units.transaction() as unit:
        ada, bob = await admitted(unit), await admitted(unit, "bob@example.com")
        key = a_key(ada.user_id)
        await unit.api_keys.add(key)

    async with units.statements() as unit:
        assert not await unit.api_keys.revoke(key.id, bob.user_id)
        assert not await unit.api_keys.revoke(uuid7(), ada.user_id)
        assert await unit.api_keys.revoke(key.id, ada.user_id)
        assert not await unit.api_keys.revoke(key.id, ada.user_id)
        holder = await unit.api_keys.find(key.prefix)
        assert holder is not None
        assert holder.key.revoked_at is not None


async def test_use_is_noted(units: UnitsOfWork) -> None:
    """The second within a minute changes nothing."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        key = a_key(ada.user_id)
        await unit.api_keys.add(key)

    async with units.statements() as unit:
        await unit.api_keys.note_use(key.id)
        first = await unit.api_keys.by_id(key.id)
        await unit.api_keys.note_use(key.id)
        assert first is not None
        assert first.last_used_at is not None
        assert await unit.api_keys.by_id(key.id) == first


async def test_follows_its_user(units: UnitsOfWork) -> None:
    """Role and activity are the user's; with the user it goes."""
    registration = a_registration()
    async with units.transaction() as unit:
        await unit.credentials.add_pending(registration, "hash")
        await unit.api_keys.add(a_key(registration.user_id))
        changed = a_user(registration, "ada@example.com", Role.ADMIN, is_active=False)
        await unit.credentials.copy(changed, 1)
        holder = await unit.api_keys.find("vst_a")
        assert holder is not None
        assert (holder.role, holder.is_active) == (Role.ADMIN, False)
        await unit.credentials.erase(registration.user_id)

    async with units.statements() as unit:
        assert await unit.api_keys.find("vst_a") is None
        assert not await unit.exports.api_keys(registration.user_id)
