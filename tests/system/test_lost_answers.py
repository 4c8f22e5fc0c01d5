"""auth-service is killed after its changes and before anybody is told: asked again, it tells."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp
import pytest

from tests.fakes.authenticator import Authenticator
from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.machines import KEYS
from tests.system.mailbox import Mailbox
from tests.system.passkeys import PASSKEYS, Owner, login_options, registration_options
from tests.system.running_system import System

NEW_PASSWORD = "copper-lantern-orbit-fern"
PATIENCE_SECONDS = 30.0
STEP_SECONDS = 30
TOTP = "/api/auth/mfa/totp"


@dataclass(frozen=True)
class Post:
    """A POST that changes what cannot be changed twice, and the status that it is to be answered."""

    path: str
    body: Mapping[str, Any]
    token: str | None = None
    status: int = 200

    def make(self, client: Client, key: str) -> Answer | None:
        """Returns the answer; None when there is none."""
        headers = {"idempotency-key": key}
        try:
            return client.post(self.path, headers=headers, json=self.body, token=self.token)
        except httpx.TransportError:
            return None


@pytest.fixture(name="holds")
def _holds(system: System) -> Iterator[None]:
    """Keeps answers from being kept: the change has committed, its client and its answer wait."""
    system.change(
        "CREATE FUNCTION auth.hold() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(60); RETURN NEW; END$$"
    )
    system.change(
        "CREATE TRIGGER hold BEFORE UPDATE OF sealed_answer ON auth.attempts"
        " FOR EACH ROW WHEN (NEW.sealed_answer IS NOT NULL) EXECUTE FUNCTION auth.hold()"
    )
    yield
    _let_go(system)


def _held(system: System) -> int:
    return len(system.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))


def _let_go(system: System) -> None:
    # Whoever sleeps would still write, when it wakes, what its service died of telling.
    system.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    system.change("DROP FUNCTION IF EXISTS auth.hold CASCADE")


@pytest.fixture(name="ada")
def _ada(client: Client) -> User:
    """Somebody of this test's own."""
    return client.join(proven=True)


@pytest.fixture(name="posts")
def _posts(client: Client, mailbox: Mailbox, origin: str, owner: Owner, ada: User) -> dict[str, Post]:
    token, device = ada.access_token, Authenticator(origin)
    _, attested = device.create(registration_options(client, token))
    asserted = owner.device.get(login_options(client), owner.credential)
    registration = {"email": new_email(), "password": PASSWORD, "full_name": "Bob"}
    proof = {"token": mailbox.verification_token(client.register().email)}
    return {
        "register": Post("/api/auth/register", registration, status=201),
        "login": Post("/api/auth/login", {"email": ada.email, "password": PASSWORD}),
        "refresh": Post("/api/auth/refresh", {"refresh_token": ada.refresh_token}),
        "verify email": Post("/api/auth/email/verify", proof, status=204),
        "reset": Post("/api/auth/password/reset", _reset(client, mailbox), status=204),
        "confirm totp": _confirmation(client, client.join(proven=True))[0],
        "verify mfa": _second_step(client),
        "passkey": Post(PASSKEYS, {"name": "Phone", "credential": attested}, token, 201),
        "passkey login": Post(f"{PASSKEYS}/login", {"credential": asserted}),
        "api key": Post(KEYS, {"name": "report", "scopes": ["read"]}, token, 201),
    }


def _reset(client: Client, mailbox: Mailbox) -> dict[str, str]:
    forgetful = client.register()
    client.post("/api/auth/password/forgot", json={"email": forgetful.email})
    return {"token": mailbox.reset_token(forgetful.email), "new_password": NEW_PASSWORD}


def _confirmation(client: Client, user: User, drift: int = 0) -> tuple[Post, pyotp.TOTP]:
    begun = client.post(TOTP, token=user.access_token)
    totp = pyotp.TOTP(begun.data["secret"])
    code = {"code": totp.at(time.time() + drift * STEP_SECONDS)}
    return Post(f"{TOTP}/confirm", code, user.access_token), totp


def _second_step(client: Client) -> Post:
    user = client.join(proven=True)
    confirmation, totp = _confirmation(client, user, -1)
    client.post(confirmation.path, json=confirmation.body, token=confirmation.token)
    begun = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    code = totp.at(time.time() + STEP_SECONDS)
    return Post("/api/auth/mfa/verify", {"mfa_token": begun.data["mfa_token"], "code": code})


def _happened(system: System) -> int:
    ((count,),) = system.rows("SELECT count(*) FROM auth.audit_events WHERE action LIKE 'auth.%'")
    return int(count)


def _outcome(answer: Answer | None) -> tuple[int, str | None] | None:
    return None if answer is None else (answer.status, answer.code if answer.body else None)


def _lose(client: Client, system: System, posts: Mapping[str, Post], mine: str) -> None:
    """Makes every change, one after the other, and kills the service before it tells of any."""
    with ThreadPoolExecutor(len(posts)) as clients:
        answers = []
        for count, (name, post) in enumerate(posts.items(), 1):
            answers.append(clients.submit(post.make, client, f"{mine} {name}"))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while _held(system) < count:
                assert time.monotonic() < deadline, f"{name} changed nothing: {answers[-1]}"
                time.sleep(0.01)
        system.kill("auth-service")
        told = [answer.result() for answer in answers]
    assert {answer.status for answer in told if answer} <= {503, 504}
    _let_go(system)
    # An hour later, for whoever would still be let in as the second of two tabs.
    system.change("UPDATE auth.sessions SET rotated_at = rotated_at - interval '1 hour'")
    system.change("UPDATE auth.attempts SET leased_until = '-infinity' WHERE sealed_answer IS NULL")


def test_every_change_is_told_of(
    client: Client, system: System, ada: User, posts: dict[str, Post], holds: None
) -> None:
    """Once made and once told, by its key; what is given works, and nothing has happened twice."""
    _lose(client, system, posts, ada.id)
    system.start("auth-service")
    happened = _happened(system)

    told = {name: post.make(client, f"{ada.id} {name}") for name, post in posts.items()}

    expected = {name: (post.status, None) for name, post in posts.items()}
    assert {name: _outcome(answer) for name, answer in told.items()} == expected
    assert _happened(system) == happened
    data = {name: answer.data for name, answer in told.items() if answer and answer.body}
    for name in ("login", "refresh", "verify mfa", "passkey login"):
        assert client.who(data[name]["access_token"]).status == 200
        renewed = client.post("/api/auth/refresh", json={"refresh_token": data[name]["refresh_token"]})
        assert renewed.outcome == (200, None), name
    assert len(client.get("/api/auth/sessions", token=data["login"]["access_token"]).data) == 2
    assert client.who(data["api key"]["key"]).data["id"] == ada.id
    assert len(client.get(KEYS, token=ada.access_token).data) == 1
    assert len(client.get(PASSKEYS, token=ada.access_token).data) == 1
    assert len(data["confirm totp"]["recovery_codes"]) == 10


def test_whoever_has_the_token_and_not_the_key(
    client: Client, system: System, ada: User, holds: None
) -> None:
    """Ends the session, as with any spent token: the successor may be in other hands."""
    refresh = Post("/api/auth/refresh", {"refresh_token": ada.refresh_token})
    _lose(client, system, {"refresh": refresh}, ada.id)
    system.start("auth-service")

    stolen = refresh.make(client, f"{ada.id} guessed")
    owners = refresh.make(client, f"{ada.id} refresh")

    assert stolen is not None
    assert owners is not None
    assert stolen.outcome == owners.outcome == (401, "TOKEN_REVOKED")
