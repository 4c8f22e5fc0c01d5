"""Secrets and personal data (canaries) are sent through every route; no output contains them.

Output is what the processes write: their logs, the spans at the collector, their metrics,
the events on the stream and, for secrets, the audit trail and Redis as a whole.
"""

import asyncio
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from redis.asyncio import Redis

from tests.collector import Collector
from tests.leaks import leaks
from tests.system.client import Answer, Client, User
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
STREAMS = frozenset({"/api/health/stream"})


class Canaries:
    """The values that must not appear, by what they are; calls are traced."""

    def __init__(self, client: Client, mark: str) -> None:
        self._client = client
        self.secrets: dict[str, str] = {
            # None contains the name or address below: such passwords are refused.
            "password": f"velvet-harbor-{secrets.token_hex(6)}",
            "new password": f"marble-otter-{secrets.token_hex(6)}",
            "wrong password": f"guess-lamp-{secrets.token_hex(6)}",
            "made-up token": f"made-up-{secrets.token_hex(12)}",
        }
        self.personal = {
            "e-mail": f"canary.{mark}@example.com",
            "name": f"Canaria Zweifel {mark}",
            "unknown e-mail": f"unknown.{mark}@example.com",
            "search": f"searched-{mark}",
        }
        self.calls = 0

    def call(self, method: str, path: str, **arguments: Any) -> Answer:
        """Makes a call that is traced."""
        traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
        self.calls += 1
        return self._client.call(method, path, headers={"traceparent": traceparent}, **arguments)

    def learn(self, data: Any, kind: str = "answer") -> Any:
        """Records the secrets that an answer brought."""
        if isinstance(data, dict):
            for key, value in data.items():
                self.learn(value, key)
        elif isinstance(data, list):
            for number, value in enumerate(data):
                self.learn(value, f"{kind} {number}")
        elif isinstance(data, str) and _is_secret(kind):
            self.secrets[f"{kind} {len(self.secrets)}"] = data
        return data

    def of_field(self, name: str) -> str:
        """Returns a canary for a field of that name."""
        if "password" in name:
            return self.secrets["wrong password"]
        if "email" in name:
            return self.personal["unknown e-mail"]
        if "name" in name:
            return self.personal["name"]
        return self.secrets["made-up token"]


def _is_secret(kind: str) -> bool:
    return kind.endswith("_token") or kind.partition(" ")[0] in {
        "secret",
        "otpauth_uri",
        "qr_code",
        "recovery_codes",
        "key",
    }


