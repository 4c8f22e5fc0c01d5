"""Many at once, on a real Postgres."""

import asyncio
from uuid import UUID

import pytest
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.login_throttle import FAILURES_MAX
from auth_service.usecases.bootstrap_admin import Bootstrap
from auth_service.usecases.signing_keys import EnsureSigningKey
from chassis.clock import SystemClock
from chassis.errors import DeadlineExceeded, RemoteError, Unavailable
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from vestibule.auth.v1 import auth_service_pb2 as pb

from tests.auth_service.conftest import MASTER_KEY
from tests.auth_service.local_service import EMAIL, NAME, PASSWORD
from tests.auth_service.service import Service
from tests.chassis.waiting import until

_CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def test_fifty_refreshes_of_one_token_have_one_successor(service: Service) -> None:
    """No client is signed out, and the session is advanced once."""
    await service.register()
    tokens = await service.login()

    answers = await asyncio.gather(*(service.refresh(tokens.refresh_token) for _ in range(50)))

    assert len({answer.refresh_token for answer in answers}) == 1
    assert await service.pool.fetchval("SELECT counter FROM auth.sessions") == 1
    await service.refresh(answers[0].refresh_token)
    assert ("auth.refresh_reused", "refused") not in await service.actions()


async def test_registering_one_address_twenty_times_makes_one_user(service: Service) -> None:
    """The others get that it is taken, or resume the same registration."""
    request = pb.RegisterRequest(email=EMAIL, password=PASSWORD, full_name=NAME)

    answers = await asyncio.gather(
        *(service.auth.Register(request) for _ in range(20)), return_exceptions=True
    )

    ids = {answer.user.id for answer in answers if isinstance(answer, pb.RegisterResponse)}
    refusals = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(ids) == 1
    assert {refusal.reason for refusal in refusals if isinstance(refusal, RemoteError)} <= {"EMAIL_TAKEN"}
    assert all(isinstance(refusal, RemoteError) for refusal in refusals)
    assert await service.count("credentials") == len(service.directory.users) == 1


async def test_instances_that_start_at_once_make_one_key(pool: Pool) -> None:
    """An advisory lock lets one of them make it."""
    ensure = EnsureSigningKey(PostgresUnitsOfWork(pool), MASTER_KEY, SystemClock())

    await asyncio.gather(*(ensure() for _ in range(8)))

    assert await pool.fetchval("SELECT count(*) FROM auth.signing_keys") == 1


async def test_instances_that_start_at_once_make_one_admin(service: Service) -> None:
    """The second finds it created, or resumes it."""
    job = service.use_cases.bootstrap_admin

    outcomes = await asyncio.gather(
        *(job(email=EMAIL, password=PASSWORD, user_id=uuid7()) for _ in range(4)), return_exceptions=True
    )

    assert outcomes.count(Bootstrap.CREATED) <= 1, "the one that made it says so, and no other"
    assert await service.count("credentials") == 1
    assert await job(email=EMAIL, password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED


async def test_guesses_at_once_do_not_slip_past_the_limit(service: Service) -> None:
    """Thirty at once, the right one among them: after five wrong ones no right one is found."""
    await service.register()
    answered: list[str] = []

    async def guess(password: str) -> str:
        try:
            await service.login(password=password)
        except RemoteError as error:
            return error.reason
        finally:
            answered.append(password)
        return "found"

    *wrong, right = await asyncio.gather(
        *map(guess, [f"wrong {number}" for number in range(29)] + [PASSWORD])
    )

    assert set(wrong) <= {"INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"}
    # They race, so it may be found among the first; a few answers are on their way when it is counted.
    assert right == "TOO_MANY_ATTEMPTS" or answered.index(PASSWORD) < FAILURES_MAX + 5


async def test_the_chain_is_whole_after_concurrent_calls(service: Service) -> None:
    """Entries of concurrent transactions follow one another without a gap."""
    await service.register()
    await asyncio.gather(*(service.login() for _ in range(16)))

    report = await service.use_cases.audit.verify_audit_events()

    assert (report.intact, report.events) == (True, 17)


async def test_ending_everything_leaves_no_session_behind(service: Service) -> None:
    """Sign-ins and refreshes that run at the same time come before or after, never in between."""
    user_id = await service.register()
    tokens = [await service.login() for _ in range(3)]
    service.come_as(tokens[0].access_token)

    await asyncio.gather(
        service.auth.LogoutAll(pb.LogoutAllRequest()),
        *(service.refresh(each.refresh_token) for each in tokens),
        return_exceptions=True,
    )

    left = await service.pool.fetchval(
        "SELECT count(*) FROM auth.sessions WHERE user_id = $1 AND ended_at IS NULL", UUID(user_id)
    )
    assert left == 0


async def test_a_refresh_that_was_rolled_back_has_not_happened(service: Service, pool: Pool) -> None:
    """Postgres cuts the connection in the middle of the transaction; the client's retry works."""
    await service.register()
    tokens = await service.login()
    async with pool.transaction() as blocker:
        await blocker.execute("SELECT FROM auth.sessions FOR UPDATE")
        refreshing = asyncio.create_task(service.refresh(tokens.refresh_token))
        await until(lambda: pool.fetchval(_CUT))
        with pytest.raises((DeadlineExceeded, Unavailable)):
            await refreshing

    assert (await service.refresh(tokens.refresh_token)).refresh_token != tokens.refresh_token


async def test_another_master_key_opens_nothing(pool: Pool) -> None:
    """A start with the wrong one fails, and changes nothing."""
    await EnsureSigningKey(PostgresUnitsOfWork(pool), MASTER_KEY, SystemClock())()

    with pytest.raises(Exception, match="AUTH_MASTER_KEY"):
        await EnsureSigningKey(PostgresUnitsOfWork(pool), MasterKey(b"x" * 32), SystemClock())()
    assert await pool.fetchval("SELECT count(*) FROM auth.signing_keys") == 1
