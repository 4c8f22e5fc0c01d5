"""Verifies access tokens: ES256 JWTs of our issuer, for our audience, with all our claims."""

import hashlib
import time
from collections import OrderedDict
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from prometheus_client import Counter, Gauge

from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.claims import ROLES, Claims
from chassis.identity.keys import KeyCache

ALGORITHM = "ES256"
LEEWAY_SECONDS = 30.0
TOKEN_LENGTH_MAX = 4_096
REMEMBERED_MAX = 100_000

_VERIFIED = Counter(
    "tokens_verified_total",
    "Tokens whose signature was computed, since they were not remembered.",
    ["outcome"],
)
_GOOD, _BAD = _VERIFIED.labels("good"), _VERIFIED.labels("bad")
_REMEMBERED = Gauge("tokens_remembered", "Tokens in memory that were verified before.")

_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "sid", "jti", "role"]
_Remembered = tuple[Claims, str, EllipticCurvePublicKey]


class TokenVerifier:
    """Says whether a token is genuine and in its time; revocation is another's question.

    A verified token is remembered by its digest until it expires or its key is withdrawn,
    the least recently used forgotten first.
    """

    def __init__(
        self,
        keys: KeyCache,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: float = LEEWAY_SECONDS,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        _REMEMBERED.set_function(lambda: len(self._remembered))

    def verify_cached(self, token: str) -> Claims | None:
        """Returns the claims of a token verified before; None when it must be verified.

        Raises:
            TokenInvalid: it cannot be a token.
            TokenExpired: it has lived its time since.
        """
        digest = _digest(token)
        remembered = self._remembered.get(digest)
        if remembered is None:
            return None
        claims, kid, key = remembered
        if self._keys.get(kid) is not key:
            del self._remembered[digest]
            return None
        if time.time() >= claims.expires_at + self._leeway_seconds:
            del self._remembered[digest]
            raise TokenExpired
        self._remembered.move_to_end(digest)
        return claims

    async def verify(self, token: str) -> Claims:
        """Returns a token's claims.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            Unavailable: its key is not known and cannot be asked for.
        """
        claims = self.verify_cached(token)
        if claims is not None:
            return claims
        kid = _key_id(token)
        key = self._keys.get(kid) or await self._keys.find(kid)
        try:
            claims = self._check(token, key)
        except ServiceError:
            _BAD.inc()
            raise
        _GOOD.inc()
        self._remembered[_digest(token)] = (claims, kid, key)
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)
        return claims

    def _check(self, token: str, key: EllipticCurvePublicKey) -> Claims:
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": _REQUIRED, "strict_aud": True},
            )
            # PyJWT also takes a list that holds the issuer; ours is one string.
            if payload["iss"] != self._issuer:
                raise TokenInvalid
            return _claims(payload)
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid from error


def _digest(token: str) -> bytes:
    if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
        raise TokenInvalid
    return hashlib.sha256(token.encode()).digest()


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenInvalid from error
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str) or not kid:
        raise TokenInvalid
    return kid


def _claims(payload: dict[str, Any]) -> Claims:
    role = payload["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise TokenInvalid
    return Claims.of_access_token(
        user_id=_identifier(payload["sub"]),
        role=role,
        session_id=_identifier(payload["sid"]),
        token_id=_identifier(payload["jti"]),
        expires_at=int(payload["exp"]),
        must_enrol="enrol" in payload,
        auth_time=_auth_time(payload),
    )


def _auth_time(payload: dict[str, Any]) -> int:
    """Returns when the user last proved who they are; tokens of the release before do not say."""
    value = payload.get("auth_time", 0)
    if type(value) is not int or value < 0:
        raise TokenInvalid
    return value


def _identifier(value: object) -> UUID:
    if not isinstance(value, str):
        raise TokenInvalid
    identifier = UUID(value)
    # `UUID` takes braces and `urn:`; ours have one spelling.
    if str(identifier) != value:
        raise TokenInvalid
    return identifier
