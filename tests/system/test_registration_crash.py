"""A registration that is interrupted between its two halves is finished later and never left half made."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.running_system import System
from tests.waiting import wait_for


@pytest.mark.nightly
def test_interrupted_between_the_halves(client: Client, system: System) -> None:
    """With user-service away an account is pending: no password opens it, and it is finished later.

    That happens when the client repeats the registration, and without a repetition too, even if
    auth-service is killed in between.
    """
    left, repeated = new_email(), new_email()

    def register(email: str, password: str = PASSWORD) -> Answer:
        body = {"email": email, "password": password, "full_name": "Ada"}
        return client.post("/api/auth/register", json=body)

    with system.without("user-service"):
        for email in (left, repeated):
            assert register(email).outcome == (503, "UNAVAILABLE")
            pending = system.rows("SELECT is_pending FROM auth.credentials WHERE email = $1", email)
            assert pending == [(True,)]
            assert system.rows("SELECT 1 FROM users.users WHERE email = $1", email) == []
        signed_in = client.post("/api/auth/login", json={"email": left, "password": PASSWORD})
        assert signed_in.outcome in {(401, "INVALID_CREDENTIALS"), (503, "UNAVAILABLE")}
        assert register(repeated, "copper-lantern-orbit-fern").status in {409, 503}
        system.kill("auth-service")
        system.start("auth-service", settle=False)
    answer = register(repeated)

    assert answer.outcome in {(201, None), (409, "EMAIL_TAKEN")}, "409 when the outbox was faster"
    for email in (left, repeated):
        _finished(client, system, email)
    assert _half_made(system, [left, repeated]) == [(0,)]


@pytest.mark.nightly
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
        answered = dict(zip(emails, statuses, strict=True))

    assert set(answered.values()) <= {201, 503, 504}
    wait_for(lambda: _half_made(system, emails) == [(0,)])
    for email, status in answered.items():
        if status == 201:
            _finished(client, system, email)


def _finished(client: Client, system: System, email: str) -> None:
    """Waits until the account is whole, and signs in to it."""
    whole = (
        "SELECT u.id FROM auth.credentials c JOIN users.users u ON u.id = c.user_id "
        "WHERE u.email = $1 AND NOT c.is_pending"
    )
    ((user_id,),) = wait_for(lambda: system.rows(whole, email))
    signed_in = client.sign_in(User(str(user_id), email, PASSWORD, "Ada"))
    assert email == client.who(signed_in.access_token).data["email"]


def _half_made(system: System, emails: list[str]) -> list[tuple[object, ...]]:
    """Counts the accounts that only one service has, or that are not finished."""
    return system.rows(
        "SELECT count(*) FROM auth.credentials c FULL JOIN users.users u ON u.id = c.user_id "
        "WHERE coalesce(c.email, u.email) = ANY($1) "
        "AND (c.user_id IS NULL OR u.id IS NULL OR c.is_pending)",
        emails,
    )
