"""auth-service is killed after it has committed changes and before it answers: retries get their answers."""

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
from tests.system.held_responses import HeldResponses
from tests.system.machines import KEYS
from tests.system.mailbox import Mailbox
from tests.system.passkeys import PASSKEYS, Owner, login_options, registration_options
from tests.system.running_system import System

COMMITTED_SECONDS = 60.0
NEW_PASSWORD = "copper-lantern-orbit-fern"
STEP_SECONDS = 30
TOTP = "/api/auth/mfa/totp"


@dataclass(frozen=True)
class Post:
    """A POST whose change must not be made twice, and the status of its answer."""

    path: str
    body: Mapping[str, Any]
    token: str | None = None
    status: int = 200

    def make(self, client: Client, key: str) -> Answer | None:
        """Returns the answer; None without one."""
        headers = {"idempotency-key": key}
        try:
            return client.post(self.path, headers=headers, json=self.body, token=self.token)
        except httpx.TransportError:
            return None


@pytest.fixture(name="holds")
def _holds(system: System) -> Iterator[HeldResponses]:
    """Blocks the storing of answers, so that changes are committed and clients still wait."""
    held = HeldResponses(system, "auth")
    held.hold()
    yield held
    held.let_go()


@pytest.fixture(name="ada")
def _ada(client: Client) -> User:
    """A user of this test's own."""
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


def _lose(held: HeldResponses, client: Client, posts: Mapping[str, Post], mine: str) -> None:
    """Makes every change, one after the other, and kills the service before it answers any."""
    with ThreadPoolExecutor(len(posts)) as clients:
        answers = []
        for count, (name, post) in enumerate(posts.items(), 1):
            answers.append(clients.submit(post.make, client, f"{mine} {name}"))
            deadline = time.monotonic() + COMMITTED_SECONDS
            while held.count() < count:
                assert time.monotonic() < deadline, f"{name} changed nothing: {answers[-1]}"
                if answers[-1].done():
                    # The changes that are held have the connections to Postgres: it is asked for again.
                    answers[-1] = clients.submit(post.make, client, f"{mine} {name}")
                time.sleep(0.05)
        held.system.kill("auth-service")
        lost = [answer.result() for answer in answers]
    assert {answer.status for answer in lost if answer} <= {503, 504}
    held.let_go()
    # An hour later, so that the grace for reusing a refresh token is over.
    held.system.change("UPDATE auth.sessions SET rotated_at = rotated_at - interval '1 hour'")
    held.end_leases()


@pytest.mark.nightly
def test_every_change_is_answered_when_asked_again(
    client: Client, system: System, ada: User, posts: dict[str, Post], holds: HeldResponses
) -> None:
    """Each change was made once and is answered by its key; what it gave works."""
    _lose(holds, client, posts, ada.id)
    system.start("auth-service")
    happened = _happened(system)

    answers = {name: post.make(client, f"{ada.id} {name}") for name, post in posts.items()}

    expected = {name: (post.status, None) for name, post in posts.items()}
    assert {name: _outcome(answer) for name, answer in answers.items()} == expected
    assert _happened(system) == happened
    data = {name: answer.data for name, answer in answers.items() if answer and answer.body}
    for name in ("login", "refresh", "verify mfa", "passkey login"):
        assert client.who(data[name]["access_token"]).status == 200
        renewed = client.post("/api/auth/refresh", json={"refresh_token": data[name]["refresh_token"]})
        assert renewed.outcome == (200, None), name
    assert len(client.get("/api/auth/sessions", token=data["login"]["access_token"]).data) == 2
    assert client.who(data["api key"]["key"]).data["id"] == ada.id
    assert len(client.get(KEYS, token=ada.access_token).data) == 1
    assert len(client.get(PASSKEYS, token=ada.access_token).data) == 1
    assert len(data["confirm totp"]["recovery_codes"]) == 10


@pytest.mark.nightly
def test_a_token_without_its_key_ends_the_session(
    client: Client, system: System, ada: User, holds: HeldResponses
) -> None:
    """As with any spent token, since the successor may have been stolen."""
    refresh = Post("/api/auth/refresh", {"refresh_token": ada.refresh_token})
    _lose(holds, client, {"refresh": refresh}, ada.id)
    system.start("auth-service")

    stolen = refresh.make(client, f"{ada.id} guessed")
    owners = refresh.make(client, f"{ada.id} refresh")

    assert stolen is not None
    assert owners is not None
    assert stolen.outcome == owners.outcome == (401, "TOKEN_REVOKED")
