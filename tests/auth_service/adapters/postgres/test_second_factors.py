"""What second factors promise."""

import asyncio

import pytest
from auth_service.domain.second_factor import CHALLENGE_LIFETIME, Authenticator
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import admitted


async def _guarded(unit: UnitOfWork) -> Authenticator:
    ada = await admitted(unit)
    await unit.second_factors.begin(ada.user_id, b"sealed")
    await unit.second_factors.confirm(ada.user_id, 7, [b"1", b"2"])
    found = await unit.second_factors.authenticator(ada.user_id)
    assert found is not None
    return found


async def test_a_secret_counts_once_confirmed(units: UnitsOfWork) -> None:
    """Until then a new one takes its place; afterwards none does."""
    async with units.transaction() as unit:
        ada = (await admitted(unit)).user_id
        factors = unit.second_factors
        assert await factors.authenticator(ada) is None
        assert await factors.begin(ada, b"first")
        assert await factors.begin(ada, b"second")
        assert await factors.authenticator(ada) == Authenticator(user_id=ada, sealed_secret=b"second")
        assert not await factors.advance(ada, 9)

        await factors.confirm(ada, 7, [b"1"])

        confirmed = Authenticator(user_id=ada, sealed_secret=b"second", last_step=7, is_confirmed=True)
        assert await factors.authenticator(ada) == confirmed
        assert not await factors.begin(ada, b"third")
        credential = await unit.credentials.by_id(ada)
        assert credential is not None
        assert credential.second_factor


@pytest.mark.parametrize(("step", "counts"), [(6, False), (7, False), (8, True)])
async def test_steps_only_advance(units: UnitsOfWork, step: int, counts: bool) -> None:
    """A step counts once, and none before it."""
    async with units.transaction() as unit:
        guarded = await _guarded(unit)

        assert await unit.second_factors.advance(guarded.user_id, step) is counts
        assert not await unit.second_factors.advance(guarded.user_id, step)


async def test_one_of_many_wins_a_step(units: UnitsOfWork) -> None:
    """Also when they come at the same time; the same holds for a recovery code."""
    async with units.transaction() as unit:
        ada = (await _guarded(unit)).user_id

    async def advance() -> bool:
        async with units.transaction() as unit:
            return await unit.second_factors.advance(ada, 8)

    async def recover() -> bool:
        async with units.transaction() as unit:
            return await unit.second_factors.spend_recovery_code(ada, b"1")

    for attempt in (advance, recover):
        assert sorted(await asyncio.gather(*(attempt() for _ in range(8)))) == [False] * 7 + [True]


async def test_recovery_codes_are_their_users(units: UnitsOfWork) -> None:
    """Each once."""
    async with units.transaction() as unit:
        ada = (await _guarded(unit)).user_id

        assert not await unit.second_factors.spend_recovery_code(uuid7(), b"1")
        assert not await unit.second_factors.spend_recovery_code(ada, b"3")
        assert await unit.second_factors.spend_recovery_code(ada, b"1")
        assert not await unit.second_factors.spend_recovery_code(ada, b"1")
        assert await unit.second_factors.spend_recovery_code(ada, b"2")


async def test_challenges(units: UnitsOfWork) -> None:
    """Last five minutes and are closed once; turning the second factor off ends them."""
    async with units.transaction() as unit:
        ada = (await _guarded(unit)).user_id
        await unit.second_factors.challenge(b"first", ada, "hash")
        await unit.second_factors.challenge(b"second", ada, "hash")
        found = await unit.second_factors.pending(b"first")
        assert found is not None
        waiting, at = found
        assert (waiting.user_id, waiting.password_hash) == (ada, "hash")
        assert abs((waiting.expires_at - at - CHALLENGE_LIFETIME).total_seconds()) < 60

        assert await unit.second_factors.close(b"first")
        assert not await unit.second_factors.close(b"first")
        assert await unit.second_factors.pending(b"first") is None
        assert await unit.second_factors.remove(ada)
        assert await unit.second_factors.pending(b"second") is None
        assert not await unit.second_factors.remove(ada)
