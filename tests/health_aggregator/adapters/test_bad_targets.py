"""Targets that misbehave: bounded time and memory, and a public error for each."""

import asyncio
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from chassis.clock import SystemClock
from devstack.ports import free_port
from health_aggregator.adapters.grpc_check import GrpcCheck
from health_aggregator.adapters.http_check import HttpCheck
from health_aggregator.adapters.nextcloud_check import nextcloud_check
from health_aggregator.adapters.postgres.postgres_check import PostgresCheck
from health_aggregator.adapters.qdrant_check import QdrantCheck
from health_aggregator.adapters.redis_check import RedisCheck
from health_aggregator.adapters.tls_check import TlsCheck
from health_aggregator.domain.check import Check, Outcome

from tests.health_aggregator import servers
from tests.health_aggregator.checking import check_once
from tests.waiting import SLOW_MACHINE_SECONDS

SECRET = "hunter2-secret"
KINDS = ("http", "nextcloud", "qdrant", "grpc", "redis", "postgres", "tls")
BEHAVIOURS = {
    "hangs": servers.hang,
    "closes at once": servers.close_at_once,
    "answers garbage": servers.garbage,
    "sends 10 MB": servers.ten_megabytes,
    "drips": servers.drip,
}


def check_of(kind: str, port: int) -> Check:
    """Returns a check of a kind, with credentials where the kind takes any."""
    makers: dict[str, Callable[[], Check]] = {
        "http": lambda: HttpCheck(f"http://127.0.0.1:{port}/ready"),
        "nextcloud": lambda: nextcloud_check(f"http://127.0.0.1:{port}"),
        "qdrant": lambda: QdrantCheck(f"http://127.0.0.1:{port}", SECRET),
        "grpc": lambda: GrpcCheck(f"127.0.0.1:{port}", "", lambda: None),
        "redis": lambda: RedisCheck(f"redis://user:{SECRET}@127.0.0.1:{port}/3", lambda: None),
        "postgres": lambda: PostgresCheck(f"postgresql://user:{SECRET}@127.0.0.1:{port}/db", lambda: None),
        "tls": lambda: TlsCheck(f"127.0.0.1:{port}", SystemClock()),
    }
    return makers[kind]()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("misbehaviour", BEHAVIOURS)
async def test_is_down_in_time_with_a_public_error(kind: str, misbehaviour: str) -> None:
    """The check ends in time; its error names neither host nor port nor credentials."""
    async with servers.serving(BEHAVIOURS[misbehaviour]) as port:
        check = check_of(kind, port)
        started = time.monotonic()
        result = await check_once(check, timeout_seconds=0.3)
        took = time.monotonic() - started
        await check.close()

    assert Outcome.DOWN is result.outcome
    assert took < SLOW_MACHINE_SECONDS
    assert result.error
    for private in (SECRET, "127.0.0.1", str(port)):
        assert private not in result.error
    assert SECRET not in (result.detail or "")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_closed_port_is_not_silent(kind: str) -> None:
    """A refusal proves that the network works."""
    check = check_of(kind, free_port())
    result = await check_once(check)
    await check.close()

    assert (result.outcome, result.error, result.silent) == (Outcome.DOWN, "refuses connections", False)


async def test_a_hanging_http_server_is_not_silent() -> None:
    """It accepted the connection, so the network works."""
    async with servers.serving(servers.hang) as port:
        result = await check_once(check_of("http", port), timeout_seconds=0.2)

    assert (result.error, result.silent) == ("no answer within 0.2 s", False)


async def test_ten_megabytes_take_no_memory() -> None:
    """Reading stops at 64 KiB."""
    async with servers.serving(servers.ten_megabytes) as port:
        tracemalloc.start()
        result = await check_once(check_of("http", port))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert result.error == "answers more than 64 KiB"
    assert peak < 2_000_000


async def test_endless_redirects() -> None:
    """Three are followed."""
    seen: list[str] = []

    def turn(method: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        del method
        seen.append(path)
        return 302, b"", {"location": f"/{len(seen)}"}

    async with servers.serving(servers.http(turn)) as port:
        result = await check_once(check_of("http", port))

    assert result.error == "redirects more than 3 times"
    assert len(seen) == 4


async def test_a_redirect_to_another_host_is_not_followed() -> None:
    """A target cannot make the aggregator call another host."""
    talk = servers.http(lambda _method, _path: (302, b"", {"location": "http://169.254.169.254/secret"}))
    async with servers.serving(talk) as port:
        result = await check_once(check_of("http", port))

    assert result.error == "redirects to another host"


@pytest.mark.parametrize(
    ("days", "name", "trusted", "words"),
    [
        (-1, "localhost", True, "its certificate has expired"),
        (90, "elsewhere.test", True, "its certificate is for another name"),
        (90, "localhost", False, "its certificate is not trusted"),
    ],
)
async def test_bad_certificates(tmp_path: Path, days: int, name: str, trusted: bool, words: str) -> None:
    """For HTTP and for the TLS check."""
    path = servers.certificate(tmp_path, days=days, name=name)
    tls = servers.client_tls(path) if trusted else None
    async with servers.serving(
        servers.http(lambda _method, _path: (200, b"", {})), servers.server_tls(path)
    ) as port:
        by_http = await check_once(HttpCheck(f"https://localhost:{port}/", tls=tls))
        by_tls = await check_once(TlsCheck(f"localhost:{port}", SystemClock(), tls=tls))

    assert [words, words] == [by_http.error, by_tls.error]


async def test_a_certificate_before_it_expires(tmp_path: Path) -> None:
    """Less than two weeks before, it is degraded; otherwise up."""
    results = []
    for days in (5, 90):
        path = servers.certificate(tmp_path, days=days)
        async with servers.serving(servers.hang, servers.server_tls(path)) as port:
            results.append(
                await check_once(TlsCheck(f"localhost:{port}", SystemClock(), tls=servers.client_tls(path)))
            )

    assert [result.outcome for result in results] == [Outcome.DEGRADED, Outcome.UP]
    assert results[0].error == "its certificate expires in 5 days"


async def test_a_grpc_server_with_a_bad_certificate_is_down(tmp_path: Path) -> None:
    """TLS is verified for gRPC too."""
    path = servers.certificate(tmp_path, days=90)
    server = grpc.aio.server()
    pem = path.read_bytes()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)]))
    await server.start()
    check = GrpcCheck(f"localhost:{port}", "", lambda: None, grpc.ssl_channel_credentials())
    result = await check_once(check)
    await check.close()
    await server.stop(0)

    assert result.error == "its certificate is not trusted"


async def test_checks_leave_nothing_open() -> None:
    """A hundred checks of a hanging server leave no task behind."""
    before = len(asyncio.all_tasks())
    async with servers.serving(servers.hang) as port:
        await asyncio.gather(*(check_once(check_of("http", port), timeout_seconds=0.1) for _ in range(100)))
        await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) <= before + 1
