"""Checks of targets that work, fully or degraded.

Postgres, Valkey and gRPC are real. Nextcloud and Qdrant are small servers with the same HTTP API.
"""

import asyncio
import json
from typing import Any

import asyncpg
import grpc
import pytest
from chassis.events import dead_letters
from chassis.redis_connection import open_connection
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.valkey import Valkey
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from health_aggregator.adapters.grpc_check import GrpcCheck
from health_aggregator.adapters.http_check import HttpCheck
from health_aggregator.adapters.nextcloud_check import nextcloud_check
from health_aggregator.adapters.postgres.postgres_check import PostgresCheck
from health_aggregator.adapters.qdrant_check import _STATUSES, QdrantCheck
from health_aggregator.adapters.redis_check import RedisCheck
from health_aggregator.domain.check import Outcome

from tests.chassis.waiting import until
from tests.health_aggregator import servers
from tests.health_aggregator.checking import check_once
from tests.waiting import SLOW_MACHINE_SECONDS


@pytest.mark.parametrize(("status", "outcome"), [(200, Outcome.UP), (204, Outcome.UP), (503, Outcome.DOWN)])
async def test_http_status(status: int, outcome: Outcome) -> None:
    """Below 400 is up."""
    async with servers.serving(servers.http(lambda _method, _path: (status, b"", {}))) as port:
        result = await check_once(HttpCheck(f"http://127.0.0.1:{port}/ready"))

    assert outcome is result.outcome
    assert (None if status < 400 else "answers with status 503") == result.error


async def test_postgres(health_database: Database) -> None:
    """A query with the aggregator's own role."""
    check = PostgresCheck(health_database.url("health_aggregator"), lambda: None)
    results = [await check_once(check) for _ in range(2)]
    await check.close()

    assert [result.outcome for result in results] == [Outcome.UP] * 2


async def test_postgres_with_a_wrong_password(health_database: Database) -> None:
    """The error does not contain it."""
    right = health_database.url("health_aggregator")
    wrong = right.replace(health_database.passwords["health_aggregator"], "hunter2")
    result = await check_once(PostgresCheck(wrong, lambda: None))

    assert result.error == "refuses the role or its password"


async def test_postgres_wakes_when_the_server_ends_the_session(
    postgres: Postgres, health_database: Database
) -> None:
    """A lost connection is detected before the next check."""
    woken = asyncio.Event()
    check = PostgresCheck(health_database.url("health_aggregator"), woken.set)
    await check_once(check)
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'health_aggregator'"
    )
    await admin.close()
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        await woken.wait()
    result = await check_once(check)
    await check.close()

    assert Outcome.UP is result.outcome


async def test_redis(valkey: Valkey) -> None:
    """PING, replication and memory, on one connection."""
    check = RedisCheck(valkey.url, lambda: None)
    results = [await check_once(check) for _ in range(2)]
    await check.close()

    assert [result.outcome for result in results] == [Outcome.UP] * 2


async def test_redis_with_events_that_a_service_cannot_handle(valkey: Valkey) -> None:
    """Dead letters and refused events make it degraded."""
    check = RedisCheck(valkey.url, lambda: None)
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        for group in ("auth-service", "user-service"):
            await redis.ask(("XGROUP", "CREATE", "vestibule:events", group, "0", "MKSTREAM"))
        healthy = await check_once(check)
        await dead_letters.add(redis, "auth-service", {b"event": b""}, reason="INVALID", tries=5)
        dead = await check_once(check)
        await dead_letters.note_refused(redis, "user-service", "unsigned")
        both = await check_once(check)
    await check.close()

    assert healthy.outcome is Outcome.UP
    assert (dead.outcome, dead.error) == (Outcome.DEGRADED, "auth-service could not handle 1 event")
    assert both.error is not None
    assert "user-service refuses events that no service of ours signed" in both.error


async def test_redis_with_wrong_credentials(valkey: Valkey) -> None:
    """A refused AUTH is down."""
    url = valkey.url.replace("redis://", "redis://unknown:wrong@")
    result = await check_once(RedisCheck(url, lambda: None))

    assert result.error == "refuses the credentials"


async def test_redis_without_its_primary_is_degraded(own_valkey: Valkey) -> None:
    """A replica without its primary still responds."""
    check = RedisCheck(own_valkey.url, lambda: None)
    await check_once(check)
    connection = await asyncio.open_connection("127.0.0.1", own_valkey.port)
    connection[1].write(b"REPLICAOF 127.0.0.1 1\r\n")
    await connection[0].readline()
    connection[1].close()
    result = await check_once(check)
    await check.close()

    assert (result.outcome, result.error) == (Outcome.DEGRADED, "has lost the primary that it follows")


async def test_grpc() -> None:
    """Serving is up, not serving is down; `Watch` reports a change at once."""
    servicer = health.aio.HealthServicer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await servicer.set("echo", health_pb2.HealthCheckResponse.SERVING)
    wakes: list[None] = []
    check = GrpcCheck(f"127.0.0.1:{port}", "echo", lambda: wakes.append(None))
    serving = await check_once(check)
    await until(lambda: len(wakes) == 1)
    await servicer.set("echo", health_pb2.HealthCheckResponse.NOT_SERVING)
    await until(lambda: len(wakes) == 2)
    refusing = await check_once(check)
    unknown = GrpcCheck(f"127.0.0.1:{port}", "unknown", lambda: None)
    missing = await check_once(unknown)
    await server.stop(0)
    await until(lambda: len(wakes) == 3)
    gone = await check_once(check)
    await check.close()
    await unknown.close()

    assert Outcome.UP is serving.outcome
    assert refusing.error == "says not_serving"
    assert missing.error == "does not know the service"
    assert gone.error == "refuses connections"