def live(canaries: Canaries, mailbox: Mailbox) -> User:
    """Uses every feature that makes a secret, and returns the user."""
    call, learn, password = canaries.call, canaries.learn, canaries.secrets["password"]
    email, name = canaries.personal["e-mail"], canaries.personal["name"]
    credentials = {"email": email, "password": password}
    user = call("POST", "/api/auth/register", json={**credentials, "full_name": name}).data
    tokens = learn(call("POST", "/api/auth/login", json=credentials).data)
    call("POST", "/api/auth/login", json={**credentials, "password": canaries.secrets["wrong password"]})
    call("POST", "/api/auth/register", json={**credentials, "full_name": name})
    tokens = learn(call("POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).data)
    access = tokens["access_token"]
    proof = canaries.secrets["verification token"] = mailbox.verification_token(email)
    assert call("POST", "/api/auth/email/verify", json={"token": proof}).status == 204
    call("POST", "/api/auth/password/forgot", json={"email": email})
    reset = canaries.secrets["reset token"] = mailbox.reset_token(email)
    password = canaries.secrets["new password"]
    assert (
        call("POST", "/api/auth/password/reset", json={"token": reset, "new_password": password}).status
        == 204
    )
    credentials = {"email": email, "password": password}
    access = learn(call("POST", "/api/auth/login", json=credentials).data)["access_token"]
    begun = learn(call("POST", "/api/auth/mfa/totp", token=access).data)
    code = pyotp.TOTP(begun["secret"]).at(time.time() - 30)
    recovery = learn(call("POST", "/api/auth/mfa/totp/confirm", token=access, json={"code": code}).data)
    challenge = learn(call("POST", "/api/auth/login", json=credentials).data)
    step = {"mfa_token": challenge["mfa_token"], "code": recovery["recovery_codes"][0]}
    access = learn(call("POST", "/api/auth/mfa/verify", json=step).data)["access_token"]
    key = call("POST", "/api/auth/api-keys", token=access, json={"name": name, "scopes": ["read"]})
    learn(key.data)
    call("GET", "/api/users/me/export", token=access)
    return User(user["id"], email, password, name, access)


def everywhere(canaries: Canaries, document: dict[str, Any], tokens: dict[str, str]) -> None:
    """Sends canaries in every field and parameter of every route, as each kind of caller."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in STREAMS or path.endswith(("/logout-all", "/end-all")):
                continue
            body = _body(canaries, document, operation)
            filled = path.replace("{", "").replace("}", "")
            if "{" in path:
                filled = path.split("{", maxsplit=1)[0] + canaries.secrets["made-up token"]
            params = {"search": canaries.personal["search"], "cursor": canaries.secrets["made-up token"]}
            for token in tokens.values():
                canaries.call(
                    method.upper(),
                    filled,
                    token=token,
                    json=body,
                    params=params if method == "get" else None,
                )


def _body(canaries: Canaries, document: dict[str, Any], operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {
        name: canaries.of_field(name)
        for name, field in schema.get("properties", {}).items()
        if field.get("type", "string") == "string"
    }


def outputs(system: System, collector: Collector) -> Iterator[tuple[str, bytes]]:
    """Yields the output of every process."""
    for log in sorted(Path(system.folder / "logs").glob("*.log*")):
        yield f"log {log.name}", log.read_bytes()
    for span in list(collector.spans):
        yield f"span {span.service}: {span.name}", span.text.encode()
    for service in system.services:
        answer = httpx.get(f"http://{system.http(service)}/metrics", headers=METRICS, timeout=20)
        yield f"metrics of {service}", answer.content


async def stored(url: str) -> list[tuple[str, bytes]]:
    """Returns everything that Redis stores."""
    found = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter():
            # DUMP gives the uncompressed bytes of every type.
            kept: Any = await redis.execute_command("DUMP", key)  # type: ignore[no-untyped-call]
            found.append((f"Redis {key!r}", bytes(key) + b" " + bytes(kept)))
        entries: Any = await redis.xrange("vestibule:events")
        found += [("stream", b"".join(fields.values())) for _, fields in entries]
    return found


@pytest.fixture(scope="module", name="sung")
def _sung(client: Client, mailbox: Mailbox, admin: User, collector: Collector) -> Canaries:
    """The canaries, after they were sent everywhere."""
    canaries = Canaries(client, secrets.token_hex(6))
    user = live(canaries, mailbox)
    document = json.loads(client.get("/openapi.json").text)
    # An admin of their own: what it does to itself must not affect others.
    tokens = {"stranger": canaries.secrets["made-up token"], "user": user.access_token}
    everywhere(canaries, document, tokens)
    canaries.call(
        "GET", "/api/users", token=admin.access_token, params={"search": canaries.personal["e-mail"]}
    )
    last = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
    client.get("/api/health", headers={"traceparent": last})
    collector.wait_for(last[3:35], lambda spans: len({span.service for span in spans}) > 1)
    return canaries


def test_no_output_has_a_canary(sung: Canaries, system: System, collector: Collector) -> None:
    """Logs, traces and metrics contain neither secrets nor personal data."""
    everything = list(outputs(system, collector))

    assert sung.calls > 80
    assert len(sung.secrets) > 15
    assert {where.partition(" ")[0] for where, _ in everything} == {"log", "span", "metrics"}
    assert leaks(everything, sung.secrets | sung.personal) == []


def test_neither_stream_nor_trail_has_a_canary(sung: Canaries, system: System) -> None:
    """Events contain no personal data; audit log and Redis contain no secret."""
    kept = asyncio.run(stored(system.redis_url))
    trail = [
        ("audit", str(row).encode()) for row in system.rows("SELECT a::text FROM auth.audit_events AS a")
    ]

    assert [where for where, _ in kept].count("stream") > 1
    assert trail
    assert leaks(kept, sung.secrets | sung.personal) == []
    assert leaks(trail, sung.secrets) == []


def test_the_search_would_have_found_them(sung: Canaries, system: System) -> None:
    """The same search finds a canary where it must be: in the answer to its user."""
    row = system.rows("SELECT u::text FROM users.users AS u WHERE u.email = $1", sung.personal["e-mail"])

    assert leaks([("users", str(row).encode())], {"e-mail": sung.personal["e-mail"]}) != []
