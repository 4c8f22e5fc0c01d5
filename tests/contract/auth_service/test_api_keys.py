"""What API keys promise, in memory and on Postgres."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.api_key import ApiKey
from auth_service.domain.unit_of_work import Database
from auth_service.domain.user import Role
from chassis.ids import uuid7

from tests.contract.auth_service.builders import a_person, a_registration, admitted

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


async def test_kept_as_given(database: Database) -> None:
    """And found by its prefix, with its person and the time."""
    async with database.transaction() as stores:
        ada = await admitted(stores, role=Role.ADMIN)
        key = a_key(ada.user_id)
        await stores.api_keys.add(key)

    async with database.statements() as stores:
        holder = await stores.api_keys.find("vst_a")
        assert holder is not None
        assert (holder.key, holder.role, holder.is_active) == (key, Role.ADMIN, True)
        assert holder.read_at.tzinfo is not None
        assert await stores.api_keys.by_id(key.id) == key
        assert await stores.api_keys.find("vst_b") is None
        assert await stores.api_keys.by_id(uuid7()) is None


async def test_a_persons_keys(database: Database) -> None:
    """One's own, the newest first, none that was revoked; the export has those too."""
    async with database.transaction() as stores:
        ada, bob = await admitted(stores), await admitted(stores, "bob@example.com")
        old, new = a_key(ada.user_id), a_key(ada.user_id, "vst_b", NOW + timedelta(seconds=1))
        revoked = a_key(ada.user_id, "vst_c", NOW + timedelta(seconds=2))
        for key in (old, new, revoked, a_key(bob.user_id, "vst_d")):
            await stores.api_keys.add(key)
        assert await stores.api_keys.revoke(revoked.id, ada.user_id)

    async with database.statements() as stores:
        assert await stores.api_keys.of_person(ada.user_id) == [new, old]
        exported = await stores.exports.api_keys(ada.user_id)
        assert [key.id for key in exported] == [revoked.id, new.id, old.id]
        assert exported[0].revoked_at is not None


async def test_revoked_once_by_its_person(database: Database) -> None:
    """Another's, an unknown one and one that was revoked are not there."""
    async with database.transaction() as stores:
        ada, bob = await admitted(stores), await admitted(stores, "bob@example.com")
        key = a_key(ada.user_id)
        await stores.api_keys.add(key)

    async with database.statements() as stores:
        assert not await stores.api_keys.revoke(key.id, bob.user_id)
        assert not await stores.api_keys.revoke(uuid7(), ada.user_id)
        assert await stores.api_keys.revoke(key.id, ada.user_id)
        assert not await stores.api_keys.revoke(key.id, ada.user_id)
        holder = await stores.api_keys.find(key.prefix)
        assert holder is not None
        assert holder.key.revoked_at is not None


async def test_use_is_noted(database: Database) -> None:
    """The second within a minute changes nothing."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        key = a_key(ada.user_id)
        await stores.api_keys.add(key)

    async with database.statements() as stores:
        await stores.api_keys.note_use(key.id)
        first = await stores.api_keys.by_id(key.id)
        await stores.api_keys.note_use(key.id)
        assert first is not None
        assert first.last_used_at is not None
        assert await stores.api_keys.by_id(key.id) == first


async def test_follows_its_person(database: Database) -> None:
    """Role and activity are the person's; with the person it goes."""
    registration = a_registration()
    async with database.transaction() as stores:
        await stores.credentials.add_pending(registration, "hash")
        await stores.api_keys.add(a_key(registration.user_id))
        changed = a_person(registration, "ada@example.com", Role.ADMIN, is_active=False)
        await stores.credentials.copy(changed, 1)
        holder = await stores.api_keys.find("vst_a")
        assert holder is not None
        assert (holder.role, holder.is_active) == (Role.ADMIN, False)
        await stores.credentials.erase(registration.user_id)

    async with database.statements() as stores:
        assert await stores.api_keys.find("vst_a") is None
        assert not await stores.exports.api_keys(registration.user_id)
