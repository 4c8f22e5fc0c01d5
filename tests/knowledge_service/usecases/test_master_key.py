"""One master key follows another: what is stored is encrypted again, and hashes stay the same."""

import asyncio
import os
from datetime import timedelta

import pytest
from chassis.identity.caller import Caller
from chassis.postgres.master_keys import record_use
from chassis.startup_errors import StartupError
from cryptography.exceptions import InvalidTag
from knowledge_service.adapters.postgres.master_keys import FollowMasterKey, hash_key
from knowledge_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.usecases.documents import GetDocument
from prometheus_client import REGISTRY

from tests.knowledge_service.knowledge import MASTER_KEY, Knowledge
from tests.knowledge_service.usecases.following import Following

NEW = os.urandom(32)


def _waiting() -> float | None:
    return REGISTRY.get_sample_value("knowledge_rows_under_other_keys")


async def _opens_everything(following: Following, seal: TextSeal) -> None:
    """Reads every encrypted column with these keys."""
    units = PostgresUnitsOfWork(following.knowledge.pool, seal)
    assert following.source_id is not None
    async with units.statements() as unit:
        for document in await unit.documents.owned(following.owner.require_user_id(), None, 10):
            assert document.source_url is not None
            assert await unit.documents.with_text(document.id)
        rows = await following.knowledge.pool.fetch("SELECT id FROM knowledge.passages")
        labels = [f"user:{following.owner.user_id}"]
        assert len(await unit.passages.visible([row["id"] for row in rows], labels)) == len(rows) > 0
        assert await unit.sources.files(following.source_id)
        await following.knowledge.pool.execute("UPDATE knowledge.sources SET due_at = now()")
        assert await unit.sources.claim(timedelta(0))


async def test_everything_is_encrypted_again(following: Following) -> None:
    """While both keys are accepted; then the old one is needed no more."""
    pool = following.knowledge.pool
    (following.server.folder / "warfarin.md").write_text("# Warfarin\n\nGrapefruit raises its level.")
    await following.begin()
    hashing = await hash_key(pool, TextSeal(MASTER_KEY))
    follow = FollowMasterKey(pool, TextSeal(NEW, MASTER_KEY))

    # A document, its passage, the source, its file, and the key of hashes.
    assert await follow() == 5
    assert await follow() == 0
    assert _waiting() == 0

    await _opens_everything(following, TextSeal(NEW))
    with pytest.raises(InvalidTag):
        await _opens_everything(following, TextSeal(MASTER_KEY))
    assert await hash_key(pool, TextSeal(NEW)) == hashing
    with pytest.raises(StartupError, match="KNOWLEDGE_MASTER_KEYS_ACCEPTED"):
        await hash_key(pool, TextSeal(MASTER_KEY))


async def test_what_no_key_opens_is_counted(knowledge: Knowledge, ada: Caller) -> None:
    """And holds nothing else up: a key was removed too early, or a row was altered."""
    broken = await knowledge.put(ada)
    whole = await knowledge.put(ada)
    await knowledge.pool.execute(
        "UPDATE knowledge.documents SET sealed_text = sealed_title WHERE id = $1", broken.id
    )
    follow = FollowMasterKey(knowledge.pool, TextSeal(NEW, MASTER_KEY))

    assert await follow() == 4
    assert await follow() == 0

    assert _waiting() == 1
    get = GetDocument(PostgresUnitsOfWork(knowledge.pool, TextSeal(NEW)))
    assert (await get(caller=ada, document_id=whole.id))[0].title == "Notes"


async def test_a_process_that_still_writes_with_the_old_key(knowledge: Knowledge, ada: Caller) -> None:
    """Its rows are found, also the passages of a document that another process stored."""
    old, new = TextSeal(MASTER_KEY, NEW), TextSeal(NEW, MASTER_KEY)
    document = await Knowledge(knowledge.pool, seal=new).put(ada)
    await knowledge.pool.execute("UPDATE knowledge.documents SET indexed_version = 0")
    async with PostgresUnitsOfWork(knowledge.pool, old).transaction() as unit:
        row = await knowledge.pool.fetchrow("SELECT * FROM knowledge.passages")
        assert row is not None
        found = await unit.passages.visible([row["id"]], [f"user:{ada.user_id}"])
        passage = found[row["id"]].passage
        await unit.passages.replace(document.id, document.version, [passage])

    await FollowMasterKey(knowledge.pool, new)()

    assert _waiting() == 0
    async with PostgresUnitsOfWork(knowledge.pool, TextSeal(NEW)).statements() as unit:
        assert await unit.passages.visible([passage.id], [f"user:{ada.user_id}"])


async def test_of_two_processes_the_one_with_the_newer_key_encrypts(
    knowledge: Knowledge, ada: Caller
) -> None:
    """While both run, each accepts the other's key and both write; the old one rewrites nothing."""
    old, new = TextSeal(MASTER_KEY, NEW), TextSeal(NEW, MASTER_KEY)
    before, after = FollowMasterKey(knowledge.pool, old), FollowMasterKey(knowledge.pool, new)
    await record_use(knowledge.pool, "knowledge", old.key_id)
    await record_use(knowledge.pool, "knowledge", new.key_id)
    await record_use(knowledge.pool, "knowledge", old.key_id)
    for seal in (old, new):
        await Knowledge(knowledge.pool, seal=seal).put(ada)

    async with asyncio.timeout(60):
        first, second, third, fourth = await asyncio.gather(before(), after(), before(), after())
    rows = await knowledge.pool.fetch("SELECT sealed_with FROM knowledge.documents")

    # A document and its passage.
    assert (first, second + fourth, third) == (0, 2, 0)
    assert {row["sealed_with"] for row in rows} == {new.key_id}


async def test_after_a_rollback_the_old_key_encrypts(knowledge: Knowledge, ada: Caller) -> None:
    """Once no process writes with the newer one any more."""
    old, new = TextSeal(MASTER_KEY, NEW), TextSeal(NEW, MASTER_KEY)
    await record_use(knowledge.pool, "knowledge", old.key_id)
    await record_use(knowledge.pool, "knowledge", new.key_id)
    await Knowledge(knowledge.pool, seal=new).put(ada)
    follow = FollowMasterKey(knowledge.pool, old)
    assert await follow() == 0

    await knowledge.pool.execute(
        "UPDATE knowledge.master_keys SET last_used_at = now() - interval '3 minutes' WHERE key_id = $1",
        new.key_id,
    )

    assert await follow() == 2
