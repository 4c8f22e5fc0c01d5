"""What operators are promised about restarts, losses and floods, each with its figures.

Run by `make test-faults`; `make test-nightly` has the short form of the faults.
"""

import resource
import time
from pathlib import Path

import pytest

from tests.faults import flood
from tests.faults.faults import LONG
from tests.faults.faulty_system import FaultySystem
from tests.faults.history import History, now
from tests.faults.readers import reading

pytestmark = pytest.mark.skipif(not LONG, reason="takes minutes: run by `make test-faults`")

AWAY_SECONDS = 30.0
DEADLINE_SECONDS = 6.0
"""The longest deadline of the protos, and a second for the way."""


def test_rolling_restart(faulty: FaultySystem) -> None:
    """Every process in turn, under 300 requests per second: no request fails."""
    history = History()
    with faulty.concurrent_users(history, 4), reading(faulty, history):
        time.sleep(2)
        for name in faulty.stack.services:
            faulty.stack.stop_part(name)
            faulty.stack.start_part(name)
            time.sleep(1)
        mended = now()
    outcome = faulty.checked("rolling restart of everything", history, mended)

    assert not outcome.broken
    assert not outcome.failures


@pytest.mark.parametrize("name", ["auth-service", "user-service", "gateway"])
def test_one_of_two_is_killed(faulty: FaultySystem, name: str) -> None:
    """No read fails; writes fail only if they were in flight, and can be repeated."""
    history = History()
    with faulty.concurrent_users(history, 6):
        time.sleep(2)
        killed_at = now()
        faulty.stack.kill_part(name)
        time.sleep(4)
        faulty.stack.start_part(name)
        mended = now()
        time.sleep(2)
    outcome = faulty.checked(f"one of two of {name} killed for 4 s", history, mended)

    assert not outcome.broken
    assert outcome.failed_reads == 0, outcome.failures
    assert not [str(call) for call in history if call.failed and call.began > killed_at + 0.5]


def test_postgres_away(faulty: FaultySystem) -> None:
    """503 with `Retry-After` within the deadline; 2 s after its return all is well; nothing is lost."""
    history = History()
    with faulty.concurrent_users(history, 6):
        time.sleep(2)
        faulty.stack.kill_part("postgres")
        time.sleep(AWAY_SECONDS)
        faulty.stack.start_part("postgres")
        mended = now()
        time.sleep(5)
    outcome = faulty.checked(f"postgres away for {AWAY_SECONDS:.0f} s", history, mended)

    assert not outcome.broken
    assert {call.status for call in history if call.failed} <= {503, 504}
    assert max(call.ended - call.began for call in history if call.failed) < DEADLINE_SECONDS
    assert outcome.recovered_seconds < 2


def test_redis_away(faulty: FaultySystem) -> None:
    """Sign-in, refresh, reads and revocation go on."""
    history = History()
    with faulty.concurrent_users(history, 6):
        time.sleep(2)
        faulty.stack.kill_part("redis")
        time.sleep(10)
        faulty.stack.start_part("redis")
        mended = now()
        time.sleep(3)
    outcome = faulty.checked("redis away for 10 s, its data lost", history, mended)

    assert not outcome.broken
    assert not outcome.failures


def test_flood(faulty: FaultySystem) -> None:
    """Sign-ins at ten times the capacity: four fifths of the peak still succeed, and memory is bounded."""
    before = _resident_mib(faulty)
    peak = flood.peak(faulty.stack)
    flooded = flood.goodput(faulty.stack, rate=10 * peak)
    grown = _resident_mib(faulty) - before
    faulty.add_figure("sign-ins a second at the peak", f"{peak:.0f}")
    faulty.add_figure("sign-ins a second when ten times as many are tried", f"{flooded:.0f}")
    faulty.add_figure("memory grown by, all services, MiB", f"{grown:.0f}")

    assert flooded > 0.8 * peak
    assert grown < 256


def _resident_mib(faulty: FaultySystem) -> float:
    total = 0
    for process in faulty.stack.services.values():
        pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        total += int(pages) * resource.getpagesize()
    return total / 2**20
