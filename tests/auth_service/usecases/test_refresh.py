"""Exchanging refresh tokens."""

from datetime import timedelta

import pytest
from auth_service.domain.events import TokensRevoked
from auth_service.domain.session import SessionLimits
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.identity.role import Role

from tests.auth_service.local_service import LocalService, a_client, a_service


async def _refresh(service: LocalService, token: str) -> str:
    return (await service.auth.refresh(refresh_token=token, caller=a_client())).refresh_token


async def test_a_token_is_exchanged_for_its_successor(service: LocalService) -> None:
    """The session goes on, one further."""
    await service.user()
    tokens = await service.sign_in()

    successor = await _refresh(service, tokens.refresh_token)

    assert successor != tokens.refresh_token
    assert await _refresh(service, successor) not in {successor, tokens.refresh_token}


async def test_two_tabs_get_the_same_successor(service: LocalService) -> None:
    """Within ten seconds the token before the newest still works, and nothing is advanced."""
    await service.user()
    tokens = await service.sign_in()
    first = await _refresh(service, tokens.refresh_token)
    service.clock.advance(timedelta(seconds=10))

    second = await _refresh(service, tokens.refresh_token)

    assert first == second
    assert (await service.database.session(service.session_of(tokens))).counter == 1


@pytest.mark.parametrize(
    ("rotations", "wait"), [(1, timedelta(seconds=11)), (2, timedelta(0))], ids=["too late", "two behind"]
)
async def test_a_spent_token_ends_the_session(service: LocalService, rotations: int, wait: timedelta) -> None:
    """A thief may hold the successor: both have to sign in again, and it is audited."""
    await service.user()
    tokens = await service.sign_in()
    newest = tokens.refresh_token
    for _ in range(rotations):
        newest = await _refresh(service, newest)
    service.clock.advance(wait)

    with pytest.raises(TokenRevoked):
        await _refresh(service, tokens.refresh_token)

    with pytest.raises(TokenRevoked):
        await _refresh(service, newest)
    assert (await service.database.actions())[-1] == ("auth.refresh_reused", "refused")
    revoked = (await service.database.events())[-1]
    assert isinstance(revoked, TokensRevoked)
    assert revoked.revocation.session_id == service.session_of(tokens)


async def test_an_idle_session_expires(service: LocalService) -> None:
    """After seven days without use."""
    await service.user()
    tokens = await service.sign_in()
    service.clock.advance(timedelta(days=7, seconds=1))

    with pytest.raises(TokenExpired):
        await _refresh(service, tokens.refresh_token)


async def test_no_session_lives_longer_than_a_month(service: LocalService) -> None:
    """However often it is used."""
    await service.user()
    token = (await service.sign_in()).refresh_token
    for _ in range(5):
        service.clock.advance(timedelta(days=5))
        token = await _refresh(service, token)
    service.clock.advance(timedelta(days=4))
    tokens = await service.auth.refresh(refresh_token=token, caller=a_client())
    assert tokens.refresh_expires_in_seconds == 86_400

    service.clock.advance(timedelta(days=1))

    with pytest.raises(TokenExpired):
        await _refresh(service, tokens.refresh_token)


async def test_what_we_did_not_make_is_invalid(service: LocalService) -> None:
    """A token of the future included: no transaction that committed has made it."""
    await service.user()
    tokens = await service.sign_in()

    for text in ("nonsense", f"{service.session_of(tokens)}/9"):
        with pytest.raises(TokenInvalid):
            await _refresh(service, text)


async def test_a_new_role_comes_with_the_next_refresh(service: LocalService) -> None:
    """A changed role refuses access tokens, not the session."""
    user_id = await service.user()
    tokens = await service.sign_in()
    service.directory.put(user_id, "ada@example.com", role=Role.ADMIN)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    renewed = await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())

    assert renewed.role is Role.ADMIN


async def test_a_failed_transaction_spends_nothing(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was rolled back has not happened: the client tries again with the same token."""
    await service.user()
    tokens = await service.sign_in()
    whole = service.auth.refresh

    def broken(_: object) -> str:
        raise RuntimeError("power cut")

    monkeypatch.setattr(SessionLimits, "expiry_after_use", lambda *_: broken(None))
    with pytest.raises(RuntimeError):
        await whole(refresh_token=tokens.refresh_token, caller=a_client())
    monkeypatch.undo()

    assert await _refresh(service, tokens.refresh_token)
