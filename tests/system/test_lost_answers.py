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
from tests.system.edge import PASSWORD, Answer, Edge, Person, new_email
from tests.system.house import House
from tests.system.machines import KEYS
from tests.system.mailbox import Mailbox
from tests.system.passkeys import PASSKEYS, Owner, login_options, registration_options

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

    def make(self, edge: Edge, key: str) -> Answer | None:
        """Returns the answer; None when there is none."""
        headers = {"idempotency-key": key}
        try:
            return edge.post(self.path, headers=headers, json=self.body, token=self.token)
        except httpx.TransportError:
            return None


@pytest.fixture(name="holds")
def _holds(house: House) -> Iterator[None]:
    """Keeps answers from being kept: the change has committed, its client and its answer wait."""
    house.change(
        "CREATE FUNCTION auth.hold() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(60); RETURN NEW; END$$"
    )
    house.change(
        "CREATE TRIGGER hold BEFORE UPDATE OF sealed_answer ON auth.attempts"
        " FOR EACH ROW WHEN (NEW.sealed_answer IS NOT NULL) EXECUTE FUNCTION auth.hold()"
    )
    yield
    _let_go(house)


def _held(house: House) -> int:
    return len(house.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))


def _let_go(house: House) -> None:
    # Whoever sleeps would still write, when it wakes, what its service died of telling.
    house.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    house.change("DROP FUNCTION IF EXISTS auth.hold CASCADE")


@pytest.fixture(name="ada")
def _ada(edge: Edge) -> Person:
    """Somebody of this test's own."""
    return edge.join(proven=True)


@pytest.fixture(name="posts")
def _posts(edge: Edge, mailbox: Mailbox, origin: str, owner: Owner, ada: Person) -> dict[str, Post]:
    token, device = ada.access_token, Authenticator(origin)
    _, attested = device.create(registration_options(edge, token))
    asserted = owner.device.get(login_options(edge), owner.credential)
    registration = {"email": new_email(), "password": PASSWORD, "full_name": "Bob"}
    proof = {"token": mailbox.verification_token(edge.register().email)}
    return {
        "register": Post("/api/auth/register", registration, status=201),
        "login": Post("/api/auth/login", {"email": ada.email, "password": PASSWORD}),
        "refresh": Post("/api/auth/refresh", {"refresh_token": ada.refresh_token}),
        "verify email": Post("/api/auth/email/verify", proof, status=204),
        "reset": Post("/api/auth/password/reset", _reset(edge, mailbox), status=204),
        "confirm totp": _confirmation(edge, edge.join(proven=True))[0],
        "verify mfa": _second_step(edge),
        "passkey": Post(PASSKEYS, {"name": "Phone", "credential": attested}, token, 201),
        "passkey login": Post(f"{PASSKEYS}/login", {"credential": asserted}),
        "api key": Post(KEYS, {"name": "report", "scopes": ["read"]}, token, 201),
    }


def _reset(edge: Edge, mailbox: Mailbox) -> dict[str, str]:
    forgetful = edge.register()
    edge.post("/api/auth/password/forgot", json={"email": forgetful.email})
    return {"token": mailbox.reset_token(forgetful.email), "new_password": NEW_PASSWORD}


def _confirmation(edge: Edge, person: Person, drift: int = 0) -> tuple[Post, pyotp.TOTP]:
    begun = edge.post(TOTP, token=person.access_token)
    totp = pyotp.TOTP(begun.data["secret"])
    code = {"code": totp.at(time.time() + drift * STEP_SECONDS)}
    return Post(f"{TOTP}/confirm", code, person.access_token), totp


def _second_step(edge: Edge) -> Post:
    person = edge.join(proven=True)
    confirmation, totp = _confirmation(edge, person, -1)
    edge.post(confirmation.path, json=confirmation.body, token=confirmation.token)
    begun = edge.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    code = totp.at(time.time() + STEP_SECONDS)
    return Post("/api/auth/mfa/verify", {"mfa_token": begun.data["mfa_token"], "code": code})


def _happened(house: House) -> int:
    ((count,),) = house.rows("SELECT count(*) FROM auth.audit_events WHERE action LIKE 'auth.%'")
    return int(count)


def _outcome(answer: Answer | None) -> tuple[int, str | None] | None:
    return None if answer is None else (answer.status, answer.code if answer.body else None)


def _lose(edge: Edge, house: House, posts: Mapping[str, Post], mine: str) -> None:
    """Makes every change, one after the other, and kills the service before it tells of any."""
    with ThreadPoolExecutor(len(posts)) as clients:
        answers = []
        for count, (name, post) in enumerate(posts.items(), 1):
            answers.append(clients.submit(post.make, edge, f"{mine} {name}"))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while _held(house) < count:
                assert time.monotonic() < deadline, f"{name} changed nothing: {answers[-1]}"
                time.sleep(0.01)
        house.kill("auth-service")
        told = [answer.result() for answer in answers]
    assert {answer.status for answer in told if answer} <= {503, 504}
    _let_go(house)
    # An hour later, for whoever would still be let in as the second of two tabs.
    house.change("UPDATE auth.sessions SET rotated_at = rotated_at - interval '1 hour'")
    house.change("UPDATE auth.attempts SET leased_until = '-infinity' WHERE sealed_answer IS NULL")


def test_every_change_is_told_of(
    edge: Edge, house: House, ada: Person, posts: dict[str, Post], holds: None
) -> None:
    """Once made and once told, by its key; what is given works, and nothing has happened twice."""
    _lose(edge, house, posts, ada.id)
    house.start("auth-service")
    happened = _happened(house)

    told = {name: post.make(edge, f"{ada.id} {name}") for name, post in posts.items()}

    expected = {name: (post.status, None) for name, post in posts.items()}
    assert {name: _outcome(answer) for name, answer in told.items()} == expected
    assert _happened(house) == happened
    data = {name: answer.data for name, answer in told.items() if answer and answer.body}
    for name in ("login", "refresh", "verify mfa", "passkey login"):
        assert edge.who(data[name]["access_token"]).status == 200
        renewed = edge.post("/api/auth/refresh", json={"refresh_token": data[name]["refresh_token"]})
        assert renewed.outcome == (200, None), name
    assert len(edge.get("/api/auth/sessions", token=data["login"]["access_token"]).data) == 2
    assert edge.who(data["api key"]["key"]).data["id"] == ada.id
    assert len(edge.get(KEYS, token=ada.access_token).data) == 1
    assert len(edge.get(PASSKEYS, token=ada.access_token).data) == 1
    assert len(data["confirm totp"]["recovery_codes"]) == 10


def test_whoever_has_the_token_and_not_the_key(edge: Edge, house: House, ada: Person, holds: None) -> None:
    """Ends the session, as with any spent token: the successor may be in other hands."""
    refresh = Post("/api/auth/refresh", {"refresh_token": ada.refresh_token})
    _lose(edge, house, {"refresh": refresh}, ada.id)
    house.start("auth-service")

    stolen = refresh.make(edge, f"{ada.id} guessed")
    owners = refresh.make(edge, f"{ada.id} refresh")

    assert stolen is not None
    assert owners is not None
    assert stolen.outcome == owners.outcome == (401, "TOKEN_REVOKED")
