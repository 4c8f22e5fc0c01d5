"""The judge of bearer tokens for every program but auth-service, which asks its own Postgres."""

import asyncio
import contextvars

from prometheus_client import Counter

from chassis.errors import TokenRevoked, Unavailable
from chassis.grpc.errors import never_sent
from chassis.identity.api_key import is_api_key
from chassis.identity.api_key_judge import ApiKeyJudge
from chassis.identity.api_key_memory import ApiKeyMemory
from chassis.identity.authority import Authority
from chassis.identity.caller import NOBODY, Caller
from chassis.identity.claims import Claims
from chassis.identity.keys import REFRESH_SECONDS, KeyCache
from chassis.identity.revocation import RevocationSet
from chassis.identity.revocation_feed import EventSource, RevocationFeed
from chassis.identity.verifier import TokenVerifier

_INTROSPECTED = Counter(
    "tokens_introspected_total",
    "Tokens that auth-service was asked about, since the stream could not be read.",
)


class RevocationJudge:
    """Verifies an access token, then asks the revocations in memory. API keys are `ApiKeyJudge`'s.

    While the stream cannot be read, or auth-service may be cut off from it, each token is
    introspected as well: slower, never weaker. When auth-service gives no answer, nobody is
    let in; when no auth-service runs at all, nobody can have revoked anything either, and
    what the stream has brought goes on to count.

    Its wiring:

        judge = RevocationJudge(Authority(channel), issuer=…, audience=…)
        tail = Tail(…, on_event=judge.feed.on_event, on_lost=judge.feed.on_lost)
        lifecycle.begin("event tail", tail.run())
        lifecycle.begin("token judge", judge.run(tail))
        readiness.ask("token judge", lambda: judge.ready, waits_for=AUTHORITY)

    Attributes:
        feed: Keeps the revocations true; also takes the events of calls' answers.
        keys: The keys that verify tokens.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        issuer: str,
        audience: str,
        keys_refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._authority = authority
        self._revocations = RevocationSet()
        self._introspecting: dict[str, asyncio.Task[None]] = {}
        self.keys = KeyCache(authority.keys, refresh_seconds=keys_refresh_seconds)
        self._verifier = TokenVerifier(self.keys, issuer=issuer, audience=audience)
        api_keys = ApiKeyMemory()
        self.feed = RevocationFeed(self._revocations, api_keys, authority)
        self._api_keys = ApiKeyJudge(
            authority, api_keys, fresh=lambda: self.feed.fresh, holds=self._memory_holds
        )

    @property
    def ready(self) -> bool:
        """Whether keys and revocations have been fetched."""
        return self.keys.ready and self.feed.ready

    async def run(self, source: EventSource) -> None:
        """Fetches keys and revocations, and keeps the keys up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.start(source))
            tasks.create_task(self.keys.run())

    def recall(self, token: str) -> Claims | None:
        """Judges from memory alone; None when that takes a call of `judge`.

        Raises:
            TokenInvalid: it cannot be a token.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
        """
        if is_api_key(token):
            return self._api_keys.recall(token)
        claims = self._verifier.recall(token)
        if claims is None:
            return None
        if self._revocations.is_revoked(claims):
            raise TokenRevoked
        return claims if self.feed.fresh else None

    async def verify(self, token: str) -> Claims:
        """Returns the claims of an access token that is well signed and not known to be revoked.

        It asks auth-service nothing about the token. While the stream cannot be read the token
        may have been revoked all the same: `judge` says the last word.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: the keys that verify it cannot be had.
        """
        claims = await self._verifier.verify(token)
        if self._revocations.is_revoked(claims):
            raise TokenRevoked
        return claims

    async def judge(self, token: str, sender: Caller = NOBODY) -> Claims:
        """Returns the token's claims.

        Args:
            token: The token.
            sender: Who sent it, as far as that is known, for the audit.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: nobody can tell just now.
        """
        if is_api_key(token):
            return await self._api_keys.judge(token, sender)
        claims = await self.verify(token)
        if not self.feed.fresh:
            try:
                await self._introspect(token)
            except Unavailable as error:
                if not self._memory_holds(error):
                    raise
        return claims

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Has it audited that an API key was refused a method."""
        await self._api_keys.report_refusal(claims, method, sender)

    def _memory_holds(self, error: Unavailable) -> bool:
        """Whether nobody can have revoked anything that the stream has not brought."""
        return self.feed.readable and never_sent(error)

    async def _introspect(self, token: str) -> None:
        """Asks auth-service, once for all who ask about the same token at the same time."""
        task = self._introspecting.get(token)
        if task is None:
            # A context of its own: the first asker's deadline is not the others'.
            task = asyncio.create_task(self._authority.introspect(token), context=contextvars.Context())
            self._introspecting[token] = task
            _INTROSPECTED.inc()
            task.add_done_callback(lambda done: self._introspected(token, done))
        await asyncio.shield(task)

    def _introspected(self, token: str, task: "asyncio.Task[None]") -> None:
        del self._introspecting[token]
        if not task.cancelled():
            task.exception()  # Seen, even when everybody who asked has gone.
