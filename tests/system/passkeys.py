"""Steps with passkeys, by a software authenticator."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.authenticator import Authenticator, Credential
from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.running_system import System

PASSKEYS = "/api/auth/passkeys"
REFUSED = (401, "INVALID_CREDENTIALS")


@dataclass(frozen=True)
class Owner:
    """A user with a passkey."""

    user: User
    device: Authenticator
    credential: Credential
    passkey_id: str


def registration_options(client: Client, token: str) -> dict[str, Any]:
    """Begins to add a passkey."""
    answer = client.post(f"{PASSKEYS}/options", token=token, json={"password": PASSWORD})
    assert answer.outcome == (200, None), answer.text
    options: dict[str, Any] = answer.data["public_key"]
    return options


def login_options(client: Client) -> dict[str, Any]:
    """Begins to sign in."""
    answer = client.post(f"{PASSKEYS}/login/options")
    assert answer.outcome == (200, None), answer.text
    options: dict[str, Any] = answer.data["public_key"]
    return options


def add(client: Client, token: str, credential: Any, name: str = "Ada's phone") -> Answer:
    """Adds a passkey."""
    return client.post(PASSKEYS, token=token, json={"name": name, "credential": credential})


def log_in(client: Client, credential: Any) -> Answer:
    """Signs in."""
    return client.post(f"{PASSKEYS}/login", json={"credential": credential})


def refusals(system: System, person_id: str) -> list[str]:
    """Returns the audit entries of a user's refused passkeys."""
    rows = system.rows(
        "SELECT details ->> 'reason' FROM auth.audit_events"
        " WHERE action = 'auth.passkey_refused' AND subject_id = $1 ORDER BY sequence",
        person_id,
    )
    return [reason for (reason,) in rows]
