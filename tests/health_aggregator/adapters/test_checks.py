"""Checks of targets that do what they should, more or less, on the real thing where it can run here.

Postgres, Valkey and gRPC are real. Nextcloud and Qdrant cannot run here: small servers speak their
real HTTP.
"""

import asyncio
import json
from typing import Any

import asyncpg
import grpc
import pytest
from chassis.events import dead_letters
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
from health_aggregator.domain.state import Outcome
from redis.asyncio import Redis

from tests.chassis.waiting import until
from tests.health_aggregator import wire
from tests.health_aggregator.looking import look


@pytest.mark.parametrize(("status", "outcome"), [(200, Outcome.UP), (204, Outcome.UP), (503, Outcome.DOWN)])
async def test_http_goes_by_the_status(status: int, outcome: Outcome) -> None:
    """Below 400 is up."""
    async with wire.serving(wire.http(lambda _method, _path: (status, b"", {}))) as port:
        result = await look(HttpCheck(f"http://127.0.0.1:{port}/ready"))

    assert outcome is result.outcome
    assert (None if status < 400 else "answers with status 503") == result.error


async def test_postgres_answers_as_the_service_role(database: Database) -> None:
    """A real query by the aggregator's own role."""
    check = PostgresCheck(database.url("health_aggregator"), lambda: None)
    results = [await look(check) for _ in range(2)]
    await check.close()

    assert [result.outcome for result in results] == [Outcome.UP] * 2


async def test_postgres_names_a_wrong_password(database: Database) -> None:
    """Without telling it."""
    right = database.url("health_aggregator")
    wrong = right.replace(database.passwords["health_aggregator"], "hunter2")
    result = await look(PostgresCheck(wrong, lambda: None))

    assert result.error == "refuses the role or its password"


async def test_postgres_wakes_when_the_server_ends_the_session(
    postgres: Postgres, database: Database
) -> None:
    """The loss of the connection is known before the next look."""
    woken = asyncio.Event()
    check = PostgresCheck(database.url("health_aggregator"), woken.set)
    await look(check)
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'health_aggregator'"
    )
    await admin.close()
    async with asyncio.timeout(2):
        await woken.wait()
    result = await look(check)
    await check.close()

    assert Outcome.UP is result.outcome


async def test_redis_answers(valkey: Valkey) -> None:
    """PING, replication and memory, over one connection."""
    check = RedisCheck(valkey.url)
    results = [await look(check) for _ in range(2)]
    await check.close()

    assert [result.outcome for result in results] == [Outcome.UP] * 2


async def test_redis_shows_events_that_nobody_can_handle(valkey: Valkey) -> None:
    """A service that has put events aside, or refuses forged ones, is not silently healthy."""
    check = RedisCheck(valkey.url)
    async with Redis.from_url(valkey.url) as redis:
        await redis.xgroup_create("vestibule:events", "auth-service", mkstream=True)
        await redis.xgroup_create("vestibule:events", "user-service")
        healthy = await look(check)
        await dead_letters.put_aside(redis, "auth-service", {b"event": b""}, reason="INVALID", tries=5)
        dead = await look(check)
        await dead_letters.note_refused(redis, "user-service", "unsigned")
        both = await look(check)
    await check.close()

    assert healthy.outcome is Outcome.UP
    assert (dead.outcome, dead.error) == (Outcome.DEGRADED, "auth-service could not handle 1 event")
    assert both.error is not None
    assert "user-service refuses events that no service of ours signed" in both.error


async def test_redis_names_wrong_credentials(valkey: Valkey) -> None:
    """A refused AUTH shows."""
    result = await look(RedisCheck(valkey.url.replace("redis://", "redis://nobody:wrong@")))

    assert result.error == "refuses the credentials"


async def test_redis_without_its_primary_is_degraded(own_valkey: Valkey) -> None:
    """A replica that has lost its primary still answers."""
    check = RedisCheck(own_valkey.url)
    await look(check)
    connection = await asyncio.open_connection("127.0.0.1", own_valkey.port)
    connection[1].write(b"REPLICAOF 127.0.0.1 1\r\n")
    await connection[0].readline()
    connection[1].close()
    result = await look(check)
    await check.close()

    assert (result.outcome, result.error) == (Outcome.DEGRADED, "has lost the primary that it follows")


