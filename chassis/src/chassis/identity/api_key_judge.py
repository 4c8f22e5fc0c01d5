"""The judge of API keys for every program but auth-service: it asks, and remembers for a while."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeAlias

import structlog

from chassis.errors import ServiceError, TokenInvalid, Unavailable
from chassis.identity.api_key import prefix_of
from chassis.identity.api_key_memory import ApiKeyMemory
from chassis.identity.authority import Authority, in_the_name_of
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims

log = structlog.get_logger()

_Asked: TypeAlias = tuple[bytes, int]


class ApiKeyJudge:
    """Judges keys by what auth-service says.

    Args:
        authority: The client of auth-service.
        memory: Remembers good keys; whoever hears of revocations must tell it.
        fresh: Whether every revocation older than a second has been heard of. While it
            has not, auth-service is asked about every request.
        holds: Whether what is remembered counts although auth-service could not be asked.
    """

    def __init__(
        self,
        authority: Authority,
        memory: ApiKeyMemory,
        *,
        fresh: Callable[[], bool],
        holds: Callable[[Unavailable], bool],
    ) -> None:
        self._authority = authority
        self._memory = memory
        self._fresh = fresh
        self._holds = holds
        self._asking: dict[_Asked, asyncio.Task[Claims]] = {}

    def recall(self, key: str) -> Claims | None:
        """Returns what memory knows of a key; None when auth-service must be asked.

        Raises:
            TokenInvalid: it cannot be a key.
        """
        if prefix_of(key) is None:
            raise TokenInvalid
        return self._memory.recall(_digest(key)) if self._fresh() else None

    async def judge(self, key: str, sender: Caller) -> Claims:
        """Returns what a key lets its bearer do.

        Args:
            key: The key.
            sender: Who sent it, as far as that is known, for the audit.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back, or its person is deactivated.
            Unavailable: nobody can tell just now.
        """
        claims = self.recall(key)
        if claims is not None:
            return claims
        digest = _digest(key)
        try:
            return await self._ask(digest, key, sender)
        except Unavailable as error:
            known = self._memory.recall(digest) if self._holds(error) else None
            if known is None:
                raise
            return known

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Tells auth-service that a key was refused a method, for the audit.

        The refusal stands whether or not auth-service can be told.
        """
        try:
            await in_the_name_of(sender, lambda: self._authority.report_refused_key(claims.token_id, method))
        except ServiceError as error:
            log.warning("refused API key not audited", key_id=str(claims.token_id), reason=error.reason)

    async def _ask(self, digest: bytes, key: str, sender: Caller) -> Claims:
        """Asks auth-service, once for all who ask about the same key between the same revocations."""
        asked = (digest, self._memory.revocations)
        task = self._asking.get(asked)
        if task is None:
            task = in_the_name_of(sender, lambda: self._introspect(digest, key))
            self._asking[asked] = task
            task.add_done_callback(lambda done: self._answered(asked, done))
        return await asyncio.shield(task)

    async def _introspect(self, digest: bytes, key: str) -> Claims:
        question = self._memory.begin()
        claims, good_for_seconds = await self._authority.introspect_key(key)
        self._memory.keep(question, digest, claims, good_for_seconds=good_for_seconds)
        return claims

    def _answered(self, asked: _Asked, task: "asyncio.Task[Claims]") -> None:
        del self._asking[asked]
        if not task.cancelled():
            task.exception()  # Seen, even when everybody who asked has gone.


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
