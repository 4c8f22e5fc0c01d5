"""What sessions and revocations promise."""

from datetime import UTC, datetime, timedelta

from auth_service.domain.audit import GENESIS, audited, chain_hash
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.proof import PASSWORD, passkey
from auth_service.domain.session import IDLE, Opening
from auth_service.domain.tokens import unix_milliseconds
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import (
    GUESSES,
    LONG_AGO,
    MINUTE,
    a_registration,
    a_user,
    admitted,
    opened,
)


async def test_a_session_opens_for_what_was_verified(units: UnitsOfWork) -> None:
    """With its entry in the trail; not when password or activity have changed since."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        locked = (await opened(unit, ada, "192.0.2.1", "agent")).locked
        assert locked is not None
        session = locked.session
        assert (locked.role, session.counter, session.ended_at) == (Role.USER, 0, None)
        assert session.expires_at == locked.at + IDLE
        assert (session.ip, session.user_agent) == ("192.0.2.1", "agent")
        (chained,) = await unit.audit.after(0, 10)
        assert (chained.entry.action, chained.hash) == (
            "auth.login",
            chain_hash(GENESIS, 1, chained.entry),
        )

        locked = await unit.sessions.lock(session.id)
        assert locked is not None
        assert locked.session == session
        await unit.credentials.replace_hash(ada.user_id, "hash", "newer")
        assert await opened(unit, ada) == Opening()
        assert len(await unit.audit.after(0, 10)) == 1


async def test_a_session_has_two_factors(units: UnitsOfWork) -> None:
    """One of a passkey always; one of a password when the user has a second factor by now."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        by_password = (await opened(unit, ada)).locked
        entry = audited(Caller(), LONG_AGO, "auth.login")
        by_passkey = (await unit.sign_ins.open(uuid7(), ada, None, entry, passkey(is_backed_up=False))).locked
        assert by_password is not None
        assert by_passkey is not None
        assert (by_password.has_two_factors, by_passkey.has_two_factors) == (False, True)

        async def stand() -> list[bool]:
            locked = [await unit.sessions.lock(each.session.id) for each in (by_password, by_passkey)]
            return [each is not None and each.has_two_factors for each in locked]

        assert await stand() == [False, True]
        await unit.second_factors.begin(ada.user_id, b"sealed")
        await unit.second_factors.confirm(ada.user_id, 1, [])
        assert await stand() == [True, True]


async def test_opening_forgives_a_client_that_is_not_blocked(units: UnitsOfWork) -> None:
    """A client that used up its attempts meanwhile opens nothing."""
    blocked = ThrottleKey(b"account", b"blocked")
    async with units.transaction() as unit:
        ada = await admitted(unit)
        await unit.login_throttle.count_failure(GUESSES)
        for _ in range(5):
            await unit.login_throttle.count_failure(blocked)

        assert (await opened(unit, ada)).locked is not None
        refused = await opened(unit, ada, key=blocked)

        assert refused.locked is None
        assert refused.blocked_for is not None
        assert timedelta(minutes=14) < refused.blocked_for <= timedelta(minutes=15)
        assert (await unit.login_throttle.state(GUESSES)).failures == 5
        assert len(await unit.audit.after(0, 10)) == 1
        assert len(await unit.sessions.open_sessions(ada.user_id, 10)) == 1


async def test_opening_forgives_the_address_of_a_device_too(units: UnitsOfWork) -> None:
    """In one statement, which takes the lock of the audit chain last; a blocked address stays blocked."""
    address, blocked = ThrottleKey(GUESSES.account, b"address"), ThrottleKey(GUESSES.account, b"blocked")
    async with units.transaction() as unit:
        ada = await admitted(unit)
        for _ in range(5):
            await unit.login_throttle.count_failure(blocked)
        for other in (address, blocked):
            await unit.login_throttle.count_failure(GUESSES)
            await unit.login_throttle.count_failure(address)
            entry = audited(Caller(), LONG_AGO, "auth.login")
            opening = await unit.sign_ins.open(uuid7(), ada, GUESSES, entry, PASSWORD, other_key=other)
            assert opening.locked is not None

        state = unit.login_throttle.state
        assert (await state(blocked)).blocked_for is not None
        assert (await state(address)).failures == 5 + 1, "of the second round, and of the blocked client"


