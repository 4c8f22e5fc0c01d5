"""Exporting the caller's data."""

import pytest
from chassis.errors import TokenRevoked, Unavailable
from user_service.usecases.export import AUDIT_EVENTS_MAX, PAGE_SIZE, ExportMe

from tests.user_service.builders import a_user, caller_of
from tests.user_service.usecases.conftest import Ports


def _export_me(ports: Ports) -> ExportMe:
    return ExportMe(ports.units, ports.accounts, ports.clock)


@pytest.mark.parametrize(
    ("stored", "exported", "truncated"),
    [
        (0, 0, False),
        (3, 3, False),
        (PAGE_SIZE, PAGE_SIZE, False),
        (PAGE_SIZE + 1, PAGE_SIZE + 1, False),
        (AUDIT_EVENTS_MAX + 1, AUDIT_EVENTS_MAX, True),
    ],
)
async def test_audit_pages_are_joined(ports: Ports, stored: int, exported: int, truncated: bool) -> None:
    """Newest first, each once, up to a limit; the export says when it was reached."""
    ada = a_user()
    await ports.add(ada)
    ports.accounts.audit_events_kept = stored

    data = await _export_me(ports)(caller=caller_of(ada))

    assert data.user == ada
    assert [*map(str, data.audit_events)] == [*map(str, range(stored, stored - exported, -1))]
    assert data.is_truncated is truncated
    assert await ports.audited() == [("users.export", "success")]


async def test_no_partial_export(ports: Ports) -> None:
    """Without auth-service the export fails."""
    ada = a_user()
    await ports.add(ada)
    ports.accounts.down = True

    with pytest.raises(Unavailable):
        await _export_me(ports)(caller=caller_of(ada))
    assert not await ports.entries()


async def test_inactive_and_erased_callers_are_refused(ports: Ports) -> None:
    """Their tokens may still be valid."""
    erased, inactive = a_user(), a_user(is_active=False)
    await ports.add(inactive)

    for user in (erased, inactive):
        with pytest.raises(TokenRevoked):
            await _export_me(ports)(caller=caller_of(user))
