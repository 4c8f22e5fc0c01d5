"""No search returns a passage that its caller may not see, whatever happened before."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import ServiceError
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.database import Database
from devstack.postgres import Postgres
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_service.domain.visibility import Visibility

from tests.knowledge_service.knowledge import Knowledge, emptied_pool

USERS = [Caller(user_id=uuid7(), role=role) for role in (Role.USER, Role.USER, Role.USER, Role.ADMIN)]
DOCUMENTS = [uuid7() for _ in range(5)]
EVERY_LABEL = [*(f"user:{each.user_id}" for each in USERS), *Visibility]

_users = st.integers(0, len(USERS) - 1)
_documents = st.integers(0, len(DOCUMENTS) - 1)
_steps = st.one_of(
    st.tuples(st.just("put"), _users, _documents, st.sampled_from(Visibility)),
    st.tuples(st.just("delete"), _users, _documents, st.none()),
    st.tuples(st.just("erase"), _users, st.none(), st.none()),
    st.tuples(st.just("change role"), _users, st.none(), st.none()),
    st.tuples(st.just("interrupt"), st.none(), st.none(), st.booleans()),
    st.tuples(st.just("leak"), st.none(), st.none(), st.booleans()),
)


@dataclass
class Shared:
    """What the test knows of a document: who owns it, and whom it is shared with."""

    owner: int
    visibility: Visibility

    def is_for(self, number: int, caller: Caller) -> bool:
        """Whether the caller may see it, by the words of the contract."""
        return (
            self.owner == number
            or self.visibility is Visibility.EVERYONE
            or (self.visibility is Visibility.ROLE_USER and caller.role is Role.USER)
            or (self.visibility is Visibility.ROLE_ADMIN and caller.role is Role.ADMIN)
        )


@settings(max_examples=25)
@given(steps=st.lists(_steps, min_size=1, max_size=14))
def test_no_search_returns_a_foreign_passage(
    postgres: Postgres, migrated: Database, steps: Sequence[tuple[str, int, int, object]]
) -> None:
    """Puts, deletions, erasures, changed roles and a faulty index show nothing foreign."""
    asyncio.run(_run(postgres, migrated, steps))


async def _run(postgres: Postgres, migrated: Database, steps: Sequence[tuple[str, int, int, object]]) -> None:
    callers, known = list(USERS), dict[UUID, Shared]()
    async with emptied_pool(postgres, migrated) as pool:
        knowledge = Knowledge(pool)
        for what, user, document, value in steps:
            await _step(knowledge, callers, known, what, user, document, value)
            for number, caller in enumerate(callers):
                allowed = {each for each, its in known.items() if its.is_for(number, caller)}
                assert await knowledge.found(caller) <= allowed
        # Once the index is back, everything that may be seen is found.
        knowledge.index.is_down = False
        await pool.execute("UPDATE knowledge.documents SET claimed_until = NULL")
        while await knowledge.index_waiting():
            pass
        for number, caller in enumerate(callers):
            allowed = {each for each, its in known.items() if its.is_for(number, caller)}
            assert await knowledge.found(caller) == allowed


async def _step(
    knowledge: Knowledge,
    callers: list[Caller],
    known: dict[UUID, Shared],
    what: str,
    user: int,
    number: int,
    value: object,
) -> None:
    match what, value:
        case "put", Visibility():
            document = DOCUMENTS[number]
            is_owner = document not in known or known[document].owner == user
            is_allowed = value is not Visibility.EVERYONE or callers[user].role is Role.ADMIN
            erased = callers[user].user_id in knowledge.directory.erased
            # Kept also when the index misses it.
            if is_owner and is_allowed and not erased:
                known[document] = Shared(user, value)
            with suppress(ServiceError):
                await knowledge.put(callers[user], visibility=value, document_id=document)
        case "delete", _:
            document = DOCUMENTS[number]
            if document in known and (known[document].owner == user or callers[user].is_admin):
                del known[document]
            with suppress(ServiceError):
                await knowledge.delete_document(caller=callers[user], document_id=document)
        case "erase", _:
            user_id = callers[user].require_user_id()
            for document in [each for each, its in known.items() if its.owner == user]:
                del known[document]
            knowledge.directory.erased.add(user_id)
            await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=user_id)
        case "change role", _:
            role = Role.USER if callers[user].is_admin else Role.ADMIN
            callers[user] = Caller(user_id=callers[user].user_id, role=role)
        case "interrupt", bool():
            knowledge.index.is_down = value
        case "leak", bool():
            knowledge.index.leaking = EVERY_LABEL if value else ()
