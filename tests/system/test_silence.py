"""Without requests no heartbeats are sent, and the first request is checked as strictly as any.

A test waits half a minute for a silence.
"""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import redis
from chassis.auth_client.client import AUTH_SERVICE
from chassis.auth_client.revocation_feed import FRESH_SECONDS
from chassis.events import heartbeat
from vestibule.users.v1 import user_service_pb2
from vestibule.users.v1.user_service_pb2_grpc import UserServiceStub

from tests.system import direct
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.nightly

KEY = heartbeat.key(AUTH_SERVICE)
REVOKED = (401, "TOKEN_REVOKED")


@pytest.fixture(name="valkey")
def _valkey(system: System) -> Iterator[redis.Redis]:
    """The system's Redis."""
    with redis.Redis.from_url(system.redis_url) as valkey:
        yield valkey


def silence(valkey: redis.Redis) -> None:
    """Waits until there have been no requests for a while, and the last heartbeat is worth nothing."""
    wait_for(lambda: not valkey.exists(KEY))
    time.sleep(FRESH_SECONDS)


def sent(valkey: redis.Redis) -> int:
    """Returns how many heartbeats have been sent since the last silence."""
    return int(valkey.xinfo_stream(KEY)["entries-added"]) if valkey.exists(KEY) else 0


def who_directly(system: System, user: User) -> str:
    """Returns why user-service refuses a token; empty if it does not."""
    channel: Any
    with grpc.insecure_channel(system.grpc("user-service")) as channel:
        call: Any = UserServiceStub(channel).GetMe
        try:
            call(
                user_service_pb2.GetMeRequest(),
                metadata=direct.metadata(system, "user-service", user.access_token),
                timeout=10,
            )
        except grpc.RpcError as refused:
            return direct.reason(refused)
    return ""


def test_heartbeats_end_and_come_back(client: Client, system: System, valkey: redis.Redis) -> None:
    """None while the system only checks itself; from the first request on again."""
    user = client.join()
    assert client.who(user.access_token).status == 200
    wait_for(lambda: sent(valkey) > 0)  # Or they would begin after the silence that came before them.
    silence(valkey)
    began, seen = time.monotonic(), 0
    while time.monotonic() - began < 10:
        time.sleep(0.1)
        seen += sent(valkey)
    assert seen == 0

    assert client.who(user.access_token).status == 200
    wait_for(lambda: sent(valkey) > 3)
    assert who_directly(system, user) == ""


def test_revoked_during_a_silence(client: Client, other: Client, system: System, valkey: redis.Redis) -> None:
    """The first request is refused at every gateway and service, even if no event has reported them."""
    reported, unreported, unreported_directly = client.join(), client.join(), client.join()
    for user in (reported, unreported, unreported_directly):
        assert other.who(user.access_token).status == 200
        assert who_directly(system, user) == ""
    silence(valkey)
    for user in (unreported, unreported_directly):
        system.change(
            "INSERT INTO auth.revocations (user_id, issued_until, expires_at)"
            " VALUES ($1::text::uuid, now(), now() + interval '15 minutes')",
            user.id,
        )
    direct.sign_out(system, reported.access_token)

    assert sent(valkey) == 0
    assert who_directly(system, unreported_directly) == "TOKEN_REVOKED"
    wait_for(lambda: sent(valkey) > 0)  # Or they would begin after the silence that came before them.
    silence(valkey)
    assert other.who(unreported.access_token).outcome == REVOKED
    assert other.who(reported.access_token).outcome == client.who(reported.access_token).outcome == REVOKED
    assert who_directly(system, reported) == "TOKEN_REVOKED"


def test_auth_service_ends_during_a_silence(
    client: Client, other: Client, system: System, valkey: redis.Redis
) -> None:
    """Nothing can be revoked without it, so memory decides about the first request too."""
    user, revoked = client.join(), client.join()
    for gateway in (client, other):
        assert gateway.who(user.access_token).status == 200
    direct.sign_out(system, revoked.access_token)
    silence(valkey)
    with system.without("auth-service"):
        first = [gateway.who(user.access_token).outcome for gateway in (client, other)]
        again = set()
        for _ in range(20):
            time.sleep(0.1)
            again.add(client.who(user.access_token).status)
        refused = client.who(revoked.access_token).outcome

    assert first == [(200, None)] * 2
    assert again == {200}
    assert refused == REVOKED


def test_redis_loses_its_data_during_a_silence(
    client: Client, other: Client, system: System, valkey: redis.Redis
) -> None:
    """By a flush, and by a restart: what was revoked stays so, and so it is with what is revoked then."""
    before, user = client.join(), client.join()

    def restart() -> None:
        system.kill("redis")
        system.start("redis", settle=False)

    for lose in (valkey.flushall, restart):
        later = client.join()
        client.post("/api/auth/logout", token=before.access_token)
        silence(valkey)
        lose()
        direct.sign_out(system, later.access_token)

        for gateway in (other, client):
            assert gateway.who(before.access_token).outcome == REVOKED
            assert gateway.who(later.access_token).outcome == REVOKED
            assert gateway.who(user.access_token).status == 200
        wait_for(lambda: sent(valkey) > 3)
