"""Bearer tokens that auth-service did not sign for this system, or that have expired, get the exact error."""

import base64
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.api.descriptors import load
from gateway.api.routes import compile_routes
from vestibule.api.v1 import options_pb2
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.system.client import Client, User
from tests.system.running_system import System

_ID = "0192f1c4-7b1a-7c00-8000-000000000000"
_ROUTES = [
    (route.policy.descriptor.client_streaming, route.method, re.sub(r"{\w+}", _ID, route.template))
    for route in compile_routes(load().services)
    if route.policy.access != options_pb2.ACCESS_PUBLIC
]
PROTECTED = [(method, path) for is_socket, method, path in _ROUTES if not is_socket]
"""Every route of the descriptors that needs a token, but WebSockets."""

SOCKETS = [path for is_socket, _, path in _ROUTES if is_socket]
"""The WebSockets that need one; without an upgrade they are 426."""


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer e30.e30.e30"}], ids=["none", "unsigned"])
def test_no_socket_without_a_token(base_url: str, path: str, headers: dict[str, str]) -> None:
    """The upgrade is refused."""
    url = base_url.replace("http", "ws", 1) + path

    with pytest.raises(InvalidStatus) as caught, connect(url, additional_headers=headers, proxy=None):
        pass

    assert caught.value.response.status_code == 401


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_no_token(client: Client, method: str, path: str) -> None:
    """Without a token the answer does not even say whether the request is well formed."""
    answer = client.call(method, path)

    assert answer.outcome == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_unsigned_token(client: Client, ada: User, method: str, path: str) -> None:
    """No protected route accepts an unsigned token."""
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    answer = client.call(method, path, token=_unsigned(claims, {"alg": "none", "typ": "JWT"}))

    assert answer.outcome == (401, "TOKEN_INVALID")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("value", ["", "Bearer", "Basic YTpi", "Token abc", "bearer"])
def test_no_bearer(client: Client, value: str) -> None:
    """Another scheme, or none, is not a bearer token."""
    answer = client.get("/api/users/me", headers={"authorization": value})

    assert answer.outcome == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_scheme_in_any_case(client: Client, ada: User, scheme: str) -> None:
    """The scheme's case does not matter (RFC 9110)."""
    answer = client.get("/api/users/me", headers={"authorization": f"{scheme} {ada.access_token}"})

    assert answer.status == 200


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "..", "e30.e30.e30", "x" * 5000, "a b", "\xff\xfe", "null", "eyJhbGciOiJFUzI1NiJ9..AAAA"],
    ids=lambda token: repr(token[:12]),
)
def test_nonsense(client: Client, token: str) -> None:
    """What is not a JWT is an invalid token."""
    answer = client.get("/api/users/me", headers={"authorization": b"Bearer " + token.encode("latin-1")})

    assert answer.outcome == (401, "TOKEN_INVALID")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_altered(client: Client, ada: User, part: int) -> None:
    """A token with any byte changed is invalid."""
    parts = ada.access_token.split(".")
    content = bytearray(_decode(parts[part]))
    content[len(content) // 2] ^= 1
    parts[part] = _encode(bytes(content))

    assert client.who(".".join(parts)).outcome == (401, "TOKEN_INVALID")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_signed_by_the_public_key(client: Client, ada: User, algorithm: str) -> None:
    """The public key is not accepted as an HMAC secret, in any format."""
    (key, *_) = client.get("/.well-known/jwks.json").body["keys"]
    public = jwt.PyJWK(key).key
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(key).encode(),
    ]
    for secret in secrets:
        token = _hmac(claims, {"alg": algorithm, "typ": "JWT", "kid": key["kid"]}, secret, algorithm)

        assert client.who(token).outcome == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "extra", [{}, {"jku": "http://127.0.0.1:9/jwks.json"}, {"x5u": "http://127.0.0.1:9/"}]
)
@pytest.mark.parametrize("known_kid", [True, False])
def test_signed_by_a_stranger(client: Client, ada: User, known_kid: bool, extra: dict[str, str]) -> None:
    """Another key's signature is invalid, whatever `kid` it claims and whatever key URL it names."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    kid = jwt.get_unverified_header(ada.access_token)["kid"] if known_kid else "stranger"
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    token = jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": kid, **extra})

    assert client.who(token).outcome == (401, "TOKEN_INVALID")


def test_key_in_the_token(client: Client, ada: User) -> None:
    """A key inside the token is ignored."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    key = jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    kid = jwt.get_unverified_header(ada.access_token)["kid"]
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    token = jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": kid, "jwk": key})

    assert client.who(token).outcome == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "http://127.0.0.1:1"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "another"}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"sub": "1"}, "TOKEN_INVALID"),
        ({"sid": None}, "TOKEN_INVALID"),
        ({"role": None}, "TOKEN_INVALID"),
        ({"role": "root"}, "TOKEN_INVALID"),
        ({"jti": None}, "TOKEN_INVALID"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"exp": "soon"}, "TOKEN_INVALID"),
        ({"iat": None}, "TOKEN_INVALID"),
        ({"exp": -31}, "TOKEN_EXPIRED"),
        ({"exp": -86_400}, "TOKEN_EXPIRED"),
        ({"exp": -20}, None),
        ({}, None),
    ],
    ids=str,
)
def test_claims_of_a_good_signature(
    client: Client, system: System, ada: User, change: Mapping[str, Any], code: str | None
) -> None:
    """A valid signature does not help claims of another issuer, audience, user or time.

    Clocks may differ by 30 s. Times in the table are seconds from now.
    """
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    for name, value in change.items():
        if value is None:
            del claims[name]
        else:
            claims[name] = int(time.time()) + value if isinstance(value, int) else value
    answer = client.who(system.sign(claims))

    assert code == answer.code


