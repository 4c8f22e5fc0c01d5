"""No token passes that auth-service has not signed for us, and no good one is refused."""

import base64
import hashlib
import hmac
import time
from typing import Any

import jwt
import pytest
from chassis.errors import ServiceError, TokenExpired, TokenInvalid, Unavailable
from chassis.identity.keys import KeyCache
from chassis.identity.verifier import TokenVerifier
from chassis.ids import unix_milliseconds, uuid7
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.chassis.identity.tokens import AUDIENCE, ISSUER, KID, assembled, new_key, payload, sign

KEY = new_key()
OTHER_KEY = new_key()
RSA_KEY = rsa.generate_private_key(65537, 2048)


class Published:
    """What auth-service publishes, changed as a test likes."""

    def __init__(self) -> None:
        self.keys: dict[str, EllipticCurvePublicKey] = {KID: KEY.public_key()}

    async def fetch(self) -> dict[str, EllipticCurvePublicKey]:
        return dict(self.keys)


def new_verifier(published: Published | None = None, **options: Any) -> TokenVerifier:
    keys = KeyCache((published or Published()).fetch)
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, **options)


async def test_good_token() -> None:
    """Its claims come out, typed."""
    claims = payload(role="admin")
    verified = await new_verifier().verify(sign(KEY, claims))

    assert (claims["sub"], claims["sid"], claims["jti"], "admin", claims["exp"]) == (
        str(verified.user_id),
        str(verified.session_id),
        str(verified.token_id),
        verified.role,
        verified.expires_at,
    )
    assert unix_milliseconds(verified.token_id) == verified.issued_at_milliseconds


def forgeries() -> dict[str, str]:
    """Returns tokens that must not pass, by what is wrong with them."""
    good = sign(KEY)
    header, body, signature = good.split(".")
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other_body = sign(KEY, payload(role="admin")).split(".")[1]
    plain = {"alg": "ES256", "typ": "JWT", "kid": KID}
    return {
        "empty": "",
        "one part": header,
        "two parts": f"{header}.{body}",
        "four parts": f"{good}.x",
        "five parts": ".".join([header, *[body] * 4]),
        "dots": "..",
        "not base64": "!.!.!",
        "not ascii": "tökén",
        "surrogate": "\ud800",
        "nul": good + "\0",
        "white space": good.replace(".", " ."),
        "alg none": assembled(plain | {"alg": "none"}, payload()),
        "alg None": assembled(plain | {"alg": "None"}, payload()),
        "alg nOnE with signature": assembled(plain | {"alg": "nOnE"}, payload(), b"x" * 64),
        "no alg": assembled({"kid": KID}, payload(), b"x" * 64),
        "alg a list": assembled(plain | {"alg": ["ES256"]}, payload(), b"x" * 64),
        "HS256 with the public key": _with_hmac(public),
        "HS256 with an empty key": assembled(plain | {"alg": "HS256"}, payload(), b"x" * 32),
        "RS256": sign(RSA_KEY, algorithm="RS256"),
        "ES384": sign(ec.generate_private_key(ec.SECP384R1()), algorithm="ES384"),
        "ES256K": sign(ec.generate_private_key(ec.SECP256K1()), algorithm="ES256K"),
        "another issuer's key": sign(OTHER_KEY),
        "key in the header": assembled(
            plain | {"jwk": {"kty": "EC"}, "jku": "http://evil"}, payload(), b"x" * 64
        ),
        "unsigned": f"{header}.{body}.",
        "zero signature": f"{header}.{body}." + "A" * 86,
        "signature cut": good[:-4],
        "signature in DER": _in_der(good),
        "payload not encoded": assembled(plain | {"b64": False, "crit": ["b64"]}, payload(), b"x" * 64),
        "signature of another body": f"{header}.{other_body}.{signature}",
        "kid missing": sign(KEY, kid=None),
        "kid empty": sign(KEY, kid=""),
        "kid a number": assembled(plain | {"kid": 1}, payload(), b"x" * 64),
        "kid a path": sign(KEY, kid="../../dev/null"),
        "kid unknown": sign(KEY, kid="key-2"),
        "critical extension": jwt.encode(
            payload(), KEY, "ES256", headers={"kid": KID, "crit": ["x"], "x": 1}
        ),
        "header a list": assembled([], payload(), b"x" * 64),
        "header deep": assembled(_deep(300), payload(), b"x" * 64),
        "body a list": jwt.PyJWS().encode(b"[]", KEY, "ES256", headers={"kid": KID}),
        "body no json": jwt.PyJWS().encode(b"{", KEY, "ES256", headers={"kid": KID}),
        "body not utf-8": jwt.PyJWS().encode(b"\xff", KEY, "ES256", headers={"kid": KID}),
        "body deep": jwt.PyJWS().encode(b"[" * 2000, KEY, "ES256", headers={"kid": KID}),
        "too long": sign(KEY, payload(extra="x" * 4096)),
    }


def _with_hmac(public: bytes) -> str:
    unsigned = assembled({"alg": "HS256", "typ": "JWT", "kid": KID}, payload()).rstrip(".")
    signature = hmac.digest(public, unsigned.encode(), hashlib.sha256)
    return assembled({"alg": "HS256", "typ": "JWT", "kid": KID}, payload(), signature)


def _in_der(token: str) -> str:
    unsigned = token.rpartition(".")[0]
    signature = KEY.sign(unsigned.encode(), ec.ECDSA(hashes.SHA256()))
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _deep(levels: int) -> dict[str, Any]:
    return {"x": _deep(levels - 1)} if levels else {}


