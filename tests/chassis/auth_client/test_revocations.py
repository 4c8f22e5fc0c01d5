"""A revocation refuses the tokens that it concerns, no other, and is forgotten in time."""

import time
from random import Random
from uuid import UUID

import pytest
from chassis.auth_client.revocations import RevocationSet
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.ids import unix_milliseconds, uuid7
from hypothesis import given
from hypothesis import strategies as st
from vestibule.events.v1.events_pb2 import TokensRevoked

NOW = time.time_ns() // 1_000_000
USERS = [uuid7() for _ in range(3)]
SESSIONS = [uuid7() for _ in range(3)]


def ahead(milliseconds: int = 900_000) -> int:
    """Returns the Unix time so long from now, when the test runs and not when it is found."""
    return time.time_ns() // 1_000_000 + milliseconds


def claims(user: UUID, session: UUID, issued_at: int = NOW) -> Claims:
    """Returns the claims of a token issued at a Unix time in milliseconds."""
    return Claims.of_access_token(
        user_id=user, role=Role.USER, session_id=session, token_id=uuid7(issued_at), expires_at=4e9
    )


def of_user(user: UUID, until: int = NOW, expires: int | None = None) -> TokensRevoked:
    """Returns a revocation of a user's tokens."""
    return TokensRevoked(
        user_id=str(user),
        issued_until_milliseconds=until,
        expires_at_milliseconds=ahead() if expires is None else expires,
    )


def of_session(session: UUID, until: int = NOW, expires: int | None = None) -> TokensRevoked:
    """Returns a revocation of a session's tokens."""
    return TokensRevoked(
        session_id=str(session),
        issued_until_milliseconds=until,
        expires_at_milliseconds=ahead() if expires is None else expires,
    )


def test_of_a_user() -> None:
    """Every session's tokens up to that moment; those issued later are good."""
    revocations = RevocationSet()
    revocations.apply(of_user(USERS[0]))

    assert revocations.is_revoked(claims(USERS[0], SESSIONS[0]))
    assert revocations.is_revoked(claims(USERS[0], SESSIONS[1], NOW - 1))
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[0], NOW + 1))
    assert not revocations.is_revoked(claims(USERS[1], SESSIONS[0]))


@pytest.mark.parametrize(
    ("until", "expires"),
    [
        (2**62, 2**62),
        (2**62, 900_000),
        (60_000, 900_000),
        (0, 2 * 3_600_000),
        (0, 2**62),
    ],
    ids=["both", "issued", "issued soon", "expires late", "expires never"],
)
def test_times_that_no_token_has(until: int, expires: int) -> None:
    """A revocation refuses what was issued, for as long as that lives: fresh logins never."""
    revocations = RevocationSet()
    until, expires = ahead(until), ahead(expires)
    revocations.apply(of_user(USERS[0], until, expires))
    revocations.apply(of_session(SESSIONS[0], until, expires))
    revocations.apply(
        TokensRevoked(every_session=True, issued_until_milliseconds=until, expires_at_milliseconds=expires)
    )

    assert len(revocations) == 0
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[0], NOW + 1))


def test_of_a_session() -> None:
    """The user's other sessions go on."""
    revocations = RevocationSet()
    revocations.apply(of_session(SESSIONS[0]))

    assert revocations.is_revoked(claims(USERS[0], SESSIONS[0]))
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[1]))


def test_gone_when_no_token_can_be_concerned() -> None:
    """Memory holds a quarter of an hour, not a history."""
    revocations = RevocationSet()
    now = time.time_ns() // 1_000_000
    revocations.apply(of_user(USERS[0], NOW, now + 30))
    revocations.apply(of_user(USERS[1], NOW, now - 1))
    before = len(revocations)
    time.sleep(0.05)
    revocations.apply(of_user(USERS[2]))

    assert before == 1
    assert len(revocations) == 1
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[0]))


def test_later_revocation_outlives_an_earlier_one() -> None:
    """The earlier one's end does not end the later one."""
    revocations = RevocationSet()
    now = time.time_ns() // 1_000_000
    revocations.apply(of_user(USERS[0], NOW - 1, now + 30))
    revocations.apply(of_user(USERS[0], NOW))
    time.sleep(0.05)
    revocations.apply(of_user(USERS[1]))

    assert revocations.is_revoked(claims(USERS[0], SESSIONS[0]))


@pytest.mark.parametrize(
    "revoked", [TokensRevoked(), TokensRevoked(user_id="x", expires_at_milliseconds=2**60)]
)
def test_nonsense_is_left_out(revoked: TokensRevoked) -> None:
    """A malformed event must not stop the stream."""
    revocations = RevocationSet()
    revocations.apply(revoked)

    assert len(revocations) == 0


EVENTS = st.builds(of_user, st.sampled_from(USERS), st.integers(NOW - 5, NOW + 5)) | st.builds(
    of_session, st.sampled_from(SESSIONS), st.integers(NOW - 5, NOW + 5)
)


@given(st.lists(EVENTS), st.randoms())
def test_order_and_repetition_do_not_matter(events: list[TokensRevoked], random: Random) -> None:
    """Delivered twice, late or in any order: the result is that of the plain definition."""
    revocations = RevocationSet()
    delivered = events * 2
    random.shuffle(delivered)
    for each in delivered:
        revocations.apply(each)
    for user in USERS:
        for session in SESSIONS:
            for issued_at in range(NOW - 6, NOW + 7):
                token = claims(user, session, issued_at)
                expected = any(
                    unix_milliseconds(token.token_id) <= each.issued_until_milliseconds
                    and (each.user_id == str(user) or each.session_id == str(session))
                    for each in events
                )

                assert expected == revocations.is_revoked(token)


def of_all(kept: UUID, until: int = NOW, expires: int | None = None) -> TokensRevoked:
    """Returns a revocation of every session's tokens but one's."""
    return TokensRevoked(
        every_session=True,
        kept_session_id=str(kept),
        issued_until_milliseconds=until,
        expires_at_milliseconds=ahead() if expires is None else expires,
    )


def test_of_every_session() -> None:
    """But the kept one, and those whose tokens are issued later; API keys have no session."""
    revocations = RevocationSet()
    delivered = of_all(SESSIONS[0])
    revocations.apply(delivered)
    revocations.apply(delivered)

    assert len(revocations) == 1
    assert revocations.is_revoked(claims(USERS[0], SESSIONS[1]))
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[0]))
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[1], NOW + 1))
    key = Claims(
        user_id=USERS[0],
        role=Role.USER,
        session_id=None,
        token_id=uuid7(),
        expires_at=4e9,
        issued_at_milliseconds=NOW,
        scopes=frozenset({"read"}),
    )
    assert not revocations.is_revoked(key)


def test_of_every_session_twice() -> None:
    """Each keeps its own session only, and is forgotten in its time."""
    revocations = RevocationSet()
    now = time.time_ns() // 1_000_000
    revocations.apply(of_all(SESSIONS[0], NOW, now + 30))
    revocations.apply(of_all(SESSIONS[1]))
    assert revocations.is_revoked(claims(USERS[0], SESSIONS[0]))
    time.sleep(0.05)
    revocations.apply(of_all(SESSIONS[1], NOW + 1))

    assert len(revocations) == 2
    assert not revocations.is_revoked(claims(USERS[0], SESSIONS[1]))
