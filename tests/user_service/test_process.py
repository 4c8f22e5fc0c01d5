"""`python -m user_service` as a process."""

import asyncio
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from chassis.events import stream
from chassis.grpc.channel import open_channel
from chassis.identity.role import Role
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase
from devstack.ports import free_port
from devstack.valkey import Valkey
from google.protobuf.timestamp_pb2 import Timestamp
from redis.asyncio import Redis
from user_service.domain.accounts import Registration
from vestibule.events.v1.events_pb2 import Event, RegistrationStarted, SignedIn
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

from tests.chassis.waiting import until
from tests.command_line import ran
from tests.fakes.service_keys import entry_of, key_settings, service_tokens
from tests.user_service.auth_stand_in import ISSUER, AuthStandIn
from tests.user_service.builders import a_user
from tests.user_service.conftest import Stored


async def _ready(port: int) -> bool:
    def request() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    return await asyncio.to_thread(request)


@asynccontextmanager
async def _running(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "user_service"),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture(name="environment")
def _environment(emptied_database: DevelopmentDatabase, valkey: Valkey) -> dict[str, str]:
    return {
        "USERS_HTTP_PORT": str(free_port()),
        "USERS_GRPC_PORT": str(free_port()),
        "USERS_POSTGRES_URL": emptied_database.url("user_service"),
        "USERS_AUTH_ADDRESS": f"127.0.0.1:{free_port()}",
        "TOKEN_ISSUER": ISSUER,
        **key_settings("user-service"),
        "REDIS_URL": valkey.url,
    }


async def test_ready_once_auth_service_is_up(
    environment: dict[str, str], users_pool: Pool, valkey: Valkey
) -> None:
    """It starts before auth-service, is ready after it, handles events, and stops cleanly."""
    auth = AuthStandIn()
    auth.port = int(environment["USERS_AUTH_ADDRESS"].rpartition(":")[2])
    port = int(environment["USERS_HTTP_PORT"])
    ada, duplicate = a_user("ada@example.org"), a_user()
    auth.waiting[ada.id] = Registration("ada@example.org", "Ada Lovelace", Role.USER)
    auth.waiting[duplicate.id] = Registration("ADA@example.org", "Ada Copy", Role.USER)
    async with _running(environment) as process, Redis.from_url(valkey.url) as redis:
        await asyncio.sleep(1.5)
        assert process.returncode is None
        assert not await _ready(port)

        await auth.start()
        try:
            await until(lambda: _ready(port))
            stored = Stored(users_pool)

            await _publish(redis, registration_started=RegistrationStarted(user_id=str(ada.id)))
            await _publish(redis, registration_started=RegistrationStarted(user_id=str(ada.id)))
            await _publish(redis, registration_started=RegistrationStarted(user_id=str(duplicate.id)))
            at = Timestamp(seconds=1_800_000_000)
            await _publish(redis, signed_in=SignedIn(user_id=str(ada.id), signed_in_at=at))

            async def is_signed_in() -> bool:
                user = await stored.find(ada)
                return user is not None and user.last_login_at is not None

            await until(is_signed_in)
            assert [duplicate.id] == auth.refused
            assert await stored.find(duplicate) is None

            async def is_relayed() -> bool:
                query = "SELECT count(*) FROM users.outbox WHERE published_at IS NULL"
                return bool(await users_pool.fetchval(query) == 0)

            await until(is_relayed)
            entries: Any = await redis.xrange(stream.STREAM)
            published = [Event.FromString(fields[stream.FIELD]) for _, fields in entries]
            assert [str(ada.id)] == [
                event.user_changed.user_id for event in published if event.HasField("user_changed")
            ]
        finally:
            await auth.stop()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
        assert process.returncode == 0


@pytest.mark.nightly
async def test_works_without_redis(environment: dict[str, str], users_pool: Pool, auth: AuthStandIn) -> None:
    """Without Redis it is ready, and admits users."""
    environment |= {"USERS_AUTH_ADDRESS": auth.address, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    ada = a_user("ada@example.org")
    auth.waiting[ada.id] = Registration("ada@example.org", "Ada Lovelace", Role.USER)
    async with _running(environment):
        await until(lambda: _ready(int(environment["USERS_HTTP_PORT"])))
        async with open_channel(
            f"127.0.0.1:{environment['USERS_GRPC_PORT']}",
            service_tokens=service_tokens("auth-service"),
            services=[pb.DESCRIPTOR.services_by_name["DirectoryService"]],
        ) as channel:
            request = pb.AdmitUserRequest(user_id=str(ada.id))
            answer = await DirectoryServiceStub(channel).AdmitUser(request)

    assert (str(ada.id), 1) == (answer.user.id, answer.version)
    assert await Stored(users_pool).find(ada) is not None


@pytest.mark.parametrize(
    "missing", ["USERS_POSTGRES_URL", "SERVICE_KEY_FILE", "SERVICE_TRUST_DIR", "TOKEN_ISSUER"]
)
def test_missing_setting_is_named(environment: dict[str, str], missing: str) -> None:
    """One line names the variable, and the status is 1."""
    del environment[missing]

    status, said = ran("user_service", environment)

    assert status == 1
    assert said.startswith(f"{missing} is not set")


async def test_unmigrated_schema_is_refused(
    environment: dict[str, str], database: DevelopmentDatabase
) -> None:
    """The error names the command to run, and the status is 1."""
    async with asyncio.timeout(20):
        owner = await asyncpg.connect(database.url("users_owner"))
        await owner.execute("DROP TABLE users.alembic_version")
        await owner.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "user_service"),
            env=environment | {"USERS_POSTGRES_URL": database.url("user_service")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    assert process.returncode == 1
    assert "run `python -m user_service migrate`" in output.decode()


async def _publish(redis: "Redis", **payload: object) -> None:
    event = Event(source="auth-service", **payload)  # type: ignore[arg-type]
    await redis.xadd(stream.STREAM, entry_of(event, "auth-service"))
