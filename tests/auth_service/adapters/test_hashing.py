"""Argon2 in its pool."""

import asyncio
import os
import sys
import threading
import time

import pytest
from argon2 import PasswordHasher as Argon2
from argon2 import extract_parameters
from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.hashing_pool import HashingPool
from auth_service.domain.errors import HashingOverloaded


async def test_hashes_are_as_the_contract_says() -> None:
    """Argon2id, 19 MiB, two passes, one lane, salted differently each time."""
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)
        one, other = await hasher.hash("password"), await hasher.hash("password")

    parameters = extract_parameters(one)
    assert one.startswith("$argon2id$")
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
    assert one != other
    assert not hasher.is_outdated(one)


async def test_only_the_password_verifies() -> None:
    """Not another, not without a hash, not against a hash that is none."""
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)
        known = await hasher.hash("caf\u00e9")

        assert await hasher.verify(known, "cafe\u0301")
        assert not await hasher.verify(known, "cafe")
        assert not await hasher.verify(None, "caf\u00e9")
        assert not await hasher.verify("nonsense", "caf\u00e9")


async def test_without_a_hash_the_answer_takes_as_long() -> None:
    """Or the time would show whether an account exists."""
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)
        known = await hasher.hash("password")

        async def cpu_seconds(password_hash: str | None) -> float:
            began = time.process_time()
            for _ in range(5):
                assert not await hasher.verify(password_hash, "wrong")
            return time.process_time() - began

        assert 0.5 < await cpu_seconds(None) / await cpu_seconds(known) < 2


async def test_hashes_of_lesser_parameters_are_outdated() -> None:
    """They verify all the same."""
    lesser = Argon2(time_cost=1, memory_cost=1024, parallelism=1).hash("password")
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)

        assert await hasher.verify(lesser, "password")
        assert hasher.is_outdated(lesser)


async def test_beyond_the_queue_the_answer_is_no_at_once() -> None:
    """A worker busy, one waiting: the third is refused while neither has finished."""
    gate = threading.Event()
    async with HashingPool(workers=1, queue_per_worker=1) as pool:
        jobs = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(HashingOverloaded) as caught:
            await pool.run(gate.wait)
        assert caught.value.retry_after_seconds == 1

        gate.set()
        assert await asyncio.gather(*jobs) == [True, True]
        assert await pool.run(gate.wait)


async def test_the_queue_is_as_long_as_its_wait_is_short() -> None:
    """While jobs are slow, fewer may wait: their callers would have given up before their turn."""
    gate = threading.Event()
    async with HashingPool(workers=1, queue_per_worker=100, wait_seconds=0.2) as pool:
        assert pool.jobs_max == 101
        await pool.run(time.sleep, 0.4)
        assert 1 <= pool.jobs_max <= 6, "0.2 s hold five jobs of 40 ms: a tenth of the last in the average"
        jobs = [asyncio.create_task(pool.run(gate.wait)) for _ in range(pool.jobs_max)]
        await asyncio.sleep(0)

        with pytest.raises(HashingOverloaded):
            await pool.run(gate.wait)
        gate.set()
        await asyncio.gather(*jobs)


async def test_who_gives_up_leaves_the_queue() -> None:
    """A waiting job is dropped with its caller; a running one keeps its place until it ends."""
    gate, started = threading.Event(), threading.Event()

    def work() -> bool:
        started.set()
        return gate.wait()

    async with HashingPool(workers=1, queue_per_worker=1) as pool:
        running, waiting = (asyncio.create_task(pool.run(work)) for _ in range(2))
        assert await asyncio.to_thread(started.wait, 60)
        running.cancel()
        waiting.cancel()
        await asyncio.sleep(0.01)

        after = asyncio.create_task(pool.run(gate.wait))
        await asyncio.sleep(0.01)
        with pytest.raises(HashingOverloaded):
            await pool.run(gate.wait)
        gate.set()
        assert await after


async def test_a_refusal_says_when_a_place_may_be_free() -> None:
    """As long as jobs have taken of late, by the number of threads; nothing while none has ended."""
    gate, started = threading.Event(), threading.Barrier(3)

    def work() -> bool:
        started.wait(60)
        return gate.wait()

    async with HashingPool(workers=2, queue_per_worker=0) as pool:
        holds = []
        for _ in range(2):
            gate.clear()
            jobs = [asyncio.create_task(pool.run(work)) for _ in range(2)]
            await asyncio.to_thread(started.wait, 60)
            await asyncio.sleep(0.1)
            with pytest.raises(HashingOverloaded) as caught:
                pool.admit()
            holds.append(caught.value.hold_seconds)
            gate.set()
            await asyncio.gather(*jobs)

    assert holds[0] == 0
    assert holds[1] is not None
    assert holds[1] > 0.004, "jobs of 100 ms and more, a tenth of the last in the average, half of that"


async def test_a_full_queue_is_seen_before_anything_is_done() -> None:
    """So that a flood costs no look into the database."""
    gate = threading.Event()
    async with HashingPool(workers=1, queue_per_worker=0) as pool:
        hasher = Argon2Hasher(pool)
        hasher.admit()
        job = asyncio.create_task(pool.run(gate.wait))
        await asyncio.sleep(0)

        with pytest.raises(HashingOverloaded):
            hasher.admit()
        gate.set()
        await job


@pytest.mark.skipif(sys.platform != "linux", reason="niceness by thread is Linux's")
async def test_threads_are_nice_to_the_event_loop() -> None:
    """They alone: calls that need no hash go before them on a busy machine."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    async with HashingPool(workers=1, queue_per_worker=0) as pool:
        inside = await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    assert inside > before
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
