"""What passkeys and their challenges promise."""

from dataclasses import replace
from datetime import timedelta

import pytest
from auth_service.domain.errors import PasskeyRegistered
from auth_service.domain.passkey import Ceremony, Challenge, NewPasskey, Signed
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import MINUTE, admitted

MADE = NewPasskey(
    credential_id=b"credential", public_key=b"key", sign_count=0, transports=("usb", "nfc"), is_backed_up=True
)


async def test_what_is_kept(units: UnitsOfWork) -> None:
    """A passkey is found by its user and by its credential id, and is as it was made."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        # Ids of one millisecond come in any order.
        first_id, second_id = sorted((uuid7(), uuid7()))
        added = await unit.passkeys.add(first_id, ada.user_id, "Phone", MADE)
        second = await unit.passkeys.add(second_id, ada.user_id, "Key", replace(MADE, credential_id=b"2"))

        assert (added.name, added.credential_id, added.public_key) == ("Phone", b"credential", b"key")
        assert (added.transports, added.is_backed_up, added.last_used_at) == (("usb", "nfc"), True, None)
        assert await unit.passkeys.of_user(ada.user_id) == [added, second]
        assert await unit.passkeys.by_credential_id(b"credential") == added
        assert await unit.passkeys.by_credential_id(b"another") is None
        assert not await unit.passkeys.of_user(uuid7())


async def test_a_credential_id_is_one_users(units: UnitsOfWork) -> None:
    """Whose it was first."""
    async with units.transaction() as unit:
        ada, bob = await admitted(unit), await admitted(unit, "bob@example.com")
        await unit.passkeys.add(uuid7(), ada.user_id, "Phone", MADE)
    with pytest.raises(PasskeyRegistered):
        async with units.transaction() as unit:
            await unit.passkeys.add(uuid7(), bob.user_id, "Phone", MADE)


@pytest.mark.parametrize(
    ("kept", "sent", "counts"),
    [(0, 0, True), (0, 5, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
async def test_counters_rise(units: UnitsOfWork, kept: int, sent: int, counts: bool) -> None:
    """Or stay at 0 for ever; what went back notes nothing."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        added = await unit.passkeys.add(uuid7(), ada.user_id, "Phone", replace(MADE, sign_count=kept))

        assert await unit.passkeys.use(added.id, Signed(sign_count=sent, is_backed_up=False)) is counts

        (now,) = await unit.passkeys.of_user(ada.user_id)
        assert now.sign_count == (sent if counts else kept)
        assert (now.last_used_at is not None, now.is_backed_up) == (counts, not counts)
        assert not await unit.passkeys.use(uuid7(), Signed(sign_count=9, is_backed_up=False))


async def test_removing(units: UnitsOfWork) -> None:
    """Takes one's own alone; erasing a user takes them all."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        first = await unit.passkeys.add(uuid7(), ada.user_id, "Phone", MADE)
        await unit.passkeys.add(uuid7(), ada.user_id, "Key", replace(MADE, credential_id=b"2"))

        assert not await unit.passkeys.remove(first.id, uuid7())
        assert await unit.passkeys.remove(first.id, ada.user_id)
        assert not await unit.passkeys.remove(first.id, ada.user_id)
        await unit.credentials.erase(ada.user_id)
        assert await unit.passkeys.by_credential_id(b"2") is None


async def test_challenges_are_spent_once_and_for_one_purpose(units: UnitsOfWork) -> None:
    """By the same user in the same session; not after their time."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        asked = Challenge(
            digest=b"1", ceremony=Ceremony.REGISTRATION, user_id=ada.user_id, session_id=uuid7()
        )
        stale = Challenge(digest=b"2", ceremony=Ceremony.SIGN_IN)
        await unit.passkeys.open_challenge(asked, MINUTE)
        await unit.passkeys.open_challenge(stale, timedelta(0))

        for other in (
            replace(asked, digest=b"3"),
            replace(asked, ceremony=Ceremony.SIGN_IN),
            replace(asked, session_id=uuid7()),
            replace(asked, user_id=None, session_id=None),
            stale,
        ):
            assert not await unit.passkeys.spend_challenge(other)
        assert await unit.passkeys.spend_challenge(asked)
        assert not await unit.passkeys.spend_challenge(asked)
