"""What second factors promise, in memory and on Postgres."""

import asyncio

import pytest
from auth_service.domain.second_factor import CHALLENGE_LIFETIME, Authenticator
from auth_service.domain.unit_of_work import Database, Stores
from chassis.ids import uuid7

from tests.contract.auth_service.builders import admitted


async def _guarded(stores: Stores) -> Authenticator:
    ada = await admitted(stores)
    await stores.second_factors.begin(ada.user_id, b"sealed")
    await stores.second_factors.confirm(ada.user_id, 7, [b"1", b"2"])
    found = await stores.second_factors.authenticator(ada.user_id)
    assert found is not None
    return found


async def test_a_secret_counts_once_confirmed(database: Database) -> None:
    """Until then a new one takes its place; afterwards none does."""
    async with database.transaction() as stores:
        ada = (await admitted(stores)).user_id
        factors = stores.second_factors
        assert await factors.authenticator(ada) is None
        assert await factors.begin(ada, b"first")
        assert await factors.begin(ada, b"second")
        assert await factors.authenticator(ada) == Authenticator(user_id=ada, sealed_secret=b"second")
        assert not await factors.advance(ada, 9)

        await factors.confirm(ada, 7, [b"1"])

        confirmed = Authenticator(user_id=ada, sealed_secret=b"second", last_step=7, is_confirmed=True)
        assert await factors.authenticator(ada) == confirmed
        assert not await factors.begin(ada, b"third")
        credential = await stores.credentials.by_id(ada)
        assert credential is not None
        assert credential.second_factor


@pytest.mark.parametrize(("step", "counts"), [(6, False), (7, False), (8, True)])
async def test_steps_only_advance(database: Database, step: int, counts: bool) -> None:
    """A step counts once, and none before it."""
    async with database.transaction() as stores:
        guarded = await _guarded(stores)

        assert await stores.second_factors.advance(guarded.user_id, step) is counts
        assert not await stores.second_factors.advance(guarded.user_id, step)


async def test_one_of_many_wins_a_step(database: Database) -> None:
    """Also when they come at the same time; the same holds for a recovery code."""
    async with database.transaction() as stores:
        ada = (await _guarded(stores)).user_id

    async def advance() -> bool:
        async with database.transaction() as stores:
            return await stores.second_factors.advance(ada, 8)

    async def recover() -> bool:
        async with database.transaction() as stores:
            return await stores.second_factors.spend_recovery_code(ada, b"1")

    for attempt in (advance, recover):
        assert sorted(await asyncio.gather(*(attempt() for _ in range(8)))) == [False] * 7 + [True]


async def test_recovery_codes_are_their_persons(database: Database) -> None:
    """Each once."""
    async with database.transaction() as stores:
        ada = (await _guarded(stores)).user_id

        assert not await stores.second_factors.spend_recovery_code(uuid7(), b"1")
        assert not await stores.second_factors.spend_recovery_code(ada, b"3")
        assert await stores.second_factors.spend_recovery_code(ada, b"1")
        assert not await stores.second_factors.spend_recovery_code(ada, b"1")
        assert await stores.second_factors.spend_recovery_code(ada, b"2")


async def test_challenges(database: Database) -> None:
    """Last five minutes and are closed once; turning the second factor off ends them."""
    async with database.transaction() as stores:
        ada = (await _guarded(stores)).user_id
        await stores.second_factors.challenge(b"first", ada, "hash")
        await stores.second_factors.challenge(b"second", ada, "hash")
        found = await stores.second_factors.pending(b"first")
        assert found is not None
        waiting, at = found
        assert (waiting.user_id, waiting.password_hash) == (ada, "hash")
        assert abs((waiting.expires_at - at - CHALLENGE_LIFETIME).total_seconds()) < 60

        assert await stores.second_factors.close(b"first")
        assert not await stores.second_factors.close(b"first")
        assert await stores.second_factors.pending(b"first") is None
        assert await stores.second_factors.remove(ada)
        assert await stores.second_factors.pending(b"second") is None
        assert not await stores.second_factors.remove(ada)