async def test_grpc_follows_what_the_server_says() -> None:
    """Serving is up, not serving is down, and a change wakes by `Watch`."""
    servicer = health.aio.HealthServicer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await servicer.set("echo", health_pb2.HealthCheckResponse.SERVING)
    wakes: list[None] = []
    check = GrpcCheck(f"127.0.0.1:{port}", "echo", lambda: wakes.append(None))
    serving = await look(check)
    await until(lambda: len(wakes) == 1)
    await servicer.set("echo", health_pb2.HealthCheckResponse.NOT_SERVING)
    await until(lambda: len(wakes) == 2)
    refusing = await look(check)
    unknown = GrpcCheck(f"127.0.0.1:{port}", "nobody", lambda: None)
    missing = await look(unknown)
    await server.stop(0)
    await until(lambda: len(wakes) == 3)
    gone = await look(check)
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
        (200, {"version": None}, Outcome.DEGRADED, "does not tell its version"),
        (500, {}, Outcome.DOWN, "answers with status 500"),
    ],
)
async def test_nextcloud_by_its_status_page(
    status: int, facts: dict[str, Any], outcome: Outcome, words: str | None
) -> None:
    """Maintenance is degraded, not down."""
    body = json.dumps(NEXTCLOUD | facts).encode()
    paths: list[str] = []

    def answer(method: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        paths.append(f"{method} {path}")
        return status, body, {"content-type": "application/json"}

    async with wire.serving(wire.http(answer)) as port:
        result = await look(nextcloud_check(f"http://127.0.0.1:{port}/"))

    assert (outcome, words) == (result.outcome, result.error)
    assert paths == ["GET /status.php"]


class QdrantStandIn:
    """Speaks as much of Qdrant's HTTP API as the real client asks for."""

    def __init__(self) -> None:
        self.ready = True
        self.status = "green"
        self.asked: list[str] = []

    def answer(self, head: str) -> wire.Response:
        """Answers one request; whoever wants to know of collections needs the key."""
        _, path, _ = head.split(" ", 2)
        self.asked.append(path)
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


async def test_qdrant_by_readiness_and_collections() -> None:
    """Ready, with the collections that must be there, in a good state."""
    stand_in = QdrantStandIn()
    async with wire.serving(wire.http_by_head(stand_in.answer)) as port:
        url = f"http://127.0.0.1:{port}"
        check, lacking = QdrantCheck(url, "key", ["notes"]), QdrantCheck(url, "key", ["notes", "images"])
        found = {}
        for status in ("green", "grey", "yellow", "red", "purple"):
            stand_in.status = status
            found[status] = await look(check)
        missing = await look(lacking)
        listed = await look(QdrantCheck(url, "key"))
        refused = await look(QdrantCheck(url, "wrong"))
        stand_in.ready = False
        unready = await look(check)

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


async def test_qdrant_is_asked_as_its_own_client_asks() -> None:
    """Its client understands the stand-in, asks for the same paths, and knows no other status."""
    # Imported for a second, by nobody else.
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415
    from qdrant_client.models import CollectionStatus  # noqa: PLC0415

    stand_in = QdrantStandIn()
    async with wire.serving(wire.http_by_head(stand_in.answer)) as port:
        url = f"http://127.0.0.1:{port}"
        client = AsyncQdrantClient(url=url, headers={"api-key": "key"}, check_compatibility=False, timeout=20)
        listed = await client.get_collections()
        collection = await client.get_collection("notes")
        await client.close()
        theirs, stand_in.asked = stand_in.asked, []
        await look(QdrantCheck(url, "key"), timeout_seconds=20)
        await look(QdrantCheck(url, "key", ["notes"]), timeout_seconds=20)

    assert [each.name for each in listed.collections] == ["notes"]
    assert collection.status is CollectionStatus.GREEN
    assert theirs == [path for path in stand_in.asked if path != "/readyz"]
    assert set(_STATUSES) == {status.value for status in CollectionStatus}
