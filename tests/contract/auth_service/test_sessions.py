"""What sessions and revocations promise, in memory and on Postgres."""

from datetime import UTC, datetime

from auth_service.domain.credential import Role
from auth_service.domain.session import IDLE
from auth_service.domain.stores import Database
from auth_service.domain.tokens import unix_milliseconds
from chassis.ids import uuid7

from tests.contract.auth_service.builders import LONG_AGO, MINUTE, a_person, a_registration, admitted


async def test_a_session_opens_for_what_was_judged(database: Database) -> None:
    """Not when password or activity have changed since."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        session_id = uuid7()
        standing = await stores.sessions.open(session_id, ada, "192.0.2.1", "agent")
        assert standing is not None
        session = standing.session
        assert (standing.role, session.counter, session.ended_at) == (Role.USER, 0, None)
        assert session.expires_at == standing.at + IDLE
        assert (session.ip, session.user_agent) == ("192.0.2.1", "agent")

        locked = await stores.sessions.lock(session_id)
        assert locked is not None
        assert locked.session == session
        await stores.credentials.replace_hash(ada.user_id, "hash", "newer")
        assert await stores.sessions.open(uuid7(), ada, "", "") is None


async def test_nobody_inactive_or_waiting_has_a_session(database: Database) -> None:
    """Neither opens one nor uses one."""
    ada, bob = a_registration("a@example.com"), a_registration("b@example.com")
    async with database.transaction() as stores:
        await stores.credentials.add_pending(ada, "hash")
        await stores.credentials.add_pending(bob, "hash")
        await stores.credentials.activate(ada.user_id)
        active = await stores.credentials.by_id(ada.user_id)
        waiting = await stores.credentials.by_id(bob.user_id)
        assert active is not None
        assert waiting is not None
        standing = await stores.sessions.open(uuid7(), active, "", "")
        assert standing is not None

        await stores.credentials.copy(a_person(ada, "a@example.com", is_active=False), 1)

        assert await stores.sessions.lock(standing.session.id) is None
        assert await stores.sessions.open(uuid7(), active, "", "") is None
        assert await stores.sessions.open(uuid7(), waiting, "", "") is None


async def test_rotating_is_compare_and_swap(database: Database) -> None:
    """Once for each counter."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        standing = await stores.sessions.open(uuid7(), ada, "", "")
        assert standing is not None
        at, expires_at = standing.at + MINUTE, standing.at + 2 * MINUTE

        assert await stores.sessions.rotate(standing.session, at, expires_at)
        assert not await stores.sessions.rotate(standing.session, at, expires_at)

        rotated = await stores.sessions.lock(standing.session.id)
        assert rotated is not None
        session = rotated.session
        assert (session.counter, session.rotated_at, session.expires_at) == (1, at, expires_at)
        assert session.last_used_at == at


async def test_sessions_end_once_and_for_their_person_only(database: Database) -> None:
    """And are not listed any more."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        opened = [await stores.sessions.open(uuid7(), ada, "", "") for _ in range(4)]
        ids = [standing.session.id for standing in opened if standing]

        assert not await stores.sessions.end(ids[0], uuid7())
        assert await stores.sessions.end(ids[0], ada.user_id)
        assert not await stores.sessions.end(ids[0], ada.user_id)
        listed = await stores.sessions.open_sessions(ada.user_id, 10)
        assert {session.id for session in listed} == set(ids[1:])
        assert len(await stores.sessions.open_sessions(ada.user_id, 2)) == 2

        ended = await stores.sessions.end_all(ada.user_id, but=ids[3], used_since=LONG_AGO)
        assert set(ended) == set(ids[1:3])
        (left,) = await stores.sessions.open_sessions(ada.user_id, 10)
        assert left.id == ids[3]
        future = datetime(2100, 1, 1, tzinfo=UTC)
        assert not await stores.sessions.end_all(ada.user_id, used_since=future)
        assert not await stores.sessions.open_sessions(ada.user_id, 10)


async def test_what_is_revoked_is_not_allowed(database: Database) -> None:
    """A session's tokens by its end, a person's by the time of their issue."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        one = await stores.sessions.open(uuid7(), ada, "", "")
        two = await stores.sessions.open(uuid7(), ada, "", "")
        assert one is not None
        assert two is not None
        sessions = stores.sessions
        assert await sessions.allows(one.session.id, ada.user_id, one.at)
        assert not await sessions.allows(one.session.id, uuid7(), one.at)
        assert not await sessions.allows(uuid7(), ada.user_id, one.at)

        await sessions.end(one.session.id, ada.user_id)
        of_session = await stores.revocations.of_session(one.session.id)
        assert not await sessions.allows(one.session.id, ada.user_id, one.at)
        assert await sessions.allows(two.session.id, ada.user_id, two.at)

        of_person = await stores.revocations.of_person(ada.user_id)
        assert not await sessions.allows(two.session.id, ada.user_id, two.at)
        assert await sessions.allows(two.session.id, ada.user_id, of_person.issued_until + MINUTE)

        in_force, read_at = await stores.revocations.in_force()
        assert set(in_force) == {of_session, of_person}
        assert read_at >= of_person.issued_until


async def test_the_next_token_is_of_a_later_millisecond(database: Database) -> None:
    """Or a sign-in right after a revocation would be refused."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        revocation = await stores.revocations.of_person(ada.user_id)
        standing = await stores.sessions.open(uuid7(), ada, "", "")

        assert standing is not None
        assert unix_milliseconds(standing.at) > unix_milliseconds(revocation.issued_until)
