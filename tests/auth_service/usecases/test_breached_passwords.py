"""A password known from a breach is refused wherever one is chosen."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from auth_service.adapters.breached_passwords import BreachedPasswordsFile
from auth_service.domain.errors import WeakPassword
from auth_service.domain.mail import MailKind
from auth_service.domain.password import BREACHED, PasswordPolicy

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.local_service import EMAIL, NAME, PASSWORD, LocalService, a_client, build_service
from tests.fakes.auth_service.outside import FakePasswordStrength

IN_NO_BREACH = "another stone lamp"
IN_A_BREACH = "orbital-walrus-7-pancake"


@pytest_asyncio.fixture(loop_scope="session", name="file")
async def _file(tmp_path: Path) -> AsyncIterator[BreachedPasswordsFile]:
    path = tmp_path / "pwned.txt"
    digests = (hashlib.sha1(text.encode()).hexdigest().upper() for text in (IN_A_BREACH, "x", "y"))
    path.write_text("\n".join(f"{digest}:3" for digest in sorted(digests)))
    async with BreachedPasswordsFile.open(path) as file:
        yield file


@pytest.fixture(name="service")
def _service(file: BreachedPasswordsFile, database: ClockedPostgres) -> LocalService:
    return build_service(database, breached=(file,))


def _assert_breached(error: WeakPassword, field: str) -> None:
    assert error.reason == "WEAK_PASSWORD"
    assert [(each.field, each.message) for each in error.field_errors] == [(field, BREACHED)]


async def test_registering(service: LocalService) -> None:
    """Nothing is kept of it."""
    with pytest.raises(WeakPassword) as refused:
        await service.auth.register(email=EMAIL, password=IN_A_BREACH, full_name=NAME, caller=a_client())

    _assert_breached(refused.value, "password")
    await service.user()


async def test_changing(service: LocalService) -> None:
    """The old password goes on counting."""
    caller = service.signed_in(await service.user(), await service.sign_in())
    change = service.auth.change_password
    with pytest.raises(WeakPassword) as refused:
        await change(old_password=PASSWORD, new_password=IN_A_BREACH, caller=caller)

    _assert_breached(refused.value, "new_password")
    await change(old_password=PASSWORD, new_password=IN_NO_BREACH, caller=caller)
    await service.sign_in(password=IN_NO_BREACH)


async def test_resetting(service: LocalService) -> None:
    """The token is left for a better one; an invited user's first password is chosen the same way."""
    await service.user()
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    sender = await service.send_mails()
    token = sender.token(MailKind.PASSWORD_RESET)
    reset = service.passwords.reset_password
    with pytest.raises(WeakPassword) as refused:
        await reset(token=token, new_password=IN_A_BREACH, caller=a_client())

    _assert_breached(refused.value, "new_password")
    await reset(token=token, new_password=IN_NO_BREACH, caller=a_client())
    await service.sign_in(password=IN_NO_BREACH)


async def test_a_set_is_asked_about_good_passwords_only() -> None:
    """The service outside learns nothing of what is refused here, and of nothing that another set knows."""
    asked: list[str] = []

    async def known(password: str) -> bool:
        asked.append(password)
        return password == IN_A_BREACH

    async def outside(password: str) -> bool:
        asked.append(f"outside: {password}")
        return False

    policy = PasswordPolicy(FakePasswordStrength(), (known, outside))
    for refused in ("short", "lovelace", IN_A_BREACH):
        with pytest.raises(WeakPassword):
            await policy.check("password", refused, email=EMAIL, full_name=NAME)
    await policy.check("password", IN_NO_BREACH, email=EMAIL, full_name=NAME)

    assert asked == [IN_A_BREACH, IN_NO_BREACH, f"outside: {IN_NO_BREACH}"]
