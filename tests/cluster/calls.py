"""How tests call the release through its gateway, and what they note of it."""

import json
import re
import secrets
import urllib.request
from typing import Any

from tests.cluster.conftest import forwarded, note
from tests.cluster.load import Tally

CALLS = re.compile(r"^grpc_server_handled_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


def call(
    url: str, method: str, path: str, body: Any = None, *, token: str = "", idempotency_key: str = ""
) -> Any:
    """Calls the gateway and returns the envelope."""
    request = urllib.request.Request(
        url + path, method=method, data=json.dumps(body).encode() if body else None
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if idempotency_key:
        request.add_header("Idempotency-Key", idempotency_key)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def join(url: str) -> dict[str, str]:
    """Registers a new user."""
    user = {"email": f"cluster-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(18)}
    call(url, "POST", "/api/auth/register", {**user, "full_name": "Cluster Test"})
    return user


def sign_in(url: str, user: dict[str, str]) -> str:
    """Signs a user in and returns the access token."""
    return str(call(url, "POST", "/api/auth/login", user)["data"]["access_token"])


def calls_taken(pod: str) -> float:
    """Returns how many gRPC calls a pod of user-service has taken."""
    with (
        forwarded(f"pod/{pod}", 9102) as address,
        urllib.request.urlopen(f"http://{address}/metrics") as answer,
    ):
        return sum(float(count) for count in CALLS.findall(answer.read().decode()))


def unharmed(event: str, tally: Tally) -> None:
    """Notes the figures and asserts that no request failed, of at least 500."""
    note(event, tally)
    assert tally.made > 500, tally
    assert tally.failed == [], f"{tally}: {tally.failed[:10]}"
