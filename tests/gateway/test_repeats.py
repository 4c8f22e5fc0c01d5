"""A repeated read is answered as if its head were read: byte for byte, with the same line and metrics.

A head that comes in two pieces is always read; the same bytes in one piece may be a repeat.
"""

import asyncio
import io
import json
import random
import re
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import jwt
import pytest
from chassis.auth_client.revocation_feed import RevocationFeed
from chassis.events import stream
from chassis.identity.role import Role
from chassis.identity.verifier import LEEWAY_SECONDS
from chassis.ids import uuid7
from chassis.tracing import traces
from chassis.tracing.recorder import Recorder
from devstack.valkey import Valkey
from gateway.cache import near_cache
from gateway.http.request import Request
from gateway.limits import rate_limiter
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.collector import Collector
from tests.fakes.service_keys import entry_of
from tests.gateway.repeating import connected, head, plain
from tests.gateway.stack import FakeUpstream, Gateway, serving_gateway, settings
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import WITHIN_SECONDS

ROUNDS = 150
ACCESS = '"event":"request"'
A_CENTURY_SECONDS = 36_500 * 86_400


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine, no token is introspected, which no repeat could wait for."""
    monkeypatch.setattr(RevocationFeed, "fresh", True)


@dataclass
class Reads:
    """How many requests were read."""

    count: int = 0


@pytest.fixture(name="reads")
def _reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Counts the requests that are read."""
    reads, read = Reads(), Request.of

    def count(*arguments: Any) -> Request:
        reads.count += 1
        return read(*arguments)

    monkeypatch.setattr(Request, "of", count)
    return reads


def counted() -> dict[str, float]:
    """Returns the metrics that count requests and look-ups."""
    names = (
        "http_server_requests_total",
        "http_server_request_duration_seconds_count",
        "gateway_cache_lookups_total",
    )
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for metric in REGISTRY.restricted_registry(names).collect()
        for sample in metric.samples
        if sample.name.endswith(("_total", "_count"))
    }


