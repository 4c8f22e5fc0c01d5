"""Lists of targets that change at the same time, from several sources."""

import asyncio

from health_aggregator.domain.target import Target

from tests.health_aggregator.usecases.test_checks import FakeCheck, Scheduling


async def test_concurrent_changes_of_the_targets() -> None:
    """The files and the cluster change at once: both lists are applied, the later one last."""
    scheduling = Scheduling()

    def lists(version: int) -> list[Target]:
        return [Target(name, "http", options={"url": str(version)}) for name in "abc"]

    closing = asyncio.Event()

    class Slow(FakeCheck):
        async def close(self) -> None:
            closing.set()
            await asyncio.sleep(0.01)

    scheduling.checks = {name: Slow() for name in "abc"}
    scheduler = scheduling.scheduler
    await scheduler.set_targets(lists(1))
    first = asyncio.ensure_future(scheduler.set_targets(lists(2)))
    await closing.wait()
    await asyncio.gather(first, scheduler.set_targets(lists(3)), scheduler.set_targets(lists(2)))

    assert [target.options["url"] for target, _ in scheduler.checks().values()] == ["2"] * 3
    await asyncio.gather(scheduler.set_targets(lists(4)), scheduler.close(), scheduler.set_targets(lists(5)))
    assert not scheduler.checks()