NEXTCLOUD = {
    "installed": True,
    "maintenance": False,
    "needsDbUpgrade": False,
    "version": "31.0.2.1",
    "versionstring": "31.0.2",
    "edition": "",
    "productname": "Nextcloud",
    "extendedSupport": False,
}


@pytest.mark.parametrize(
    ("status", "facts", "outcome", "words"),
    [
        (200, {}, Outcome.UP, None),
        (200, {"maintenance": True}, Outcome.DEGRADED, "is in maintenance mode"),
        (503, {"maintenance": True}, Outcome.DEGRADED, "is in maintenance mode"),
        (200, {"needsDbUpgrade": True}, Outcome.DEGRADED, "waits for an upgrade of its database"),
        (200, {"installed": False}, Outcome.DOWN, "is not installed yet"),
        (200, {"version": None}, Outcome.DEGRADED, "does not report its version"),
        (500, {}, Outcome.DOWN, "answers with status 500"),
    ],
)
async def test_nextcloud(status: int, facts: dict[str, Any], outcome: Outcome, words: str | None) -> None:
    """Maintenance is degraded, not down."""
    body = json.dumps(NEXTCLOUD | facts).encode()
    paths: list[str] = []

    def answer(method: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        paths.append(f"{method} {path}")
        return status, body, {"content-type": "application/json"}

    async with servers.serving(servers.http(answer)) as port:
        result = await check_once(nextcloud_check(f"http://127.0.0.1:{port}/"))

    assert (outcome, words) == (result.outcome, result.error)
    assert paths == ["GET /status.php"]


class QdrantStandIn:
    """The part of Qdrant's HTTP API that the check and the real client use."""

    def __init__(self) -> None:
        self.ready = True
        self.status = "green"
        self.requested: list[str] = []

    def answer(self, head: str) -> servers.Response:
        """Responds to one request; collections need the key."""
        _, path, _ = head.split(" ", 2)
        self.requested.append(path)
        if path == "/readyz":
            return (200 if self.ready else 503), b"all shards are ready", {"content-type": "text/plain"}
        if "\r\napi-key: key\r\n" not in head:
            return 401, b"Must provide an API key", {"content-type": "text/plain"}
        if path not in {"/collections", "/collections/notes"}:
            return 404, b"{}", {"content-type": "application/json"}
        result: dict[str, Any] = {"collections": [{"name": "notes"}]}
        if path == "/collections/notes":
            result = {
                "status": self.status,
                "optimizer_status": "ok",
                "segments_count": 1,
                "points_count": 0,
                "payload_schema": {},
                "config": {
                    "params": {"vectors": {"size": 4, "distance": "Cosine"}},
                    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                    "optimizer_config": {
                        "deleted_threshold": 0.2,
                        "vacuum_min_vector_number": 1000,
                        "default_segment_number": 0,
                        "flush_interval_sec": 5,
                    },
                    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
                },
            }
        body = json.dumps({"result": result, "status": "ok", "time": 0.001}).encode()
        return 200, body, {"content-type": "application/json"}


async def test_qdrant() -> None:
    """Readiness, required collections and their statuses."""
    stand_in = QdrantStandIn()
    async with servers.serving(servers.http_by_head(stand_in.answer)) as port:
        url = f"http://127.0.0.1:{port}"
        check, lacking = QdrantCheck(url, "key", ["notes"]), QdrantCheck(url, "key", ["notes", "images"])
        found = {}
        for status in ("green", "grey", "yellow", "red", "purple"):
            stand_in.status = status
            found[status] = await check_once(check)
        missing = await check_once(lacking)
        listed = await check_once(QdrantCheck(url, "key"))
        refused = await check_once(QdrantCheck(url, "wrong"))
        stand_in.ready = False
        unready = await check_once(check)

    assert {status: (result.outcome, result.error) for status, result in found.items()} == {
        "green": (Outcome.UP, None),
        "grey": (Outcome.UP, None),
        "yellow": (Outcome.DEGRADED, "is optimising a collection"),
        "red": (Outcome.DOWN, "has a broken collection"),
        "purple": (Outcome.DOWN, "does not answer as Qdrant does"),
    }
    assert (missing.error, missing.detail) == ("lacks 1 of its collections", "images")
    assert (listed.outcome, refused.error) == (Outcome.UP, "refuses the credentials")
    assert (unready.outcome, unready.error) == (Outcome.DOWN, "says it is not ready")


async def test_qdrant_stand_in_matches_the_real_client() -> None:
    """The client understands the stand-in, requests the same paths, and knows the same statuses."""
    # Importing takes a second, and only this test needs it.
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415
    from qdrant_client.models import CollectionStatus  # noqa: PLC0415

    stand_in = QdrantStandIn()
    async with servers.serving(servers.http_by_head(stand_in.answer)) as port:
        url = f"http://127.0.0.1:{port}"
        client = AsyncQdrantClient(url=url, headers={"api-key": "key"}, check_compatibility=False, timeout=20)
        listed = await client.get_collections()
        collection = await client.get_collection("notes")
        await client.close()
        theirs, stand_in.requested = stand_in.requested, []
        await check_once(QdrantCheck(url, "key"), timeout_seconds=20)
        await check_once(QdrantCheck(url, "key", ["notes"]), timeout_seconds=20)

    assert [each.name for each in listed.collections] == ["notes"]
    assert collection.status is CollectionStatus.GREEN
    assert theirs == [path for path in stand_in.requested if path != "/readyz"]
    assert set(_STATUSES) == {status.value for status in CollectionStatus}
