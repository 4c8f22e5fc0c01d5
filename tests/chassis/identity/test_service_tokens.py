"""Service tokens: cheap, for one recipient, and not forgeable."""

import time
from typing import Any

import jwt
import pytest
from chassis.identity.service_keys import PrivateKey, ServiceKeys
from chassis.identity.service_tokens import ServiceTokens
from structlog.testing import capture_logs

from tests.fakes.service_keys import SHARED_KEY, service_keys, service_tokens

GATEWAY = service_keys("gateway").private_key
USERS = "user-service"


def test_name_is_proved() -> None:
    """Each service that trusts the key believes the name."""
    token = service_tokens("auth-service").mint(USERS)
    tokens = service_tokens(USERS)

    assert tokens.verify(token, USERS) == "auth-service"
    assert tokens.verify(token, USERS) == "auth-service"


def test_token_is_good_for_one_service() -> None:
    """The service that was called cannot call another in the caller's name."""
    token = service_tokens("gateway").mint(USERS)
    tokens = service_tokens("auth-service")

    assert tokens.verify(token, "auth-service") is None
    assert tokens.verify(token, USERS) == "gateway"
    assert tokens.verify(token, "auth-service") is None


def test_minted_seldom() -> None:
    """One token serves many calls to the same service."""
    tokens = service_tokens("auth-service")

    assert tokens.mint(USERS) is tokens.mint(USERS)
    assert tokens.mint(USERS) != tokens.mint("gateway")


def forge(
    key: PrivateKey | str = GATEWAY,
    algorithm: str = "ES256",
    kind: str | None = "vestibule-service+jwt",
    **changes: Any,
) -> str:
    """Returns a token like the gateway's, changed; a claim changed to None is left out."""
    now = int(time.time())
    claims = {"iss": "gateway", "aud": USERS, "iat": now, "exp": now + 60} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"typ": kind})


FORGED = [
    "",
    "x",
    "tökén",
    "e30.e30.",
    forge(service_keys("auth-service").private_key),
    forge(iss="user-service"),
    forge(iss="auth-service"),
    forge(iss="unknown-service"),
    forge(SHARED_KEY, "HS256"),
    forge("", "none"),
    forge(kind="JWT"),
    forge(aud="auth-service"),
    forge(aud=[USERS]),
    forge(aud="vestibule"),
    forge(exp=int(time.time()) - 60),
    forge(exp=2**62),
    forge(iat=int(time.time()) + 600, exp=int(time.time()) + 660),
    forge(iss=None),
    forge(aud=None),
    forge(iat=None),
    forge(exp=None),
]


@pytest.mark.parametrize("token", FORGED, ids=[str(number) for number in range(len(FORGED))])
def test_what_proves_nothing(token: str) -> None:
    """Another's key or name, another algorithm, audience or time; or a claim missing."""
    assert service_tokens(USERS).verify(token, USERS) is None
    assert service_tokens(USERS).verify(forge(), USERS) == "gateway"


def test_proof_expires_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was good once is not good for ever."""
    tokens = service_tokens(USERS)
    token = forge()
    before = tokens.verify(token, USERS)
    later = time.time() + 120
    monkeypatch.setattr(time, "time", lambda: later)

    assert before == "gateway"
    assert tokens._verified[token, USERS][1] < later


@pytest.mark.parametrize("age", [-120, 120])
def test_clocks_that_differ_are_named(age: int) -> None:
    """A genuine token of another time is refused, and the log says once whose clock to compare."""
    issued = int(time.time()) - age
    token = forge(iat=issued, exp=issued + 60)
    tokens = service_tokens(USERS)

    with capture_logs() as said:
        assert [tokens.verify(token, USERS) for _ in range(3)] == [None, None, None]

    assert [(line["issuer"], round(line["age_seconds"], -1)) for line in said] == [("gateway", age)]
    assert "set the clocks" in said[0]["event"]


def test_two_keys_count_while_one_replaces_the_other() -> None:
    """Old and new key prove the name until the old one is taken out of the trust folder."""
    old, new = service_keys("gateway").private_key, service_keys("health-aggregator").private_key
    both = {"gateway": (old.public_key(), new.public_key())}
    tokens = ServiceTokens(ServiceKeys(USERS, old, both))

    for key in (old, new):
        assert tokens.verify(ServiceTokens(ServiceKeys("gateway", key, both)).mint(USERS), USERS) == "gateway"
    after = ServiceTokens(ServiceKeys(USERS, old, {"gateway": (new.public_key(),)}))
    assert after.verify(forge(old), USERS) is None


def test_last_release_is_believed_only_while_its_key_is_set() -> None:
    """Both releases understand each other during an upgrade; unsetting the shared key ends that."""
    old = ServiceTokens(service_keys("gateway", shared_key=SHARED_KEY)).mint_shared()
    assert old is not None

    upgrading = ServiceTokens(service_keys(USERS, shared_key=SHARED_KEY))
    assert upgrading.verify_shared(old) == "gateway"
    assert upgrading.verify(old, USERS) is None
    assert (
        upgrading.verify_shared(forge("another key, but also long enough", "HS256", aud="vestibule")) is None
    )

    upgraded = service_tokens(USERS)
    assert upgraded.verify_shared(old) is None
    assert upgraded.mint_shared() is None
