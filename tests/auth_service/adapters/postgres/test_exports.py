"""What exports promise."""

from datetime import UTC, datetime

from auth_service.domain.audit import AuditEntry
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import admitted

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


async def test_what_is_kept_of_a_user(units: UnitsOfWork) -> None:
    """And nothing of an unknown user."""
    key = ThrottleKey(account=b"account", client=b"client")
    async with units.transaction() as unit:
        ada = await admitted(unit, "Ada@example.com")
        await unit.emails.verify(ada.user_id)
        await unit.login_throttle.count_failure(key)

    async with units.statements() as unit:
        credential = await unit.exports.credential(ada.user_id)
        assert credential is not None
        assert (credential.email, credential.email_verified) == ("Ada@example.com", True)
        assert (credential.role, credential.is_active) == (Role.USER, True)
        assert len(await unit.exports.wrong_passwords(b"account")) == 1
        assert not await unit.exports.wrong_passwords(b"another")
        assert not await unit.exports.sessions(ada.user_id)
        assert not await unit.exports.second_factors(ada.user_id)
        assert not await unit.exports.mail_tokens(ada.user_id)
        assert await unit.exports.credential(uuid7()) is None


async def test_entries_by_and_about_a_user(units: UnitsOfWork) -> None:
    """The newest first, each once, page by page."""
    ada, admin = uuid7(), uuid7()
    pairs = [(ada, ada), (admin, ada), (admin, admin), (ada, None), (None, ada), (admin, None)]
    async with units.transaction() as unit:
        for actor_id, subject_id in pairs:
            entry = AuditEntry(
                occurred_at=NOW, action="a", outcome="success", actor_id=actor_id, subject_id=subject_id
            )
            await unit.audit.append(entry)

    async with units.statements() as unit:
        whole = await unit.exports.audit(ada, None, 10)
        assert [(each.entry.actor_id, each.entry.subject_id) for each in whole] == [
            pairs[index] for index in (4, 3, 1, 0)
        ]
        first = await unit.exports.audit(ada, None, 2)
        second = await unit.exports.audit(ada, first[-1].sequence, 2)
        assert [*first, *second] == whole
        assert not await unit.exports.audit(ada, second[-1].sequence, 2)
