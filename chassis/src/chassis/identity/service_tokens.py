"""Service tokens: short-lived JWTs by which services authenticate to each other."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import jwt
import structlog

from chassis.clock import CLOCK_SKEW
from chassis.identity.service_keys import PublicKey, ServiceKeys

log = structlog.get_logger()

_Claims: TypeAlias = dict[str, Any]
_Sign: TypeAlias = Callable[[_Claims], str]

_ALGORITHM = "ES256"
_TYPE = "vestibule-service+jwt"
_LIFETIME_SECONDS = 60
_MINT_EVERY_SECONDS = 30
_LEEWAY_SECONDS = CLOCK_SKEW.total_seconds()
_ENTRIES_MAX = 1_000
_WARN_EVERY_SECONDS = 60

# The last release knows one secret that all services share and one audience.
_SHARED_ALGORITHM = "HS256"
_SHARED_AUDIENCE = "vestibule"

# Raised after the signature was found to be right.
_OUT_OF_TIME = (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError)

_DECODING: Any = {"require": ["iss", "aud", "exp", "iat"], "strict_aud": True}


class ServiceTokens:
    """Mints this service's tokens and verifies those of others.

    A token names its recipient (`aud`), which therefore cannot use it with another service. It is minted once
    per half minute and audience, and cached by the recipient, so that authenticating a service costs a
    dictionary look-up per call.

    Attributes:
        keys: This service's key, and the trusted ones.
    """

    def __init__(self, keys: ServiceKeys) -> None:
        self.keys = keys
        self._minted: dict[str, tuple[str, float]] = {}
        self._verified: dict[tuple[str, str], tuple[str, float]] = {}
        self._warned: dict[str, float] = {}

    @property
    def accepts_shared(self) -> bool:
        """Whether the last release's tokens are accepted: while `SERVICE_KEY` is set."""
        return self.keys.shared_key is not None

    def mint(self, audience: str) -> str:
        """Returns a token for a service that is valid for at least another half minute."""
        return self._fresh(audience, self._sign)

    def mint_shared(self) -> str | None:
        """Returns a token of the last release's format; None once that release is not accepted."""
        return self._fresh(_SHARED_AUDIENCE, self._sign_shared) if self.accepts_shared else None

    def verify(self, token: str, audience: str) -> str | None:
        """Returns the service that signed the token for `audience`; None if it is not valid."""
        return self._cached(token, audience) or self._cache_result(
            token, audience, self._signer(token, audience)
        )

    def verify_shared(self, token: str) -> str | None:
        """Returns the service in a token of the last release; None if it is not valid or not accepted."""
        if self.keys.shared_key is None:
            return None
        if (name := self._cached(token, _SHARED_AUDIENCE)) is not None:
            return name
        try:
            payload = _decoded(token, self.keys.shared_key, _SHARED_ALGORITHM, _SHARED_AUDIENCE)
        except _OUT_OF_TIME:
            return None
        return self._cache_result(token, _SHARED_AUDIENCE, payload)

    def _fresh(self, audience: str, sign: _Sign) -> str:
        now = time.monotonic()
        minted = self._minted.get(audience)
        if minted is not None and now - minted[1] < _MINT_EVERY_SECONDS:
            return minted[0]
        issued = int(time.time())
        payload = {
            "iss": self.keys.service,
            "aud": audience,
            "iat": issued,
            "exp": issued + _LIFETIME_SECONDS,
        }
        token = sign(payload)
        self._minted[audience] = (token, now)
        return token

    def _sign(self, payload: _Claims) -> str:
        return jwt.encode(payload, self.keys.private_key, _ALGORITHM, headers={"typ": _TYPE})

    def _sign_shared(self, payload: _Claims) -> str:
        return jwt.encode(payload, self.keys.shared_key or "", _SHARED_ALGORITHM)

    def _signer(self, token: str, audience: str) -> _Claims | None:
        """Returns the claims of a token if the service that it names has signed it."""
        try:
            if jwt.get_unverified_header(token).get("typ") != _TYPE:
                return None
            claims: _Claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return None
        named = claims.get("iss")
        for key in self.keys.keys_of(named) if isinstance(named, str) else ():
            try:
                payload = _decoded(token, key, _ALGORITHM, audience)
            except _OUT_OF_TIME:
                self._warn_of_clocks(str(named), claims["iat"])
                return None
            if payload is not None:
                return payload
        return None

    def _warn_of_clocks(self, service: str, issued: float) -> None:
        """Logs, once a minute per service, that its tokens are genuine but not of this time."""
        now = time.monotonic()
        if now - self._warned.get(service, -_WARN_EVERY_SECONDS) < _WARN_EVERY_SECONDS:
            return
        self._warned[service] = now
        log.warning(
            "service token is out of date: set the clocks of both nodes",
            issuer=service,
            age_seconds=round(time.time() - issued),
        )

    def _cached(self, token: str, audience: str) -> str | None:
        entry = self._verified.get((token, audience))
        return entry[0] if entry is not None and time.time() < entry[1] else None

    def _cache_result(self, token: str, audience: str, payload: _Claims | None) -> str | None:
        if payload is None:
            return None
        if len(self._verified) >= _ENTRIES_MAX:
            self._verified.clear()
        name = str(payload["iss"])
        self._verified[token, audience] = (name, float(payload["exp"]) + _LEEWAY_SECONDS)
        return name


def _decoded(token: str, key: PublicKey | str, algorithm: str, audience: str) -> _Claims | None:
    """Returns the claims of a token that `key` has signed.

    Raises:
        ExpiredSignatureError: it has signed the token, which has expired.
        ImmatureSignatureError: it has signed the token, which is of the future.
    """
    try:
        payload: _Claims = jwt.decode(
            token, key, algorithms=[algorithm], audience=audience, leeway=_LEEWAY_SECONDS, options=_DECODING
        )
    except _OUT_OF_TIME:
        raise
    except (jwt.PyJWTError, ValueError):
        return None
    # Refuses tokens with a longer lifetime than ours.
    return payload if payload["exp"] - payload["iat"] <= _LIFETIME_SECONDS else None
