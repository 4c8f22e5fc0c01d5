"""The callbacks of a stop: one that fails keeps none of the others from running."""

from chassis.lifecycle import Lifecycle, Stop
from structlog.testing import capture_logs


async def test_a_drain_that_fails_is_logged_and_servers_still_stop() -> None:
    """Work in flight is finished, whatever is wrong elsewhere."""
    lifecycle, called = Lifecycle("stock-service"), list[str]()

    def fail() -> None:
        raise KeyError("at once")

    async def fail_later() -> None:
        raise KeyError("later")

    async def stop(grace_seconds: float) -> None:
        called.append(f"stop within {grace_seconds}")

    lifecycle.on_drain(fail)
    lifecycle.on_drain(fail_later)
    lifecycle.on_drain(lambda: called.append("drain"))
    lifecycle.on_stop(stop)
    with capture_logs() as logs:
        await lifecycle.drain(Stop(0.0, 0.0, 2.0))

    assert called == ["drain", "stop within 2.0"]
    assert [entry["event"] for entry in logs] == ["draining failed; stopping goes on"] * 2
