"""Authenticates API keys in every program but auth-service: asks auth-service, and caches its answers."""

import asyncio
import contextvars
import hashlib
from collections.abc import Callable

import structlog

from chassis.auth_client.api_key_cache import ApiKeyCache
from chassis.auth_client.client import SHARED_SECONDS, AuthClient
from chassis.errors import ServiceError, TokenInvalid, Unavailable
from chassis.grpc.call import Call, enter
from chassis.identity.api_key import prefix_of
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.single_flight import SingleFlight

log = structlog.get_logger()


class ApiKeyAuthenticator:
    """Authenticates API keys by auth-service's answers.

    Args:
        client: The client of auth-service.
        cache: Good keys; every revocation must evict from it.
        is_fresh: Whether every revocation older than a second is known. While it is not,
            auth-service is asked about every request.
        may_use_cache: Whether cached answers count although auth-service could not be asked.
    """

    def __init__(
        self,
        client: AuthClient,
        cache: ApiKeyCache,
        *,
        is_fresh: Callable[[], bool],
        may_use_cache: Callable[[Unavailable], bool],
    ) -> None:
        self._client = client
        self._cache = cache
        self._is_fresh = is_fresh
        self._may_use_cache = may_use_cache
        # Callers share an answer only between the same revocations.
        self._introspecting: SingleFlight[tuple[bytes, int], Claims] = SingleFlight(
            joined_for_seconds=SHARED_SECONDS
        )

    def authenticate_cached(self, key: str) -> Claims | None:
        """Returns a key's claims if the cache suffices; None when auth-service must be asked.

        Raises:
            TokenInvalid: the key is malformed.
        """
        if prefix_of(key) is None:
            raise TokenInvalid
        return self._cache.get(_digest(key)) if self._is_fresh() else None

    async def authenticate(self, key: str, sender: Caller) -> Claims:
        """Returns a key's claims.

        Args:
            key: The key.
            sender: The client that sent it, for the audit.

        Raises:
            TokenInvalid: the key is malformed or was not issued by auth-service.
            TokenExpired: the key has expired.
            TokenRevoked: the key is revoked, or its user is deactivated.
            Unavailable: auth-service cannot be asked, and must be.
        """
        claims = self.authenticate_cached(key)
        if claims is not None:
            return claims
        digest = _digest(key)
        try:
            return await self._introspecting.run(
                (digest, self._cache.revocations), lambda: self._introspect(digest, key, sender)
            )
        except Unavailable as error:
            cached = self._cache.get(digest) if self._may_use_cache(error) else None
            if cached is None:
                raise
            return cached

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Reports to auth-service that a key was refused a method, for the audit.

        The refusal stands whether or not the report arrives.
        """

        async def report() -> None:
            enter(Call(caller=sender))
            await self._client.report_refused_key(claims.token_id, method)

        try:
            # In an empty context: the deadline of the refused call is not the report's.
            await asyncio.create_task(report(), context=contextvars.Context())
        except ServiceError as error:
            log.warning("refusal of an API key not audited", key_id=str(claims.token_id), reason=error.reason)

    async def _introspect(self, digest: bytes, key: str, sender: Caller) -> Claims:
        enter(Call(caller=sender))
        lookup = self._cache.begin()
        claims, expires_in_seconds = await self._client.introspect_key(key)
        self._cache.put(lookup, digest, claims, expires_in_seconds=expires_in_seconds)
        return claims


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
