"""A registration that is interrupted between its two halves is finished later, never left over."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.edge import PASSWORD, Answer, Edge, Person, new_email
from tests.system.house import House


def test_auth_service_dies_between_the_halves(edge: Edge, house: House) -> None:
    """The credential is there, the person is not, auth-service is killed: after restart both are."""
    email = new_email()
    with house.without("user-service"):
        refused = edge.post(
            "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"}
        )
        assert refused.outcome == (503, "UNAVAILABLE")
        pending = house.rows("SELECT is_pending FROM auth.credentials WHERE email = $1", email)
        assert pending == [(True,)]
        assert house.rows("SELECT 1 FROM users.users WHERE email = $1", email) == []
        house.kill("auth-service")
        house.start("auth-service", settle=False)
    _finished(edge, house, email)
    assert _half_made(house, [email]) == [(0,)]


def test_registration_can_be_repeated(edge: Edge, house: House) -> None:
    """Whoever got 503 and tries again with the same password gets the one account."""
    email = new_email()
    registration = {"email": email, "password": PASSWORD, "full_name": "Ada"}
    with house.without("user-service"):
        assert edge.post("/api/auth/register", json=registration).outcome == (503, "UNAVAILABLE")
        stranger = edge.post(
            "/api/auth/register", json={**registration, "password": "copper-lantern-orbit-fern"}
        )
        assert stranger.status in {409, 503}
    answer = edge.post("/api/auth/register", json=registration)

    assert answer.outcome in {(201, None), (409, "EMAIL_TAKEN")}, "409 when the outbox was faster"
    _finished(edge, house, email)


def test_pending_person_cannot_sign_in(edge: Edge, house: House) -> None:
    """An account is whole or not there: until it is, its password opens nothing."""
    email = new_email()
    with house.without("user-service"):
        edge.post("/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"})
        answer = edge.post("/api/auth/login", json={"email": email, "password": PASSWORD})

        assert answer.outcome in {(401, "INVALID_CREDENTIALS"), (503, "UNAVAILABLE")}
    _finished(edge, house, email)


def test_killed_at_any_moment(edge: Edge, house: House) -> None:
    """Registrations under way when auth-service is killed end as whole accounts or none at all."""
    emails = [new_email() for _ in range(12)]

    def register(email: str) -> int:
        with Edge(edge.url) as client:
            try:
                answer: Answer = client.post(
                    "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"}
                )
            except AssertionError:
                pytest.fail("an answer was not as the contract says")
            return answer.status

    with ThreadPoolExecutor(6) as clients:
        statuses = clients.map(register, emails)
        time.sleep(0.25)
        house.kill("auth-service")
        house.start("auth-service")
        told = dict(zip(emails, statuses, strict=True))

    assert set(told.values()) <= {201, 503, 504}
    deadline = time.monotonic() + 15
    while _half_made(house, emails) != [(0,)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _half_made(house, emails) == [(0,)]
    for email, status in told.items():
        if status == 201:
            _finished(edge, house, email)


def _finished(edge: Edge, house: House, email: str) -> None:
    """Waits until the account is whole, and signs in to it."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        states = house.rows(
            "SELECT c.is_pending FROM auth.credentials c JOIN users.users u ON u.id = c.user_id "
            "WHERE u.email = $1",
            email,
        )
        if states == [(False,)]:
            break
        time.sleep(0.1)
    (user_id,) = house.rows("SELECT id FROM users.users WHERE email = $1", email)[0]
    signed_in = edge.sign_in(Person(str(user_id), email, PASSWORD, "Ada"))
    assert email == edge.who(signed_in.access_token).data["email"]


def _half_made(house: House, emails: list[str]) -> list[tuple[object, ...]]:
    """Counts those accounts of which only one service knows, or that are not finished."""
    return house.rows(
        "SELECT count(*) FROM auth.credentials c FULL JOIN users.users u ON u.id = c.user_id "
        "WHERE coalesce(c.email, u.email) = ANY($1) "
        "AND (c.user_id IS NULL OR u.id IS NULL OR c.is_pending)",
        emails,
    )