async def test_access_tokens_are_refused_once_every_session_is_revoked(units: UnitsOfWork) -> None:
    """At once, not when the sessions have ended; the session that is kept goes on."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        kept, other = (await opened(unit, ada)).locked, (await opened(unit, ada)).locked
        assert kept is not None
        assert other is not None
        issued_at = other.at

        async def are_allowed() -> list[bool]:
            sessions = (kept.session.id, other.session.id)
            return [await unit.sessions.allows(each, ada.user_id, issued_at) for each in sessions]

        assert await are_allowed() == [True, True]
        await unit.revocations.of_every_session(kept.session.id, sessions_ended=False)
        assert await are_allowed() == [True, False]
        later = issued_at + timedelta(seconds=1)
        assert await unit.sessions.allows(other.session.id, ada.user_id, later)


async def test_one_look_finds_credential_and_guesses(units: UnitsOfWork) -> None:
    """Known or not."""
    blocked = ThrottleKey(b"account", b"blocked")
    async with units.transaction() as unit:
        ada = await admitted(unit)
        look_up = unit.sign_ins.look_up
        first, credential = await look_up("ada@example.com", GUESSES)
        second, unknown = await look_up("bob@example.com", GUESSES)
        assert (credential, unknown) == (ada, None)
        assert (first.failures, first.is_first, first.blocked_for) == (0, True, None)
        assert (second.failures, second.is_first, second.blocked_for) == (1, False, None)
        assert first.counted_at is not None
        assert second.counted_at is not None

        for _ in range(5):
            await unit.login_throttle.count_failure(blocked)

        third, _ = await look_up("bob@example.com", GUESSES)
        assert third.failures == 7
        record, _ = await look_up("ada@example.com", blocked)
        assert record.counted_at is None
        assert record.blocked_for is not None


async def test_inactive_and_pending_users_have_no_session(units: UnitsOfWork) -> None:
    """Neither opens one nor uses one."""
    ada, bob = a_registration("a@example.com"), a_registration("b@example.com")
    async with units.transaction() as unit:
        await unit.credentials.add_pending(ada, "hash")
        await unit.credentials.add_pending(bob, "hash")
        await unit.credentials.activate(ada.user_id)
        active = await unit.credentials.by_id(ada.user_id)
        waiting = await unit.credentials.by_id(bob.user_id)
        assert active is not None
        assert waiting is not None
        locked = (await opened(unit, active)).locked
        assert locked is not None

        await unit.credentials.copy(a_user(ada, "a@example.com", is_active=False), 1)

        assert await unit.sessions.lock(locked.session.id) is None
        assert await opened(unit, active) == Opening()
        assert await opened(unit, waiting) == Opening()


async def test_rotating_is_compare_and_swap(units: UnitsOfWork) -> None:
    """Once for each counter."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        locked = (await opened(unit, ada)).locked
        assert locked is not None
        at, expires_at = locked.at + MINUTE, locked.at + 2 * MINUTE

        assert await unit.sessions.rotate(locked.session, at, expires_at)
        assert not await unit.sessions.rotate(locked.session, at, expires_at)

        rotated = await unit.sessions.lock(locked.session.id)
        assert rotated is not None
        session = rotated.session
        assert (session.counter, session.rotated_at, session.expires_at) == (1, at, expires_at)
        assert session.last_used_at == at


