"""Running a request once per idempotency key."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from chassis.errors import IdempotencyKeyReused, StoredResponseExpired, Unavailable
from chassis.idempotency.record import IdempotencyRecord, Request
from chassis.ids import uuid7

from tests.auth_service.local_service import EMAIL, NAME, PASSWORD, LocalService, a_client


class Work:
    """A request that counts how often it runs."""

    def __init__(self, *, is_final: bool = True) -> None:
        self.attempts: list[UUID] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.started = asyncio.Event()
        self._is_final = is_final

    async def __call__(self, record: IdempotencyRecord) -> tuple[bytes, bool]:
        """Runs it."""
        self.attempts.append(record.attempt_id)
        self.started.set()
        await self.go_on.wait()
        return b"done %d" % len(self.attempts), self._is_final


async def _ask(
    service: LocalService,
    work: Work,
    *,
    key: str = "key",
    asked: bytes = b"asked",
    secret: str | None = None,
    address: str = "192.0.2.1",
) -> tuple[bytes, bool]:
    return await service.run_once(
        caller=a_client(address),
        client_key=key,
        request=Request(asked=asked, secret=secret, proves=secret is not None),
        seconds=1.0,
        run=work,
    )


async def test_the_first_answer_is_given_again(service: LocalService) -> None:
    """To the same client and key; other clients and other keys get responses of their own."""
    work = Work()

    assert await _ask(service, work) == (b"done 1", False)
    assert await _ask(service, work) == (b"done 1", True)
    assert await _ask(service, work, key="other") == (b"done 2", False)
    assert await _ask(service, work, address="192.0.2.2") == (b"done 3", False)


async def test_a_key_names_one_question(service: LocalService) -> None:
    """Another request under it is refused, whether the first has a response or not."""
    work = Work()
    await _ask(service, work)

    with pytest.raises(IdempotencyKeyReused) as refusal:
        await _ask(service, work, asked=b"something else")

    assert [each.field for each in refusal.value.field_errors] == ["Idempotency-Key"]
    assert len(work.attempts) == 1


async def test_another_secret_is_another_question(service: LocalService) -> None:
    """The key without the secret gets nothing, and after five wrong secrets the right one neither."""
    work = Work()
    await _ask(service, work, secret="right")
    assert await _ask(service, work, secret="right") == (b"done 1", True)
    for _ in range(5):
        for wrong in (None, "wrong"):
            with pytest.raises(IdempotencyKeyReused):
                await _ask(service, work, secret=wrong)
    for secret in ("right", "wrong"):
        with pytest.raises(StoredResponseExpired):
            await _ask(service, work, secret=secret)

    assert len(work.attempts) == 1


async def test_a_client_may_change_its_address(service: LocalService) -> None:
    """It is recognized by the secret; another secret under the same key is another client's."""
    work = Work()
    await _ask(service, work, secret="hers")

    assert await _ask(service, work, secret="hers", address="198.51.100.7") == (b"done 1", True)
    assert await _ask(service, work, secret="his", address="203.0.113.9") == (b"done 2", False)
    assert await _ask(service, work, secret="his", address="203.0.113.10") == (b"done 2", True)
    assert await _ask(service, work, secret="hers", address="203.0.113.11") == (b"done 1", True)


async def test_two_secrets_at_once(service: LocalService) -> None:
    """Of two first calls under one key from one address, the one that comes second is refused."""
    work = Work()
    work.go_on.clear()
    first = asyncio.create_task(_ask(service, work, secret="right"))
    await work.started.wait()
    second = asyncio.create_task(_ask(service, work, secret="wrong"))
    work.go_on.set()

    assert await first == (b"done 1", False)
    with pytest.raises(IdempotencyKeyReused):
        await second


async def test_a_lost_answer_is_for_the_same_secret(service: LocalService) -> None:
    """Taking over an interrupted request needs its secret."""
    unlucky, work = Work(is_final=False), Work()
    await _ask(service, unlucky, secret="right")

    with pytest.raises(IdempotencyKeyReused):
        await _ask(service, work, secret="wrong")
    assert await _ask(service, work, secret="right") == (b"done 1", False)
    assert work.attempts == unlucky.attempts


async def test_what_ended_is_not_given_again(service: LocalService) -> None:
    """A signed-in caller gets an error, and nothing runs a second time."""
    work, ada = Work(), uuid7()
    caller = replace(a_client(), user_id=ada, session_id=uuid7())

    async def ask() -> tuple[bytes, bool]:
        request = Request(asked=b"a key, please")
        return await service.run_once(caller=caller, client_key="key", request=request, seconds=1.0, run=work)

    await ask()
    async with service.units.transaction() as unit:
        await unit.idempotency.expire(ada)

    with pytest.raises(StoredResponseExpired):
        await ask()
    assert len(work.attempts) == 1


async def test_what_only_says_to_try_again_is_not_kept(service: LocalService) -> None:
    """The retry has the same record."""
    unlucky, work = Work(is_final=False), Work()

    assert await _ask(service, unlucky) == (b"done 1", False)
    assert await _ask(service, work) == (b"done 1", False)
    assert work.attempts == unlucky.attempts


async def test_two_at_once(service: LocalService) -> None:
    """The second waits for the first one's response, and not for ever."""
    work = Work()
    work.go_on.clear()
    first = asyncio.create_task(_ask(service, work))
    await work.started.wait()

    with pytest.raises(Unavailable):
        await _ask(service, work)
    second = asyncio.create_task(_ask(service, work))
    work.go_on.set()

    assert await first == (b"done 1", False)
    assert await second == (b"done 1", True)


async def test_a_client_that_hung_up_is_not_waited_for(service: LocalService) -> None:
    """A cancelled or failed request may be taken over at once, under the same record."""
    work = Work()
    work.go_on.clear()
    first = asyncio.create_task(_ask(service, work))
    await work.started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go_on.set()

    assert await _ask(service, work) == (b"done 2", False)
    assert len(set(work.attempts)) == 1


async def test_a_registration_knows_itself_again(service: LocalService) -> None:
    """Its response was lost: the same registration gets the same user, and no other does."""
    user_id = UUID("019ab000-0000-7000-8000-000000000001")
    register = service.auth.register

    first = await register(email=EMAIL, password=PASSWORD, full_name=NAME, caller=a_client(), user_id=user_id)
    again = await register(email=EMAIL, password=PASSWORD, full_name=NAME, caller=a_client(), user_id=user_id)

    assert first.user_id == again.user_id == user_id
    assert await service.database.actions() == [("auth.register", "success")]
