"""A registration that is interrupted between its two halves is finished later, never left over."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.running_system import System


def test_auth_service_dies_between_the_halves(client: Client, system: System) -> None:
    """The credential is there, the user is not, auth-service is killed: after restart both are."""
    email = new_email()
    with system.without("user-service"):
        refused = client.post(
            "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"}
        )
        assert refused.outcome == (503, "UNAVAILABLE")
        pending = system.rows("SELECT is_pending FROM auth.credentials WHERE email = $1", email)
        assert pending == [(True,)]
        assert system.rows("SELECT 1 FROM users.users WHERE email = $1", email) == []
        system.kill("auth-service")
        system.start("auth-service", settle=False)
    _finished(client, system, email)
    assert _half_made(system, [email]) == [(0,)]


def test_registration_can_be_repeated(client: Client, system: System) -> None:
    """Whoever got 503 and tries again with the same password gets the one account."""
    email = new_email()
    registration = {"email": email, "password": PASSWORD, "full_name": "Ada"}
    with system.without("user-service"):
        assert client.post("/api/auth/register", json=registration).outcome == (503, "UNAVAILABLE")
        stranger = client.post(
            "/api/auth/register", json={**registration, "password": "copper-lantern-orbit-fern"}
        )
        assert stranger.status in {409, 503}
    answer = client.post("/api/auth/register", json=registration)

    assert answer.outcome in {(201, None), (409, "EMAIL_TAKEN")}, "409 when the outbox was faster"
    _finished(client, system, email)


def test_pending_person_cannot_sign_in(client: Client, system: System) -> None:
    """An account is whole or not there: until it is, its password opens nothing."""
    email = new_email()
    with system.without("user-service"):
        client.post("/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"})
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})

        assert answer.outcome in {(401, "INVALID_CREDENTIALS"), (503, "UNAVAILABLE")}
    _finished(client, system, email)


def test_killed_at_any_moment(client: Client, system: System) -> None:
    """Registrations under way when auth-service is killed end as whole accounts or none at all."""
    emails = [new_email() for _ in range(12)]

    def register(email: str) -> int:
        with Client(client.url) as own_client:
            try:
                answer: Answer = own_client.post(
                    "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"}
                )
            except AssertionError:
                pytest.fail("an answer was not as the contract says")
            return answer.status

    with ThreadPoolExecutor(6) as clients:
        statuses = clients.map(register, emails)
        time.sleep(0.25)
        system.kill("auth-service")
        system.start("auth-service")
        told = dict(zip(emails, statuses, strict=True))

    assert set(told.values()) <= {201, 503, 504}
    deadline = time.monotonic() + 15
    while _half_made(system, emails) != [(0,)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _half_made(system, emails) == [(0,)]
    for email, status in told.items():
        if status == 201:
            _finished(client, system, email)


def _finished(client: Client, system: System, email: str) -> None:
    """Waits until the account is whole, and signs in to it."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        states = system.rows(
            "SELECT c.is_pending FROM auth.credentials c JOIN users.users u ON u.id = c.user_id "
            "WHERE u.email = $1",
            email,
        )
        if states == [(False,)]:
            break
        time.sleep(0.1)
    (user_id,) = system.rows("SELECT id FROM users.users WHERE email = $1", email)[0]
    signed_in = client.sign_in(User(str(user_id), email, PASSWORD, "Ada"))
    assert email == client.who(signed_in.access_token).data["email"]


def _half_made(system: System, emails: list[str]) -> list[tuple[object, ...]]:
    """Counts those accounts of which only one service knows, or that are not finished."""
    return system.rows(
        "SELECT count(*) FROM auth.credentials c FULL JOIN users.users u ON u.id = c.user_id "
        "WHERE coalesce(c.email, u.email) = ANY($1) "
        "AND (c.user_id IS NULL OR u.id IS NULL OR c.is_pending)",
        emails,
    )
