"""Authenticates bearer tokens in every program but auth-service, which asks its own Postgres."""

import asyncio

from prometheus_client import Counter

from chassis.auth_client.api_key_authenticator import ApiKeyAuthenticator
from chassis.auth_client.api_key_cache import ApiKeyCache
from chassis.auth_client.client import SHARED_SECONDS, AuthClient
from chassis.auth_client.revocation_feed import EventSource, RevocationFeed
from chassis.auth_client.revocations import RevocationSet
from chassis.errors import TokenRevoked, Unavailable
from chassis.grpc.errors import never_sent
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.claims import Claims
from chassis.identity.keys import REFRESH_SECONDS, KeyCache
from chassis.identity.verifier import TokenVerifier, token_digest
from chassis.single_flight import SingleFlight

_INTROSPECTED = Counter(
    "tokens_introspected_total",
    "Tokens that auth-service was asked about: after a silence, or since the stream could not be read.",
)


class TokenAuthenticator:
    """Verifies an access token, then looks it up among the revocations; `ApiKeyAuthenticator` takes API keys.

    While the event stream cannot be read, or auth-service may be unable to write to it, each token is
    introspected as well: slower, but as strict. So is the first one after a silence, in which auth-service
    need not show that it can. If auth-service does not answer, the token is refused.
    If no auth-service runs at all, no token is revoked, and what was revoked before is on the stream
    (`chassis.events.early_publisher`): the revocations in memory decide, unless the last auth-service was
    seen to run without a way to the stream.

    Wiring:

        authenticator = TokenAuthenticator(AuthClient(channel), issuer=…, audience=…)
        tail = Tail(…, on_event=authenticator.feed.on_event, on_lost=authenticator.feed.on_lost)
        lifecycle.begin("event tail", tail.run())
        lifecycle.begin("token authenticator", authenticator.run(tail))
        readiness.ask("authenticator", lambda: authenticator.ready, waits_for=AUTH_SERVICE)

    Attributes:
        feed: Keeps the revocations up to date; also takes the events in responses of calls.
        keys: The public keys that verify tokens.
    """

    def __init__(
        self,
        client: AuthClient,
        *,
        issuer: str,
        audience: str,
        keys_refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._client = client
        self._revocations = RevocationSet()
        self._introspecting: SingleFlight[str, None] = SingleFlight(joined_for_seconds=SHARED_SECONDS)
        self.keys = KeyCache(client.keys, refresh_seconds=keys_refresh_seconds)
        self._verifier = TokenVerifier(self.keys, issuer=issuer, audience=audience)
        api_keys = ApiKeyCache()
        self.feed = RevocationFeed(self._revocations, api_keys, client)
        self._api_keys = ApiKeyAuthenticator(
            client, api_keys, is_fresh=lambda: self.feed.fresh, may_use_cache=self.may_use_memory
        )

    @property
    def ready(self) -> bool:
        """Whether keys and revocations have been fetched."""
        return self.keys.ready and self.feed.ready

    async def run(self, source: EventSource) -> None:
        """Fetches keys and revocations, and keeps both up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.start(source))
            tasks.create_task(self.feed.request_heartbeats())
            tasks.create_task(self.keys.run())

    def authenticate_cached(self, token: str) -> Claims | None:
        """Returns the token's claims if memory suffices; None when `authenticate` must be called.

        Raises:
            TokenInvalid: the token is malformed.
            TokenExpired: the token has expired.
            TokenRevoked: the token is revoked.
        """
        if is_api_key(token):
            return self._api_keys.authenticate_cached(token)
        return self.recall(token_digest(token))

    def recall(self, digest: bytes) -> Claims | None:
        """Returns the claims of an access token by its digest, as `authenticate_cached` does by the token.

        Raises:
            TokenExpired: the token has expired.
            TokenRevoked: the token is revoked.
        """
        claims = self._verifier.recall(digest)
        if claims is None:
            return None
        if self._revocations.is_revoked(claims):
            raise TokenRevoked
        return claims if self.feed.fresh else None

    async def verify(self, token: str) -> Claims:
        """Returns the claims of an access token with a good signature and no known revocation.

        It never introspects. While the event stream cannot be read the token may be revoked
        nevertheless; only `authenticate` finds that out.

        Raises:
            TokenInvalid: the token is malformed or was not issued by auth-service.
            TokenExpired: the token has expired.
            TokenRevoked: the token is revoked.
            Unavailable: the public keys cannot be fetched.
        """
        claims = await self._verifier.verify(token)
        if self._revocations.is_revoked(claims):
            raise TokenRevoked
        return claims

    async def authenticate(self, token: str, sender: Caller = ANONYMOUS) -> Claims:
        """Returns the token's claims.

        Args:
            token: An access token or an API key.
            sender: The client that sent it, for the audit.

        Raises:
            TokenInvalid: the token is malformed or was not issued by auth-service.
            TokenExpired: the token has expired.
            TokenRevoked: the token is revoked.
            Unavailable: auth-service cannot be asked, and must be.
        """
        if is_api_key(token):
            return await self._api_keys.authenticate(token, sender)
        claims = await self.verify(token)
        if not self.feed.fresh:
            try:
                await self._introspecting.run(token, lambda: self._introspect(token))
            except Unavailable as error:
                if not self.may_use_memory(error):
                    raise
        return claims

    def may_use_memory(self, error: Unavailable) -> bool:
        """Whether memory holds every revocation, since no auth-service runs that could revoke."""
        return self.feed.complete_without_auth_service and never_sent(error)

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Has auth-service audit that an API key was refused a method."""
        await self._api_keys.report_refusal(claims, method, sender)

    async def _introspect(self, token: str) -> None:
        _INTROSPECTED.inc()
        await self._client.introspect(token)
