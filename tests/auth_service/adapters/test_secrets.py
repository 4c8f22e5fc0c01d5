"""Refresh tokens, sealed keys and access tokens."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import jwt
import pytest
from auth_service.adapters.hmac_secrets import HmacRefreshTokens, HmacThrottleKeys
from auth_service.adapters.jwt_signer import JwtSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey, public_key
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.proof import PASSWORD
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.tokens import AccessGrant
from auth_service.usecases.signing_keys import EnsureSigningKey
from chassis.errors import Unavailable
from chassis.identity.role import Role
from chassis.ids import unix_milliseconds, uuid7
from chassis.postgres.pool import Pool
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.auth_service.clock import FakeClock

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_999, tzinfo=UTC)
MASTER = MasterKey(b"m" * 32)


def test_refresh_tokens_come_back_as_they_were_written() -> None:
    """And the same session and counter give the same token."""
    tokens = HmacRefreshTokens(b"k" * 32)
    token = RefreshToken(session_id=uuid7(), counter=2**40)

    text = tokens.write(token)

    assert tokens.read(text) == token
    assert tokens.write(token) == text


def test_no_other_text_is_a_refresh_token() -> None:
    """Each altered byte, another key's token, another alphabet, another length."""
    tokens = HmacRefreshTokens(b"k" * 32)
    text = tokens.write(RefreshToken(session_id=uuid7(), counter=1))
    raw = base64.urlsafe_b64decode(text)
    altered = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    forged = [base64.urlsafe_b64encode(each).decode() for each in altered]
    other = HmacRefreshTokens(b"o" * 32).write(RefreshToken(session_id=uuid7(), counter=1))

    for wrong in [*forged, other, "", text[:-4], text + "AAAA", "\u00e9" * 76, text[:-1] + "!"]:
        assert tokens.read(wrong) is None


@given(st.text(max_size=120) | st.binary(max_size=90).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_text_is_no_refresh_token(text: str) -> None:
    """Nothing that can be sent breaks its reader."""
    assert HmacRefreshTokens(b"k" * 32).read(text) is None


def test_the_master_key_opens_what_it_sealed() -> None:
    """Only under its own name, only unaltered, only with the same master key."""
    key = MASTER.generate(NOON)

    assert MASTER.opened(key).public_key() == public_key(key)
    sealed = key.sealed_private_key
    for wrong in (replace(key, kid="other"), replace(key, sealed_private_key=sealed[:-1] + b"\0")):
        with pytest.raises(MasterKeyMismatch):
            MASTER.opened(wrong)
    with pytest.raises(MasterKeyMismatch, match="AUTH_MASTER_KEY"):
        MasterKey(b"x" * 32).check(key)


def test_derived_keys_reveal_nothing_of_one_another() -> None:
    """One purpose, one key, the same at every start."""
    assert MASTER.derived("a") == MasterKey(b"m" * 32).derived("a")
    assert len({MASTER.derived("a"), MASTER.derived("b"), b"m" * 32}) == 3


def test_names_of_accounts_and_clients_are_not_legible() -> None:
    """The same for the same, and without the key it is unknown whose."""
    names = HmacThrottleKeys(b"k" * 32)

    assert names("ada@example.com", "2001:db8::1") == names("ada@example.com", "2001:db8::2")
    assert names("ada@example.com", "192.0.2.1") != names("ada@example.com", "192.0.2.2")
    assert HmacThrottleKeys(b"o" * 32)("ada@example.com", "") != names("ada@example.com", "")


async def test_access_tokens_say_what_was_granted(pool: Pool) -> None:
    """ES256, the key's name, our claims and no others; the jti has Postgres' millisecond."""
    clock = FakeClock()
    units = PostgresUnitsOfWork(pool)
    ring = KeyRing(units, MASTER, clock)
    signer = JwtSigner(ring, "http://issuer.test", "vestibule")
    grant = AccessGrant(
        user_id=uuid7(), session_id=uuid7(), role=Role.ADMIN, at=NOON, auth_time=NOON, amr=PASSWORD
    )
    with pytest.raises(Unavailable):
        signer.sign(grant)
    await EnsureSigningKey(units, MASTER, clock)()
    await ring.load()

    token = signer.sign(grant)

    (kid, public), *more = ring.verifying().items()
    assert not more
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "JWT", "kid": kid}
    claims = jwt.decode(
        token,
        public,
        algorithms=["ES256"],
        audience="vestibule",
        options={"verify_exp": False, "verify_iat": False},
    )
    seconds = int(NOON.timestamp())
    assert unix_milliseconds(UUID(claims.pop("jti"))) == seconds * 1000 + 123
    assert claims == {
        "iss": "http://issuer.test",
        "aud": "vestibule",
        "sub": str(grant.user_id),
        "sid": str(grant.session_id),
        "role": "admin",
        "iat": seconds,
        "exp": seconds + 900,
        "auth_time": seconds,
        "amr": ["pwd"],
    }


async def test_the_ring_keeps_its_keys_when_reading_fails(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was good stays good."""
    clock = FakeClock()
    units = PostgresUnitsOfWork(pool)
    await EnsureSigningKey(units, MASTER, clock)()
    ring = KeyRing(units, MASTER, clock)
    await ring.load()

    def away(_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(pool, "acquire", away)
    with pytest.raises(Unavailable):
        await ring.load()

    assert ring.published()
