"""Idempotent requests: the first response is stored, and replayed to the client that repeats its request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from chassis.component import Component
from chassis.errors import IdempotencyKeyReused, StoredResponseExpired, Unavailable
from chassis.idempotency.record import (
    IdempotencyKey,
    IdempotencyRecord,
    IdempotentUnit,
    IdempotentUnits,
    Request,
    ResponseSeal,
    SecretHasher,
)
from chassis.identity.caller import Caller
from chassis.ids import uuid7

_POLL_SECONDS = 0.05
_MARGIN_SECONDS = 0.5


class RunOnce(Component):
    """Runs a request once per idempotency key, and replays its response to a retry with the same secret.

    The response is stored after the change has committed and before it is sent. A process that dies in
    between leaves a record without a response, which the next retry takes over: by the record's id or its
    outcome the use case sees that the change has been made.

    Attributes:
        units: Where the records are.
        seal: Encrypts the responses.
        hasher: Hashes the secrets of requests; None for a service whose requests have none.
    """

    units: IdempotentUnits
    seal: ResponseSeal
    hasher: SecretHasher | None = None

    async def __call__(
        self,
        *,
        caller: Caller,
        client_key: str,
        request: Request,
        seconds: float,
        run: Callable[[IdempotencyRecord], Awaitable[tuple[bytes, bool]]],
    ) -> tuple[bytes, bool]:
        """Runs the request, or replays its response.

        Args:
            caller: Who sends the request.
            client_key: The client's `Idempotency-Key`.
            request: The request.
            seconds: How long it may take.
            run: Runs the request; returns the response and whether it is final: one that only asks to
                try again is not stored.

        Returns:
            The response, and whether it is a replay.

        Raises:
            IdempotencyKeyReused: The key was used with another request, or with another secret.
            StoredResponseExpired: What the response gave has ended since, or too many retries had a wrong
                secret.
            Unavailable: The first request is still running, or too many passwords wait to be hashed.
        """
        keys = self.seal.keys(caller, client_key, request)
        key, secret_hash = await self._recognize(keys, request.secret)
        record, stored = await self._take_over(key, request.secret, secret_hash, seconds)
        if stored is not None:
            return stored, True
        is_stored = False
        try:
            response, is_final = await run(record)
            if is_final:
                async with self.units.statements() as unit:
                    is_stored = await unit.idempotency.store_response(
                        key.name, self.seal.seal(key.name, response)
                    )
        finally:
            if not is_stored:
                # Also when the caller has hung up: a retry must not wait for a request that is gone.
                await asyncio.shield(self._release(key))
        return response, False

    async def _recognize(
        self, keys: Sequence[IdempotencyKey], secret: str | None
    ) -> tuple[IdempotencyKey, str | None]:
        """Returns the key by the name under which it is stored, and the stored hash that the secret matches.

        A client that is not signed in is recognized by its address, and at another address by its secret.
        While one master key replaces another, a key may be stored under the name that the former gives it.
        """
        newest = keys[0]
        if len(keys) == 1 and newest.shared_name is None and secret is None:
            return newest, None
        for key in keys:
            async with self.units.statements() as unit:
                found = await unit.idempotency.find(key)
            for record in found:
                if record.name == key.name:
                    # Whether the request and the secret are the same is checked when it is taken over.
                    return key, None
                if await self._matches(record, secret):
                    return replace(key, name=record.name), record.secret_hash
        return newest, None if secret is None else await self._hasher.hash(secret)

    async def _take_over(
        self, key: IdempotencyKey, secret: str | None, secret_hash: str | None, seconds: float
    ) -> tuple[IdempotencyRecord, bytes | None]:
        """Returns the record, and its stored response; None when the request is to be run."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds - _MARGIN_SECONDS
        while True:
            async with self.units.statements() as unit:
                record = await unit.idempotency.begin(key, uuid7(), timedelta(seconds=seconds), secret_hash)
            record = replace(record, key_number=key.key_number)
            if record.fingerprint != key.fingerprint:
                raise IdempotencyKeyReused.on("Idempotency-Key", "was used with another request")
            if record.is_exhausted:
                raise StoredResponseExpired
            if record.secret_hash != secret_hash:
                # The key is in use: its response is for that secret alone.
                await self._require_secret(record, key, secret)
                secret_hash = record.secret_hash
            if record.is_ended and key.user_id is not None:
                raise StoredResponseExpired
            if record.is_ours:
                return record, None
            if record.sealed_answer is not None:
                return record, self.seal.open(key.name, record.sealed_answer)
            if loop.time() >= until:
                raise Unavailable
            await asyncio.sleep(_POLL_SECONDS)

    async def _require_secret(
        self, record: IdempotencyRecord, key: IdempotencyKey, secret: str | None
    ) -> None:
        is_same = False
        try:
            is_same = await self._matches(replace(record, name=key.name), secret)
        finally:
            if not is_same and record.is_ours:
                await self._release(key)
        if not is_same:
            raise IdempotencyKeyReused.on("Idempotency-Key", "was used with another request")

    async def _matches(self, record: IdempotencyRecord, secret: str | None) -> bool:
        """Whether the secret is the first request's; counts those that are not."""
        if secret is None or record.secret_hash is None:
            return secret is None and record.secret_hash is None
        if await self._hasher.verify(record.secret_hash, secret):
            return True
        async with self.units.statements() as unit:
            await unit.idempotency.count_wrong_secret(record.name)
        return False

    @property
    def _hasher(self) -> SecretHasher:
        assert self.hasher is not None, "IdempotencyInterceptor refuses such methods at start-up"  # noqa: S101
        return self.hasher

    async def _release(self, key: IdempotencyKey) -> None:
        async with self.units.statements() as unit:
            await unit.idempotency.release(key.name)


def recorded_outcome(idempotency: IdempotencyRecord | None) -> UUID | None:
    """Returns the id of what an earlier attempt made or changed, whose response was lost."""
    return None if idempotency is None else idempotency.outcome


async def record_outcome(unit: IdempotentUnit, idempotency: IdempotencyRecord | None, outcome: UUID) -> None:
    """Records, in the transaction of the change, what it made, so that a retry does not make it again.

    Raises:
        Unavailable: A previous attempt, presumed dead, already committed; the next retry returns its result.
    """
    if idempotency is not None and not await unit.idempotency.record_outcome(idempotency.attempt_id, outcome):
        raise Unavailable
