"""A channel with certificates: opened anew when they rotate, the old one left to finish its calls."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from chassis.grpc.certificates import Certificates
from chassis.grpc.stream_policy import STREAM_SECONDS_MAX

OLD_CALLS_SECONDS = STREAM_SECONDS_MAX + 60.0
"""How long calls may go on that were made before certificates rotated: as long as any stream lasts."""

Open = Callable[[grpc.ChannelCredentials], grpc.aio.Channel]


class RotatingChannel:
    """Looks like a channel of `grpc.aio`, as far as `ServiceChannel` uses one.

    Args:
        certificates: What to show and whom to trust.
        open_one: Opens a channel with credentials.
    """

    def __init__(self, certificates: Certificates, open_one: Open) -> None:
        self._certificates = certificates
        self._open = open_one
        self._generation = certificates.look()
        self._channel = open_one(certificates.channel_credentials())
        self._closing: set[asyncio.Task[None]] = set()

    def present(self) -> tuple[int, grpc.aio.Channel]:
        """Returns the generation and the channel for a call made now."""
        if self._certificates.look() != self._generation:
            self._generation = self._certificates.generation
            old, self._channel = self._channel, self._open(self._certificates.channel_credentials())
            task = asyncio.ensure_future(old.close(OLD_CALLS_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return self._generation, self._channel

    def unary_unary(self, method: str, *arguments: Any, **options: Any) -> "Turning":
        """Returns a method with one answer."""
        return Turning(self, lambda channel: channel.unary_unary(method, *arguments, **options))

    def unary_stream(self, method: str, *arguments: Any, **options: Any) -> "Turning":
        """Returns a method with a stream of answers."""
        return Turning(self, lambda channel: channel.unary_stream(method, *arguments, **options))

    def stream_stream(self, method: str, *arguments: Any, **options: Any) -> "Turning":
        """Returns a method that streams both ways."""
        return Turning(self, lambda channel: channel.stream_stream(method, *arguments, **options))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 gRPC's
        """Returns the state of the connection."""
        return self.present()[1].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the connection is in another state."""
        await self.present()[1].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the service can be reached."""
        await self.present()[1].channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the present channel and those left to finish."""
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close(grace)


class Turning:
    """A method that is called on the channel of the day."""

    def __init__(self, channel: RotatingChannel, bind: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel = channel
        self._bind = bind
        self._generation = -1
        self._bound: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Calls."""
        generation, channel = self._channel.present()
        if generation != self._generation:
            self._generation, self._bound = generation, self._bind(channel)
        return self._bound(*arguments, **options)
