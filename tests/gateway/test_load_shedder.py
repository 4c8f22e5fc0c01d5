"""A service that reports overload is called by the same method as often as it gets room, and no more."""

import asyncio

import pytest
from chassis.errors import Unavailable
from gateway.http.request import ClientGone
from gateway.upstream import load_shedder
from gateway.upstream.load_shedder import PACED_HOLDS, SERVED_LATELY_SECONDS, LoadShedder

from tests.gateway.stack import FakeUpstream, Gateway, bearer
from tests.waiting import SLOW_MACHINE_SECONDS


def full(hold_seconds: float | None) -> Unavailable:
    """Returns the refusal of a service."""
    refusal = Unavailable(retry_after_seconds=3)
    refusal.hold_seconds = hold_seconds
    return refusal


async def rename(gateway: Gateway, token: str) -> tuple[int, str | None]:
    """Makes a call that is not cached; returns its status and when to come again."""
    answer = await gateway.http.put("/api/users/me", json={"full_name": "Ada L."}, headers=bearer(token))
    return answer.status_code, answer.headers.get("Retry-After")


async def test_calls_during_overload_are_refused_without_a_call(
    gateway: Gateway, upstream: FakeUpstream, token: str
) -> None:
    """With the same answer, until the moment is over; other methods are asked."""
    upstream.failure = full(60.0)
    assert await rename(gateway, token) == (503, "3")
    assert await asyncio.gather(*(rename(gateway, token) for _ in range(5))) == [(503, "3")] * 5
    # One of them waited for its turn, and on a slow machine another one after it.
    made = upstream.calls.count("UpdateMe")
    assert 2 <= made <= 3

    upstream.failure = None
    assert (await gateway.http.get("/api/users/me", headers=bearer(token))).status_code == 200
    # However long the service asked for, its other pods may have room.
    while (await rename(gateway, token))[0] == 503:
        pass
    assert upstream.calls.count("UpdateMe") == made + 1


@pytest.mark.parametrize("hold_seconds", [None, 0.0])
async def test_a_refusal_of_one_call_does_not_close_the_gate(
    gateway: Gateway, upstream: FakeUpstream, token: str, hold_seconds: float | None
) -> None:
    """What concerns one account, or a database that is away, is each caller's own to find out."""
    upstream.failure = full(hold_seconds)
    assert [await rename(gateway, token) for _ in range(3)] == [(503, "3")] * 3

    assert upstream.calls == ["UpdateMe"] * 3


async def test_a_client_that_leaves_takes_no_turn(
    gateway: Gateway, upstream: FakeUpstream, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call is not made, and the next client has its turn."""
    monkeypatch.setattr(load_shedder, "HOLD_SECONDS_MAX", 0.8)
    monkeypatch.setattr(load_shedder, "WAIT_SECONDS_MAX", SLOW_MACHINE_SECONDS)
    upstream.failure = full(60.0)
    assert await rename(gateway, token) == (503, "3")
    upstream.failure = None
    leaving = asyncio.create_task(rename(gateway, token))
    await asyncio.sleep(0.3)
    leaving.cancel()
    await asyncio.sleep(0.2)

    assert (await rename(gateway, token))[0] == 200
    assert upstream.calls.count("UpdateMe") == 2


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Returns the time."""
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The load shedder's time."""
    clock = Clock()
    monkeypatch.setattr(load_shedder, "time", clock)
    return clock


async def stays() -> None:
    """Waits as long as a client that does not leave."""
    await asyncio.Event().wait()


FLOOD, OTHER, THIRD = "203.0.113.7", "198.51.100.7", "192.0.2.7"


async def calls_in(shedder: LoadShedder, clock: Clock, holds: float, hold_seconds: float) -> int:
    """Returns how many of the calls that come a hundred times per hold from one site are made."""
    made = 0
    for number in range(round(holds * 100)):
        clock.now += hold_seconds / 100
        address = f"{FLOOD.rpartition('.')[0]}.{number % 256}"
        try:
            shedder.check(address)
            await shedder.begin(address, stays)
        except Unavailable:
            continue
        made += 1
    return made


async def test_after_a_refusal_calls_are_made_as_the_service_gets_room(clock: Clock) -> None:
    """One after the hold, then ever more, though a hundred times as many come; in the end all of them."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.02), FLOOD)
    await shedder.begin(FLOOD, stays)  # At the end of the hold.

    assert await calls_in(shedder, clock, 1.85, 0.02) == 0
    assert await calls_in(shedder, clock, 0.8, 0.02) == 1
    assert 2 <= await calls_in(shedder, clock, 2, 0.02) <= 4
    await calls_in(shedder, clock, PACED_HOLDS - 4, 0.02)
    assert await calls_in(shedder, clock, 1, 0.02) >= 99


async def test_a_refusal_starts_it_again(clock: Clock) -> None:
    """Whenever it comes, and as the service says then."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.02), FLOOD)
    await calls_in(shedder, clock, 5, 0.02)
    shedder.record(full(0.1), THIRD)

    assert await calls_in(shedder, clock, 0.99, 0.1) == 0
    assert await calls_in(shedder, clock, 0.8, 0.1) == 1


async def test_a_site_that_was_not_served_lately_gets_the_next_turn(clock: Clock) -> None:
    """However often another one comes, from all of its addresses; the service is called no more often."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.02), FLOOD)
    await shedder.begin(FLOOD, stays)
    shedder.record(full(0.02), THIRD)
    assert await calls_in(shedder, clock, 0.5, 0.02) == 0

    shedder.check(OTHER)
    await shedder.begin(OTHER, stays)
    assert await calls_in(shedder, clock, 1.35, 0.02) == 0
    with pytest.raises(Unavailable):
        await shedder.begin(OTHER, stays)

    clock.now += SERVED_LATELY_SECONDS
    shedder.record(full(0.02), THIRD)
    await shedder.begin(OTHER, stays)


async def test_who_was_refused_at_a_turn_gets_another(clock: Clock) -> None:
    """The service had one call less room than expected: that is not the fault of that client."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.02), THIRD)
    await shedder.begin(OTHER, stays)
    clock.now += 0.02
    shedder.record(full(0.02), OTHER)

    await shedder.begin(OTHER, stays)
    with pytest.raises(Unavailable):
        await shedder.begin(OTHER, stays)


@pytest.mark.usefixtures("clock")
async def test_few_sites_wait_at_a_time() -> None:
    """A call does not wait for longer than a moment; beyond, it is refused at once."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.25), FLOOD)
    waiting = [asyncio.create_task(shedder.begin(f"2001:db8:{site:x}::1", stays)) for site in range(20)]
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert 2 <= results.count(None) <= 4
    assert all(isinstance(each, Unavailable) for each in results if each is not None)


@pytest.mark.usefixtures("clock")
async def test_those_behind_a_client_that_leaves_move_up() -> None:
    """As many are served as have turns, in their order, and the last turn is free again."""
    shedder = LoadShedder("Login")
    shedder.record(full(0.25), FLOOD)
    leaves = asyncio.Event()
    served: list[int] = []

    async def ask(site: int) -> None:
        gone = leaves.wait if site == 1 else stays
        await shedder.begin(f"2001:db8:{site:x}::1", gone)
        served.append(site)

    first, second = [asyncio.create_task(ask(site)) for site in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await ask(3)
    leaves.set()
    with pytest.raises(ClientGone):
        await first
    await asyncio.gather(second, ask(3))

    assert served == [2, 3]