async def test_whatever_the_head_holds(
    gateway: Gateway,
    auth: AuthStandIn,
    upstream: FakeUpstream,
    ada: UUID,
    log_output: io.StringIO,
    reads: Reads,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random heads of two users, with changes in between, each sent as a repeat and read."""
    choose = random.Random(20261129)
    bob = uuid7()
    upstream.names[bob] = "Bob"
    tokens = [auth.token(user, role) for user in (ada, bob) for role in Role] + ["malformed", "vst_a_b"]
    fields = [
        *("Accept: */*", "Cookie: a=b", "Expect: 100-continue", "Connection: close", "Upgrade: h2c"),
        *("If-None-Match: *", 'If-None-Match: "Ada"', 'If-None-Match: "Ada 7"', "If-None-Match: "),
        *("Origin: https://app.example", "Origin: https://other.example", "Host: second"),
        *("X-Request-ID: given", "x-request-id: given-2", "X-REQUEST-ID: given-3", "X-Request-ID:  given"),
        *("X-Request-ID: not allowed", "Content-Length: 0", "Transfer-Encoding: chunked"),
        *("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "traceparent: 00-" + "1" * 32),
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    ]
    targets = ["/api/users/me", "/api/auth/me", "/api/users/me?a=b", "/api/users/%6De", f"/api/users/{ada}"]
    read_again = 0
    async with connected(gateway) as client:
        monkeypatch.setattr(near_cache, "time", SimpleNamespace(monotonic=lambda: 0.0))
        for number in range(ROUNDS):
            given = choose.sample(fields, choose.choice([0, 0, 1, 1, 2, 3]))
            asked = head(choose.choice(tokens), *given, target=choose.choice(targets))
            if "Transfer-Encoding: chunked" in given:
                asked += b"0\r\n\r\n"
            if number % 10 == 0:
                rename = {"full_name": f"Ada {number}"}
                done = await gateway.http.put(
                    "/api/users/me", json=rename, headers={"Authorization": f"Bearer {tokens[0]}"}
                )
                assert done.is_success
            for _ in range(2):
                await client.ask(asked)
            answers, written, counts, was = [], [], [], reads.count
            for read in (False, True):
                log_output.seek(0)
                log_output.truncate()
                before = counted()
                answers.append(plain(await client.ask(asked, read=read)))
                await asyncio.sleep(0)
                written.append([plain(each) for each in log_output.getvalue().splitlines() if ACCESS in each])
                counts.append({name: value - before.get(name, 0.0) for name, value in counted().items()})
            read_again += reads.count - was - 1

            assert answers[0] == answers[1], asked
            assert written[0] == written[1], asked
            assert counts[0] == counts[1], asked
            assert len(written[0]) == 1
    # Most heads may be repeated, and were: otherwise the comparison would say nothing.
    assert read_again < ROUNDS * 0.8


async def test_a_repeat_is_not_read(
    gateway: Gateway, token: str, reads: Reads, upstream: FakeUpstream
) -> None:
    """The first is fetched, the second found in the near cache, and the third repeats it."""
    async with connected(gateway) as client:
        answers = [await client.ask(head(token)) for _ in range(5)]

    assert (upstream.calls, reads.count) == (["GetMe"], 2)
    assert len({plain(answer) for answer in answers}) == 1
    assert len({json.loads(a.partition("\r\n\r\n")[2])["metadata"]["request_id"] for a in answers}) == 5


async def test_a_write_is_seen(gateway: Gateway, token: str, upstream: FakeUpstream, ada: UUID) -> None:
    """What an event drops from the near cache is fetched again, and repeated with its new version."""
    async with connected(gateway) as client:
        for _ in range(3):
            assert '"full_name":"Ada"' in await client.ask(head(token))
        body = json.dumps({"full_name": "Countess"}).encode()
        write = head(token, "Content-Type: application/json", f"Content-Length: {len(body)}")
        await client.ask(write.replace(b"GET", b"PUT", 1) + body)
        answers = [await client.ask(head(token)) for _ in range(3)]

    assert all('etag: "Countess"' in each and '"full_name":"Countess"' in each for each in answers)


async def test_a_revoked_token_is_refused(gateway: Gateway, valkey: Valkey, token: str, ada: UUID) -> None:
    """As soon as the event has come, also for one who repeats without a pause."""
    now = time.time_ns() // 1_000_000
    revoked = TokensRevoked(
        user_id=str(ada), issued_until_milliseconds=now, expires_at_milliseconds=now + 900_000
    )
    async with connected(gateway) as client:
        for _ in range(3):
            assert (await client.ask(head(token))).startswith("HTTP/1.1 200 ")
        async with Redis.from_url(valkey.url) as redis:
            await redis.xadd(stream.STREAM, entry_of(Event(tokens_revoked=revoked), "auth-service"))
        async with asyncio.timeout(WITHIN_SECONDS):
            while (answer := await client.ask(head(token))).startswith("HTTP/1.1 200 "):
                pass
        assert '"code":"TOKEN_REVOKED"' in answer
        assert '"code":"TOKEN_REVOKED"' in await client.ask(head(token))


async def test_an_expired_token_is_refused(gateway: Gateway, auth: AuthStandIn, token: str) -> None:
    """Once it and the leeway have ended, also for one who repeats without a pause."""
    claims = jwt.decode(token, options={"verify_signature": False})
    soon = int(time.time() - LEEWAY_SECONDS) + 2
    short = jwt.encode({**claims, "exp": soon}, auth.key, "ES256", headers={"kid": "k1"})
    async with connected(gateway) as client:
        async with asyncio.timeout(WITHIN_SECONDS):
            while (answer := await client.ask(head(short))).startswith("HTTP/1.1 200 "):
                pass
        assert time.time() >= soon + LEEWAY_SECONDS
        assert '"code":"TOKEN_EXPIRED"' in answer


async def test_a_response_is_repeated_for_its_lifetime(
    gateway: Gateway, token: str, upstream: FakeUpstream, ada: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change whose event never comes is seen after 5 s."""
    async with connected(gateway) as client:
        for _ in range(3):
            assert '"full_name":"Ada"' in await client.ask(head(token))
        upstream.names[ada] = "Countess"
        assert '"full_name":"Ada"' in await client.ask(head(token))
        later = time.monotonic() + 5
        monkeypatch.setattr(near_cache, "time", SimpleNamespace(monotonic=lambda: later))
        assert '"full_name":"Countess"' in await client.ask(head(token))


async def test_repeats_are_counted_against_the_limit(
    auth: AuthStandIn,
    users_address: str,
    valkey: Valkey,
    token: str,
    reads: Reads,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One by one, whether a lease allows it at once or Redis is asked; then they are refused."""
    allowed = 1_000
    monkeypatch.setattr(rate_limiter, "CLIENT_LIMIT_SECONDS", A_CENTURY_SECONDS)
    given = settings(auth, users_address, valkey, client_limit=allowed)
    async with serving_gateway(given) as gateway, connected(gateway) as client:
        answers = [await client.ask(head(token)) for _ in range(allowed + 1)]

    left = [int(match[1]) for each in answers if (match := re.search(r"ratelimit: .*;r=(\d+)", each))]
    assert left == [*range(allowed - 1, -1, -1), 0]
    assert [each.startswith("HTTP/1.1 200 ") for each in answers] == [True] * allowed + [False]
    assert reads.count < allowed / 2


async def test_a_gateway_that_stops_lets_its_clients_go(gateway: Gateway, token: str) -> None:
    """With the next response, as when it is read."""
    async with connected(gateway) as client:
        for _ in range(3):
            assert "connection: close" not in await client.ask(head(token))
        gateway.lifecycle.stop()
        assert "connection: close" in await client.ask(head(token))


async def test_repeats_are_traced(
    gateway: Gateway,
    token: str,
    log_output: io.StringIO,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each whose trace is taken has its span, under the id that the log names; the others have none."""
    recorder = Recorder(collector.endpoint, 0.5, service="gateway", version="1")
    monkeypatch.setattr(traces, "_recorder", recorder)
    async with connected(gateway) as client:
        for _ in range(50):
            await client.ask(head(token))
    await asyncio.to_thread(recorder.shutdown)
    logged = {json.loads(line)["trace_id"] for line in log_output.getvalue().splitlines() if ACCESS in line}
    taken = {each for each in logged if recorder.takes(int(each, 16))}
    spans = [span for span in collector.spans if span.name == "GET /api/users/me" and span.trace_id in logged]

    assert len(logged) == 50
    assert {span.trace_id for span in spans} == taken
    assert len(spans) == len(taken)
    assert all(span.attributes["http.response.status_code"] == 200 for span in spans)
    assert traces.current_span() is None
