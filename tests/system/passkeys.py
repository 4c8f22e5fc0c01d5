"""Steps with passkeys, by a software authenticator."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.authenticator import Authenticator, Credential
from tests.system.edge import PASSWORD, Answer, Edge, Person
from tests.system.house import House

PASSKEYS = "/api/auth/passkeys"
REFUSED = (401, "INVALID_CREDENTIALS")


@dataclass(frozen=True)
class Owner:
    """Somebody with a passkey."""

    person: Person
    device: Authenticator
    credential: Credential
    passkey_id: str


def registration_options(edge: Edge, token: str) -> dict[str, Any]:
    """Begins to add a passkey."""
    answer = edge.post(f"{PASSKEYS}/options", token=token, json={"password": PASSWORD})
    assert answer.outcome == (200, None), answer.text
    options: dict[str, Any] = answer.data["public_key"]
    return options


def login_options(edge: Edge) -> dict[str, Any]:
    """Begins to sign in."""
    answer = edge.post(f"{PASSKEYS}/login/options")
    assert answer.outcome == (200, None), answer.text
    options: dict[str, Any] = answer.data["public_key"]
    return options


def add(edge: Edge, token: str, credential: Any, name: str = "Ada's phone") -> Answer:
    """Adds a passkey."""
    return edge.post(PASSKEYS, token=token, json={"name": name, "credential": credential})


def log_in(edge: Edge, credential: Any) -> Answer:
    """Signs in."""
    return edge.post(f"{PASSKEYS}/login", json={"credential": credential})


def refusals(house: House, person_id: str) -> list[str]:
    """Returns what the trail says of refused passkeys of a person."""
    rows = house.rows(
        "SELECT details ->> 'reason' FROM auth.audit_events"
        " WHERE action = 'auth.passkey_refused' AND subject_id = $1 ORDER BY sequence",
        person_id,
    )
    return [reason for (reason,) in rows]
