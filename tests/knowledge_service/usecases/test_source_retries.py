"""Adding a source with an `Idempotency-Key`, on a real Postgres."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from ipaddress import ip_network

import pytest
from chassis.clock import SystemClock
from chassis.errors import StoredResponseExpired, Unavailable
from chassis.http.destinations import Destinations
from chassis.idempotency.record import IdempotencyKey, IdempotencyRecord
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.ids import uuid7
from chassis.postgres.idempotency import purge_responses
from knowledge_service.adapters.webdav import WebDavFolder
from knowledge_service.domain.source import Access
from knowledge_service.usecases.sources import CreateSource, DeleteSource

from tests.knowledge_service.knowledge import Knowledge, a_user

FOLDER = WebDavFolder(Destinations(allows_http=True, networks=(ip_network("127.0.0.0/8"),)))
ACCESS = Access("http://127.0.0.1/files/ada", "ada", "app-password")


async def test_a_lost_response(knowledge: Knowledge) -> None:
    """A retry returns the source of the first attempt; once that is deleted, nothing."""
    ada = a_user()
    create = partial(CreateSource(knowledge.units, FOLDER, SystemClock()), caller=ada, access=ACCESS)
    attempt = await _begin(knowledge, ada)
    source = await create(idempotency=attempt)
    retry = replace(attempt, outcome=source.id)

    assert (await create(idempotency=retry)).id == source.id
    with pytest.raises(Unavailable):
        await create(idempotency=attempt)
    assert await _count(knowledge, "sources") == 1

    await DeleteSource(knowledge.units, knowledge.remove_from_index)(caller=ada, source_id=source.id)
    with pytest.raises(StoredResponseExpired):
        await create(idempotency=retry)
    assert await _count(knowledge, "sources") == 0


async def test_stored_responses_are_deleted_with_their_user_and_after_a_day(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    old, _ = await _begin(knowledge, bob), await _begin(knowledge, bob)
    await _begin(knowledge, ada)

    knowledge.directory.erased.add(ada.require_user_id())
    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())
    assert await _count(knowledge, "attempts") == 2

    await knowledge.pool.execute(
        "UPDATE knowledge.attempts SET began_at = now() - interval '25 hours' WHERE attempt_id = $1",
        old.attempt_id,
    )
    assert await purge_responses(knowledge.pool, "knowledge") == 1
    assert await _count(knowledge, "attempts") == 1


async def _begin(knowledge: Knowledge, caller: Caller) -> IdempotencyRecord:
    key = IdempotencyKey(name=uuid7().bytes, fingerprint=b"asked", user_id=caller.user_id)
    async with knowledge.units.statements() as unit:
        return await unit.idempotency.begin(key, uuid7(), timedelta(seconds=5))


async def _count(knowledge: Knowledge, table: str) -> int:
    return int(await knowledge.pool.fetchval(f"SELECT count(*) FROM knowledge.{table}"))
