"""Verifies access tokens: ES256 JWTs of our issuer, for our audience, with all our claims."""

import hashlib
import time
from typing import Any
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from prometheus_client import Counter, Gauge

from chassis.clock import CLOCK_SKEW
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.claims import Claims
from chassis.identity.keys import KeyCache
from chassis.identity.role import Role
from chassis.identity.token_cache import ENTRIES_MAX, TokenCache

log = structlog.get_logger()

ALGORITHM = "ES256"
LEEWAY_SECONDS = CLOCK_SKEW.total_seconds()
TOKEN_LENGTH_MAX = 4_096

_WARN_EVERY_SECONDS = 60.0

_VERIFIED = Counter(
    "tokens_verified_total",
    "Tokens whose signature was verified, because they were not cached.",
    ["outcome"],
)
_GOOD, _BAD = _VERIFIED.labels("good"), _VERIFIED.labels("bad")
_CACHED = Gauge("tokens_cache", "Verified tokens in the cache.")

_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "sid", "jti", "role"]


class TokenVerifier:
    """Verifies signature, claims and lifetime of tokens, not their revocation.

    Verified tokens are cached by digest until they expire or their key is retired; evicts the oldest.
    """

    def __init__(
        self,
        keys: KeyCache,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: float = LEEWAY_SECONDS,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._cache = TokenCache(entries_max=entries_max)
        self._warned = -_WARN_EVERY_SECONDS
        _CACHED.set_function(lambda: len(self._cache))

    def verify_cached(self, token: str) -> Claims | None:
        """Returns the claims of a cached token; None if it must be verified.

        Raises:
            TokenInvalid: the token is malformed.
            TokenExpired: the token has expired.
        """
        return self.recall(token_digest(token))

    def recall(self, digest: bytes) -> Claims | None:
        """Returns the claims of a cached token by its digest; None if it must be verified.

        Raises:
            TokenExpired: the token has expired.
        """
        entry = self._cache.get(digest)
        if entry is None:
            return None
        claims, (kid, key) = entry
        if self._keys.get(kid) is not key:
            self._cache.remove(digest)
            return None
        if claims.expires_at <= self._expired_until():
            self._cache.remove(digest)
            raise TokenExpired
        return claims

    async def verify(self, token: str) -> Claims:
        """Returns a token's claims.

        Raises:
            TokenInvalid: the token is malformed or was not issued by auth-service.
            TokenExpired: the token has expired.
            Unavailable: the token's key is unknown and keys cannot be fetched.
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
        self._cache.put(token_digest(token), claims, (kid, key))
        self._cache.remove_expired(self._expired_until())
        return claims

    def _expired_until(self) -> float:
        """Returns the Unix time until which a token must have expired to count as such."""
        return time.time() - self._leeway_seconds

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
            # PyJWT also accepts a list that contains the issuer; ours is one string.
            if payload["iss"] != self._issuer:
                raise TokenInvalid
            return _claims(payload)
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except jwt.ImmatureSignatureError as error:
            self._warn_of_clocks(token)
            raise TokenInvalid from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid from error

    def _warn_of_clocks(self, token: str) -> None:
        """Logs, at most once a minute, that a genuine token was issued in the future of this clock."""
        now = time.monotonic()
        if now - self._warned < _WARN_EVERY_SECONDS:
            return
        self._warned = now
        issued = int(jwt.decode(token, options={"verify_signature": False})["iat"])
        log.warning(
            "access token is from the future: set the clocks of both nodes",
            issuer=self._issuer,
            age_seconds=round(time.time() - issued),
        )


def token_digest(token: str) -> bytes:
    """Returns what a token is cached by.

    Raises:
        TokenInvalid: it is no token.
    """
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
    return Claims.of_access_token(
        user_id=_identifier(payload["sub"]),
        role=Role(payload["role"]),
        session_id=_identifier(payload["sid"]),
        token_id=_identifier(payload["jti"]),
        expires_at=int(payload["exp"]),
        must_enrol="enrol" in payload,
        auth_time=_auth_time(payload),
    )


def _auth_time(payload: dict[str, Any]) -> int:
    """Returns the time of the user's last authentication; 0 for tokens of the previous release."""
    value = payload.get("auth_time", 0)
    if type(value) is not int or value < 0:
        raise TokenInvalid
    return value


def _identifier(value: object) -> UUID:
    if not isinstance(value, str):
        raise TokenInvalid
    identifier = UUID(value)
    # `UUID` also accepts braces and `urn:`.
    if str(identifier) != value:
        raise TokenInvalid
    return identifier