async def test_sessions_end_once_and_for_their_user_only(units: UnitsOfWork) -> None:
    """And are not listed any more."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        standings = [(await opened(unit, ada)).locked for _ in range(4)]
        ids = [locked.session.id for locked in standings if locked]

        assert not await unit.sessions.end(ids[0], uuid7())
        assert await unit.sessions.end(ids[0], ada.user_id)
        assert not await unit.sessions.end(ids[0], ada.user_id)
        listed = await unit.sessions.open_sessions(ada.user_id, 10)
        assert {session.id for session in listed} == set(ids[1:])
        assert len(await unit.sessions.open_sessions(ada.user_id, 2)) == 2

        ended = await unit.sessions.end_all(ada.user_id, but=ids[3], used_since=LONG_AGO)
        assert set(ended) == set(ids[1:3])
        (left,) = await unit.sessions.open_sessions(ada.user_id, 10)
        assert left.id == ids[3]
        future = datetime(2100, 1, 1, tzinfo=UTC)
        assert not await unit.sessions.end_all(ada.user_id, used_since=future)
        assert not await unit.sessions.open_sessions(ada.user_id, 10)


async def test_everybodys_sessions_end_but_one(units: UnitsOfWork) -> None:
    """In batches; those opened later stay. The revocation counts until its sessions have ended too."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        standings = [(await opened(unit, ada)).locked for _ in range(4)]
        kept, *others = [locked.session.id for locked in standings if locked]
        revocation = await unit.revocations.of_every_session(kept, sessions_ended=False)
        assert (revocation.every_session, revocation.kept_session_id) == (True, kept)

        until = revocation.issued_until
        end_every, future = unit.sessions.end_every, datetime(2100, 1, 1, tzinfo=UTC)
        assert await end_every(LONG_AGO, but=kept, limit=10, used_since=LONG_AGO) == (0, [])
        count, living = await end_every(until, but=kept, limit=2, used_since=LONG_AGO)
        assert (count, set(living) < set(others)) == (2, True)
        assert await end_every(until, but=kept, limit=2, used_since=future) == (1, [])
        assert await unit.sessions.is_open(kept, ada.user_id)
        assert not await unit.sessions.is_open(kept, uuid7())
        assert not any([await unit.sessions.is_open(each, ada.user_id) for each in others])
        assert await unit.sessions.count_open(ada.user_id) == 1

        assert await unit.revocations.unended() == [revocation]
        await unit.revocations.note_ended(revocation)
        assert await unit.revocations.unended() == []
        in_force, _ = await unit.revocations.in_force(LONG_AGO)
        assert revocation in in_force


async def test_what_is_revoked_is_not_allowed(units: UnitsOfWork) -> None:
    """A session's tokens by its end, a user's by the time of their issue."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        one = (await opened(unit, ada)).locked
        two = (await opened(unit, ada)).locked
        assert one is not None
        assert two is not None
        sessions = unit.sessions
        assert await sessions.allows(one.session.id, ada.user_id, one.at)
        assert not await sessions.allows(one.session.id, uuid7(), one.at)
        assert not await sessions.allows(uuid7(), ada.user_id, one.at)

        await sessions.end(one.session.id, ada.user_id)
        of_session = await unit.revocations.of_session(one.session.id)
        assert not await sessions.allows(one.session.id, ada.user_id, one.at)
        assert await sessions.allows(two.session.id, ada.user_id, two.at)

        of_user = await unit.revocations.of_user(ada.user_id)
        assert not await sessions.allows(two.session.id, ada.user_id, two.at)
        assert await sessions.allows(two.session.id, ada.user_id, of_user.issued_until + MINUTE)

        in_force, read_at = await unit.revocations.in_force(LONG_AGO)
        assert set(in_force) == {of_session, of_user}
        assert read_at >= of_user.issued_until


async def test_revocations_since_a_time(units: UnitsOfWork) -> None:
    """Those of the minute before are among them: they may have been committed after it."""
    async with units.transaction() as unit:
        one, of_all = await unit.revocations.of_user(uuid7()), uuid7()
        every = await unit.revocations.of_every_session(of_all, sessions_ended=True)
        for since, found in ((every.issued_until, {one, every}), (every.issued_until + 2 * MINUTE, set())):
            in_force, _ = await unit.revocations.in_force(since)
            assert set(in_force) == found


async def test_the_next_token_is_of_a_later_millisecond(units: UnitsOfWork) -> None:
    """Or a sign-in right after a revocation would be refused."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        revocation = await unit.revocations.of_user(ada.user_id)
        locked = (await opened(unit, ada)).locked

        assert locked is not None
        assert unix_milliseconds(locked.at) > unix_milliseconds(revocation.issued_until)
