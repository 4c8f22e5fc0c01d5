"""Recording that an address was verified."""

from chassis.identity.caller import Caller
from user_service.usecases.email_addresses import MarkEmailVerified

from tests.user_service.builders import a_user
from tests.user_service.usecases.conftest import Ports

SERVICE = Caller(service="auth-service")


async def test_verified_once(ports: Ports) -> None:
    """It makes one new version and one event, even when repeated."""
    ada = a_user("Ada@example.org", email_verified=False)
    await ports.add(ada)
    mark = MarkEmailVerified(ports.units, ports.clock)
    for _ in range(2):
        await mark(caller=SERVICE, user_id=ada.id, email="Ada@example.org")

    found = await ports.find(ada)
    assert found is not None
    assert (found.email_verified, found.version) == (True, ada.version + 1)
    assert await ports.changed() == [ada.id]
    assert await ports.audited() == [("users.email_verified", "success")]


async def test_other_address_is_ignored(ports: Ports) -> None:
    """So is another spelling, since no mail was sent to it."""
    ada = a_user("Ada@example.org", email_verified=False)
    await ports.add(ada)
    mark = MarkEmailVerified(ports.units, ports.clock)
    for email in ("former@example.org", "ada@example.org"):
        await mark(caller=SERVICE, user_id=ada.id, email=email)

    assert await ports.find(ada) == ada
    assert not await ports.changed()


async def test_erased_user_is_ignored(ports: Ports) -> None:
    """The event may arrive after the erasure."""
    mark = MarkEmailVerified(ports.units, ports.clock)
    await mark(caller=SERVICE, user_id=a_user().id, email="ada@example.org")

    assert not await ports.changed()
