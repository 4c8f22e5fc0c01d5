"""Erasing the documents of erased users."""

from collections.abc import Sequence
from uuid import UUID

from chassis.component import Component
from chassis.identity.caller import ANONYMOUS, Caller

from knowledge_service.domain.audit import Action, entry
from knowledge_service.domain.document import DELETED_AT_ONCE
from knowledge_service.domain.owner import UserDirectory
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.indexing import RemoveFromIndex


class EraseIfErased(Component):
    """Erases everything that a user stored here, if user-service has erased the user. May be repeated."""

    units: UnitsOfWork
    directory: UserDirectory
    remove_from_index: RemoveFromIndex

    async def __call__(self, *, caller: Caller, user_id: UUID) -> None:
        """Records the erasure, from which on nothing of the user is seen or added; deletes all of it then.

        Documents are deleted some at a time, since a transaction with all of them may take too long, and
        would each time. A crash leaves the rest for the next call.

        Raises:
            Unavailable: user-service could not be reached; retry.
        """
        if not await self.directory.is_erased(user_id):
            return
        async with self.units.transaction() as unit:
            is_new = await unit.owners.erase(user_id)
            await unit.idempotency.erase(user_id)
            await unit.audit_clients.erase(user_id)
            await unit.sources.delete_of(user_id)
            documents = await unit.documents.stored(user_id)
            if is_new and documents:
                details = {"count": str(documents)}
                await unit.outbox.audit(
                    entry(Action.ERASE, caller, owners=frozenset({user_id}), details=details)
                )
        while deleted := await self._delete_some(user_id):
            for document_id in deleted:
                await self.remove_from_index(document_id=document_id)

    async def _delete_some(self, user_id: UUID) -> Sequence[UUID]:
        async with self.units.transaction() as unit:
            deleted = await unit.documents.delete_some_of(user_id, DELETED_AT_ONCE)
            await unit.removals.add(deleted)
        return deleted


class EraseMissed(Component):
    """Erases what stayed of users who were erased while this service was off and events expired."""

    units: UnitsOfWork
    erase_if_erased: EraseIfErased

    async def __call__(self) -> None:
        """Asks user-service about each user who has a document or a source.

        Raises:
            Unavailable: user-service could not be reached; retry.
        """
        async with self.units.statements() as unit:
            owners = await unit.documents.owners()
        for user_id in owners:
            await self.erase_if_erased(caller=ANONYMOUS, user_id=user_id)
