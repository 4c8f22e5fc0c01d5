"""Known devices: what fake and Postgres both promise."""

from auth_service.domain.device import DEVICES_MAX, NOTICES_MAX
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import admitted


async def test_the_first_device_is_no_news(units: UnitsOfWork) -> None:
    """Every other one is, once."""
    async with units.transaction() as unit:
        ada, bob = await admitted(unit), await admitted(unit, "bob@example.com")
        devices = unit.devices
        assert not await devices.is_known(ada.user_id, b"one")
        assert not await devices.add(ada.user_id, b"one")
        assert await devices.is_known(ada.user_id, b"one")
        assert not await devices.is_known(bob.user_id, b"one")
        assert await devices.add(ada.user_id, b"two")
        assert not await devices.add(ada.user_id, b"two")
        assert not await devices.add(ada.user_id, b"one")
        assert not await devices.add(bob.user_id, b"two")

        await devices.forget_all(ada.user_id)
        assert not await devices.is_known(ada.user_id, b"two")
        assert await devices.is_known(bob.user_id, b"two")
        assert not await devices.add(ada.user_id, b"two")


async def test_devices_are_bounded(units: UnitsOfWork) -> None:
    """In number, and mails about them in a day."""
    digests = [str(number).encode() for number in range(DEVICES_MAX + 5)]
    news = []
    async with units.transaction() as unit:
        ada = await admitted(unit)
    for digest in digests:
        async with units.transaction() as unit:
            news.append(await unit.devices.add(ada.user_id, digest))
    async with units.transaction() as unit:
        known = [await unit.devices.is_known(ada.user_id, digest) for digest in digests]

    assert news == [False, *[True] * NOTICES_MAX, *[False] * (len(digests) - NOTICES_MAX - 1)]
    assert sum(known) == DEVICES_MAX


async def test_users_who_are_gone_have_none(units: UnitsOfWork) -> None:
    """Erasing a user forgets them."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        await unit.devices.add(ada.user_id, b"one")
        await unit.devices.add(ada.user_id, b"two")
        await unit.credentials.erase(ada.user_id)
        assert not await unit.devices.is_known(ada.user_id, b"one")
        assert not await unit.devices.is_known(uuid7(), b"one")
