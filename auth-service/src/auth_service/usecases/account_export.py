"""Exporting what is stored about a user, for user-service's export."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chassis.component import Component
from chassis.errors import NotFound

from auth_service.domain.audit import AuditEntry, ChainedEntry
from auth_service.domain.export import AccountExport
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.unit_of_work import UnitsOfWork


class ExportAccount(Component):
    """Reads everything but the audit chain."""

    units: UnitsOfWork
    throttle_keys: ThrottleKeys

    async def __call__(self, *, user_id: UUID) -> AccountExport:
        """Returns the export.

        Raises:
            NotFound: no such user.
        """
        async with self.units.statements() as unit:
            known = await unit.credentials.by_id(user_id)
            credential = await unit.exports.credential(user_id)
            if known is None or credential is None:
                raise NotFound
            return AccountExport(
                credential=credential,
                sessions=await unit.exports.sessions(user_id),
                second_factors=await unit.exports.second_factors(user_id),
                api_keys=await unit.exports.api_keys(user_id),
                waiting_mails=await unit.mails.waiting(user_id),
                mail_tokens=await unit.exports.mail_tokens(user_id),
                former_emails=await unit.email_changes.all_former(user_id),
                wrong_passwords=await unit.exports.wrong_passwords(self.throttle_keys.of(known, "").account),
            )


class ExportAuditEvents(Component):
    """Reads the audit entries by and about a user, without the clients of other actors."""

    units: UnitsOfWork

    async def __call__(self, *, user_id: UUID, below: int | None, page_size: int) -> Sequence[ChainedEntry]:
        """Returns a page, the newest first."""
        async with self.units.statements() as unit:
            entries = await unit.exports.audit(user_id, below, page_size)
        return [replace(each, entry=_redacted(each.entry, user_id)) for each in entries]


def _redacted(entry: AuditEntry, user_id: UUID) -> AuditEntry:
    if entry.actor_id in (None, user_id):
        return entry
    return replace(entry, ip="", user_agent="")
