"""Keys and tokens as auth-service would make them, and as it never would."""

import base64
import json
import time
from typing import Any

import jwt
from chassis.ids import uuid7
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from vestibule.auth.v1.key_service_pb2 import JsonWebKey

ISSUER = "https://vestibule.example"
AUDIENCE = "vestibule"
KID = "key-1"


def new_key() -> EllipticCurvePrivateKey:
    """Makes a signing key."""
    return ec.generate_private_key(ec.SECP256R1())


def public_of(key: EllipticCurvePrivateKey) -> EllipticCurvePublicKey:
    """Returns the half that verifies."""
    return key.public_key()


def published(kid: str, key: EllipticCurvePrivateKey) -> JsonWebKey:
    """Returns a key as KeyService publishes it."""
    numbers = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return JsonWebKey(kty="EC", crv="P-256", x=x, y=y, kid=kid, use="sig", alg="ES256")


def payload(**changes: Any) -> dict[str, Any]:
    """Returns good claims, changed; a claim changed to None is left out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(uuid7()),
        "sid": str(uuid7()),
        "jti": str(uuid7()),
        "role": "user",
        "iat": now,
        "exp": now + 900,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def sign(key: Any, claims: dict[str, Any] | None = None, *, kid: Any = KID, algorithm: str = "ES256") -> str:
    """Returns a signed token with valid claims by default."""
    headers = {} if kid is None else {"kid": kid}
    body = json.dumps(payload() if claims is None else claims).encode()
    return jwt.PyJWS().encode(body, key, algorithm, headers=headers)


def encoded(raw: bytes) -> str:
    """Returns unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assembled(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Returns a token put together by hand."""
    return ".".join(
        [encoded(json.dumps(header).encode()), encoded(json.dumps(claims).encode()), encoded(signature)]
    )
