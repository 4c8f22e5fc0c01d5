"""`python -m auth_service`: starts, makes the first admin, hears of events, stops."""

import asyncio
import base64
import signal
import urllib.error
import urllib.request
from typing import Any

import asyncpg
import pytest
from auth_service.commands.audit import WITNESS_NOT_ASKED
from chassis.events import stream
from chassis.grpc.channel import open_channel
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase
from devstack.ports import free_port
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.auth.v1 import auth_service_pb2
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, UserChanged
from vestibule.users.v1 import user_pb2

from tests.auth_service.command_line import Environment, output_of, process, ran
from tests.auth_service.conftest import ADMIN_EMAIL as EMAIL
from tests.auth_service.conftest import ADMIN_PASSWORD as PASSWORD
from tests.auth_service.directory_stand_in import DirectoryStandIn
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_tokens


async def _ready(environment: Environment) -> bool:
    def ask() -> bool:
        try:
            url = f"http://127.0.0.1:{environment['AUTH_HTTP_PORT']}/ready"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    return await asyncio.to_thread(ask)


async def _admin_is_pending(environment: Environment) -> bool:
    def ask() -> bool:
        url = f"http://127.0.0.1:{environment['AUTH_HTTP_PORT']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return "\nbootstrap_admin_pending 1.0\n" in answer.read().decode()

    return await asyncio.to_thread(ask)


async def _admin_is_made(environment: Environment) -> bool:
    return await _ready(environment) and not await _admin_is_pending(environment)


async def _login(environment: Environment) -> auth_service_pb2.Tokens:
    channel = open_channel(
        f"127.0.0.1:{environment['AUTH_GRPC_PORT']}",
        service_tokens=service_tokens("gateway"),
        services=[auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]],
    )
    async with channel:
        request = auth_service_pb2.LoginRequest(email=EMAIL, password=PASSWORD)
        return (await AuthServiceStub(channel).Login(request)).tokens


async def test_first_admin_is_made_when_user_service_answers(
    environment: Environment, directory: DirectoryStandIn, pool: Pool, valkey: Valkey
) -> None:
    """It is ready without user-service and makes the admin when that has come; it does what events ask."""
    async with process(environment) as running, Redis.from_url(valkey.url) as redis:
        await until(lambda: _ready(environment), seconds=40)
        assert await _admin_is_pending(environment)

        directory.meet(f"127.0.0.1:{environment['AUTH_GRPC_PORT']}")
        await until(lambda: _admin_is_made(environment), seconds=40)
        assert (await _login(environment)).role == user_pb2.ROLE_ADMIN

        ((user_id, _),) = directory.users.items()
        directory.change(user_id, is_active=False)
        changed = Event(
            event_id=str(uuid7()), source="user-service", user_changed=UserChanged(user_id=user_id)
        )
        recorded = Event(
            event_id=str(uuid7()),
            source="user-service",
            audit_recorded=AuditRecorded(action="users.update", outcome="success"),
        )
        for event in (changed, recorded, recorded):
            await redis.xadd(stream.STREAM, entry_of(event, "user-service"))

        async def is_appended() -> bool:
            rows = await pool.fetch("SELECT action FROM auth.audit_events")
            actions = sorted(row["action"] for row in rows)
            return actions[:1] + actions[-1:] == ["auth.account_synced", "users.update"]

        await until(is_appended)

        async def is_relayed() -> bool:
            return bool(await pool.fetchval("SELECT bool_and(published_at IS NOT NULL) FROM auth.outbox"))

        await until(is_relayed)
        entries: Any = await redis.xrange(stream.STREAM)
        published = [Event.FromString(fields[stream.FIELD]).WhichOneof("payload") for _, fields in entries]
        assert {"registration_started", "tokens_revoked"} <= set(published)

        running.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(running.communicate(), 15)
        assert running.returncode == 0
        assert PASSWORD not in output.decode()


@pytest.mark.nightly
async def test_signing_in_goes_on_without_redis(
    environment: Environment, directory: DirectoryStandIn
) -> None:
    """Events wait in the outbox."""
    environment["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    async with process(environment):
        directory.meet(f"127.0.0.1:{environment['AUTH_GRPC_PORT']}")
        await until(lambda: _admin_is_made(environment))

        assert (await _login(environment)).access_token


async def test_a_wrong_setting_is_one_clear_line(environment: Environment) -> None:
    """It names the variable and says what to do."""
    for name, value in (
        ("AUTH_MASTER_KEY", "short"),
        ("AUTH_MASTER_KEY", base64.b64encode(b"m" * 16).decode()),
        ("AUTH_MASTER_KEYS_ACCEPTED", base64.b64encode(b"n" * 32).decode() + ",short"),
        ("AUTH_ISSUER", ""),
        ("BOOTSTRAP_ADMIN_PASSWORD", ""),
    ):
        status, output = await ran({**environment, name: value})

        assert status == 1
        assert name in output
        assert len(output.strip().splitlines()) == 1


async def test_the_master_key_has_to_be_the_one_that_sealed(
    environment: Environment, directory: DirectoryStandIn
) -> None:
    """Another one is refused at the start, in words."""
    async with process(environment):
        directory.meet(f"127.0.0.1:{environment['AUTH_GRPC_PORT']}")
        await until(lambda: _ready(environment), seconds=40)
    other = base64.b64encode(b"x" * 32).decode()

    status, output = await output_of({**environment, "AUTH_MASTER_KEY": other})

    assert status == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("auth-service: cannot start: AUTH_MASTER_KEY does not open")


async def test_the_chain_is_verified_from_the_command_line(
    environment: Environment, pool: Pool, emptied_database: DevelopmentDatabase
) -> None:
    """Status 0 and the head, or 1 and the first entry that does not follow."""
    for _ in range(3):
        await pool.execute(
            "SELECT auth.append_audit_event(gen_random_uuid(), now(), NULL, NULL, 'a', 'success', '', '', '',"
            " '{}', 'not the form')"
        )

    status, output = await output_of(environment, "audit", "verify")
    assert (status, output.strip()) == (
        1,
        "broken at sequence 1, of 3 events: entry 1 was altered, or does not follow from the one before",
    )

    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    await owner.execute("DELETE FROM auth.audit_events")
    await owner.close()
    status, output = await output_of(environment, "audit", "verify")
    assert (status, output) == (0, f"intact: 0 events, head none, signed until 0\n{WITNESS_NOT_ASKED}\n")


async def test_the_command_line_explains_itself(environment: Environment) -> None:
    """An unknown command is refused."""
    status, output = await ran(environment, "nonsense")

    assert status == 2
    assert "there is no command 'nonsense'" in output
