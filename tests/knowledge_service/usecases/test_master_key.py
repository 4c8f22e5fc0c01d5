"""One master key follows another: what is stored is encrypted again, and hashes stay the same."""

import os
from datetime import timedelta

import pytest
from chassis.identity.caller import Caller
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
            assert await unit.documents.text(document.id)
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
    knowledge.units = PostgresUnitsOfWork(knowledge.pool, new)
    document = await knowledge.put(ada)
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