@pytest.mark.parametrize("name", forgeries())
async def test_forgeries(name: str) -> None:
    """None of the known tricks works."""
    with pytest.raises(TokenInvalid):
        await new_verifier().verify(forgeries()[name])


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("iss", "aud", "exp", "iat", "sub", "sid", "jti", "role")),
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": [ISSUER]},
        {"aud": "another"},
        {"aud": [AUDIENCE]},
        {"aud": ""},
        {"role": "root"},
        {"role": ["admin"]},
        {"role": ""},
        {"sub": "not a uuid"},
        {"sub": 7},
        {"sub": "{01890000-0000-7000-8000-000000000001}"},
        {"sub": "01890000000070008000000000000001"},
        {"sid": ""},
        {"jti": 7},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"iat": "now"},
        {"iat": time.time() + 3600},
        {"nbf": time.time() + 3600},
    ],
)
async def test_signed_but_not_for_us(changes: dict[str, Any]) -> None:
    """Our own key does not make a token good: a mail token is not an access token."""
    with pytest.raises(TokenInvalid):
        await new_verifier().verify(sign(KEY, payload(**changes)))


async def test_clocks_may_differ() -> None:
    """Half a minute of clock skew is accepted in both directions."""
    now = time.time()
    verifier = new_verifier()

    await verifier.verify(sign(KEY, payload(exp=int(now) - 20)))
    await verifier.verify(sign(KEY, payload(iat=int(now) + 20)))
    with pytest.raises(TokenExpired):
        await verifier.verify(sign(KEY, payload(exp=int(now) - 40)))


async def test_token_from_the_future_is_logged() -> None:
    """It is genuine, so a clock is wrong: users whose sign-in succeeds are refused. The log says so once."""
    verifier = new_verifier()
    with capture_logs() as said:
        for _ in range(3):
            with pytest.raises(TokenInvalid):
                await verifier.verify(sign(KEY, payload(iat=int(time.time()) + 60)))
        with pytest.raises(TokenInvalid):
            await verifier.verify(sign(OTHER_KEY, payload(iat=int(time.time()) + 60)))

    assert [(line["issuer"], round(line["age_seconds"], -1)) for line in said] == [(ISSUER, -60)]
    assert "set the clocks" in said[0]["event"]


async def test_remembered_until_it_expires() -> None:
    """Memory is faster than elliptic curves, not more forgiving."""
    verifier = new_verifier()
    token = sign(KEY)

    assert verifier.verify_cached(token) is None
    claims = await verifier.verify(token)
    assert claims is verifier.verify_cached(token)
    verifier._leeway_seconds = -1_000
    with pytest.raises(TokenExpired):
        verifier.verify_cached(token)


async def test_withdrawn_key() -> None:
    """A token of a key that is published no more is no good, remembered or not."""
    published = Published()
    keys = KeyCache(published.fetch, cooldown_seconds=0)
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE)
    token = sign(KEY)
    await verifier.verify(token)
    published.keys = {"key-2": OTHER_KEY.public_key()}
    await verifier.verify(sign(OTHER_KEY, kid="key-2"))

    assert verifier.verify_cached(token) is None
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)


async def test_cache_is_bounded() -> None:
    """The oldest token is evicted, and can be verified again."""
    verifier = new_verifier(entries_max=2)
    first, second, third = (sign(KEY) for _ in range(3))
    for token in (first, second, first, third):
        await verifier.verify(token)

    assert verifier.verify_cached(first) is None
    assert verifier.verify_cached(second) is not None
    assert verifier.verify_cached(third) is not None
    await verifier.verify(first)


async def test_expired_tokens_leave_the_cache() -> None:
    """Without being used again: a process holds the tokens of 15 minutes, however many it has seen."""
    verifier = new_verifier()
    for _ in range(3):
        await verifier.verify(sign(KEY, payload(exp=time.time() - 10)))
    verifier._leeway_seconds = 0

    lasting = sign(KEY)
    await verifier.verify(lasting)

    assert len(verifier._cache) == 1
    assert verifier.verify_cached(lasting) is not None


async def test_unknown_key_while_keys_cannot_be_fetched() -> None:
    """Without any keys a good token is not called a bad one."""

    async def fail() -> dict[str, EllipticCurvePublicKey]:
        raise Unavailable

    verifier = TokenVerifier(KeyCache(fail), issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(Unavailable):
        await verifier.verify(sign(KEY))


@given(st.data())
async def test_no_changed_token_passes(data: st.DataObject) -> None:
    """Whatever character is changed, the token is refused, or it says the very same."""
    token = sign(KEY, payload(sub="01890000-0000-7000-8000-000000000001"))
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from("ABCxyz019-_.=+/ ~"))
    changed = token[:position] + character + token[position + 1 :]
    try:
        claims = await new_verifier().verify(changed)
    except ServiceError:
        return

    # The last character of a base64 part holds bits that mean nothing.
    assert str(claims.user_id) == "01890000-0000-7000-8000-000000000001"
    assert changed == token or position == len(token) - 1


@given(st.text(max_size=200))
async def test_any_text(text: str) -> None:
    """Nothing that can be sent breaks the verifier."""
    with pytest.raises(TokenInvalid):
        await new_verifier().verify(text)


def test_ids_carry_their_time() -> None:
    """What revocations compare is in the id, to the millisecond."""
    assert unix_milliseconds(uuid7(1_700_000_000_123)) == 1_700_000_000_123
