"""Services prove their names, cheaply, and nobody else can."""

import time
from typing import Any

import jwt
import pytest
from chassis.identity.service_tokens import ServiceTokens

KEY = "a key that all services of this test share"


def test_name_is_proved() -> None:
    """Whoever shares the key believes the name."""
    token = ServiceTokens(KEY, "auth-service").mint()
    tokens = ServiceTokens(KEY, "user-service")

    assert tokens.verify(token) == "auth-service"
    assert tokens.verify(token) == "auth-service"


def test_minted_seldom() -> None:
    """One token serves many calls."""
    tokens = ServiceTokens(KEY, "auth-service")

    assert tokens.mint() is tokens.mint()


def forge(key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    """Returns a token like a service's, changed; a claim changed to None is left out."""
    now = int(time.time())
    claims = {"iss": "gateway", "aud": "vestibule", "iat": now, "exp": now + 60} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "tökén",
        forge("another key, but also long enough"),
        forge(KEY * 2, "HS512"),
        forge("", "none"),
        forge(aud="another"),
        forge(aud=["vestibule"]),
        forge(exp=int(time.time()) - 60),
        forge(iss=None),
        forge(aud=None),
        forge(iat=None),
        forge(exp=None),
    ],
)
def test_what_proves_nothing(token: str) -> None:
    """Another key, algorithm, audience or time; or a claim missing."""
    assert ServiceTokens(KEY, "user-service").verify(token) is None


def test_proof_expires_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was good once is not good for ever."""
    tokens = ServiceTokens(KEY, "user-service")
    token = forge()
    before = tokens.verify(token)
    later = time.time() + 120
    monkeypatch.setattr(time, "time", lambda: later)

    assert before == "gateway"
    assert tokens._remembered[token][1] < later


def test_short_keys_are_refused() -> None:
    """A key that can be guessed is none."""
    with pytest.raises(ValueError, match="32 bytes"):
        ServiceTokens("short", "gateway")
