"""Erasing the documents of erased users."""

import asyncio

from chassis.identity.caller import ANONYMOUS
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases.erasure import EraseMissed
from structlog.testing import capture_logs

from chassis import jobs
from tests.chassis.waiting import until
from tests.knowledge_service.knowledge import Knowledge, a_user


async def test_documents_passages_and_vectors_go_with_their_owner(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    await knowledge.put(ada, visibility=Visibility.ROLE_USER)
    kept = await knowledge.put(bob)
    knowledge.directory.erased.add(ada.require_user_id())

    for _ in range(2):
        await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())

    assert await knowledge.found(bob) == {kept.id}
    assert await knowledge.indexed() == {kept.id}
    for table in ("documents", "passages"):
        assert await knowledge.pool.fetchval(f"SELECT count(*) FROM knowledge.{table}") == 1
    assert [each.action for each in await knowledge.audited()] == ["knowledge.share", "knowledge.erase"]


async def test_a_changed_user_keeps_the_documents(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada)

    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())

    assert await knowledge.found(ada) == {document.id}


async def test_a_killed_erasure_is_finished_in_the_background(knowledge: Knowledge) -> None:
    ada = a_user()
    await knowledge.put(ada)
    knowledge.directory.erased.add(ada.require_user_id())
    knowledge.index.is_down = True
    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())
    assert await knowledge.found(ada) == set()
    assert await knowledge.indexed()

    knowledge.index.is_down = False
    await knowledge.index_waiting()

    assert await knowledge.indexed() == set()


async def test_what_was_missed_is_erased_later(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    await knowledge.put(ada)
    kept = await knowledge.put(bob)
    knowledge.directory.erased.add(ada.require_user_id())

    await EraseMissed(knowledge.units, knowledge.erase_if_erased)()

    assert await knowledge.indexed() == {kept.id}


async def test_what_was_missed_waits_for_user_service(knowledge: Knowledge) -> None:
    """The log says that erasing stalls, and that it goes on."""
    ada = a_user()
    await knowledge.put(ada)
    knowledge.directory.erased.add(ada.require_user_id())
    knowledge.directory.is_down = True

    with capture_logs() as said:
        erase_missed = EraseMissed(knowledge.units, knowledge.erase_if_erased)
        erasing = asyncio.create_task(jobs.repeat("missed erasures", erase_missed, pause_seconds=0.01))
        await until(lambda: said)
        assert await knowledge.indexed()
        knowledge.directory.is_down = False
        await until(lambda: said[1:])
        erasing.cancel()

    assert await knowledge.indexed() == set()
    assert [(line["event"], line["job"]) for line in said] == [
        ("job failed; retrying", "missed erasures"),
        ("job recovered", "missed erasures"),
    ]