def test_kid_of_no_key(client: Client, system: System, ada: User) -> None:
    """A valid signature with an unknown `kid`, or none, is invalid."""
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})

    assert client.who(system.sign(claims, kid="../../dev/null")).outcome == (401, "TOKEN_INVALID")
    assert client.who(system.sign(claims, kid=None)).outcome == (401, "TOKEN_INVALID")


def test_role_in_the_token_is_signed(client: Client, ada: User) -> None:
    """No user becomes an admin by editing the token."""
    header, payload, signature = ada.access_token.split(".")
    claims = {**json.loads(_decode(payload)), "role": "admin"}
    token = ".".join((header, _encode(json.dumps(claims).encode()), signature))

    assert client.get("/api/users", token=token).outcome == (401, "TOKEN_INVALID")


def test_token_of_an_unknown_user(client: Client, system: System, ada: User) -> None:
    """A token for a user who never existed is refused."""
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    claims["sub"] = str(uuid.UUID(_ID))
    answer = client.who(system.sign(claims))

    assert answer.outcome in {(401, "TOKEN_INVALID"), (401, "TOKEN_REVOKED"), (404, "NOT_FOUND")}


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _unsigned(claims: Mapping[str, Any], header: Mapping[str, str]) -> str:
    return ".".join((_encode(json.dumps(header).encode()), _encode(json.dumps(claims).encode()), ""))


def _hmac(claims: Mapping[str, Any], header: Mapping[str, str], secret: bytes, algorithm: str) -> str:
    """Signs as a careless library would: PyJWT itself refuses to use a public key as a secret."""
    signer = jwt.algorithms.HMACAlgorithm(
        {
            "HS256": jwt.algorithms.HMACAlgorithm.SHA256,
            "HS384": jwt.algorithms.HMACAlgorithm.SHA384,
            "HS512": jwt.algorithms.HMACAlgorithm.SHA512,
        }[algorithm]
    )
    signed = ".".join((_encode(json.dumps(header).encode()), _encode(json.dumps(claims).encode())))
    return f"{signed}.{_encode(signer.sign(signed.encode(), secret))}"
