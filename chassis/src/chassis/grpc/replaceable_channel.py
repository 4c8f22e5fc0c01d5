"""A channel that is replaced by a new one while the old one finishes its calls."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from chassis.grpc.certificates import Certificates
from chassis.grpc.stream_policy import STREAM_SECONDS_MAX

OLD_CALLS_SECONDS = STREAM_SECONDS_MAX + 60.0
"""How long calls on an old channel may continue: as long as any stream lasts."""


class ReplaceableChannel:
    """Implements the part of `grpc.aio.Channel` that `ServiceChannel` uses.

    Args:
        open_one: Opens a channel.
        certificates: The service's certificates: when they change, the channel is replaced.
    """

    def __init__(
        self, open_one: Callable[[], grpc.aio.Channel], certificates: Certificates | None = None
    ) -> None:
        self._open = open_one
        self._certificates = certificates
        self._seen_certificates = 0 if certificates is None else certificates.refresh()
        self._generation = 0
        self._channel = open_one()
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> tuple[int, grpc.aio.Channel]:
        """Returns the current generation and channel."""
        if self._certificates is not None and self._certificates.refresh() != self._seen_certificates:
            self._seen_certificates = self._certificates.generation
            self.replace()
        return self._generation, self._channel

    def replace(self) -> None:
        """Opens a new channel, which asks DNS at once; the old one finishes its calls."""
        self._generation += 1
        old, self._channel = self._channel, self._open()
        task = asyncio.ensure_future(old.close(OLD_CALLS_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def unary_unary(self, method: str, *arguments: Any, **options: Any) -> "ReplaceableMethod":
        """Returns a unary method."""
        return ReplaceableMethod(self, lambda channel: channel.unary_unary(method, *arguments, **options))

    def unary_stream(self, method: str, *arguments: Any, **options: Any) -> "ReplaceableMethod":
        """Returns a method that streams responses."""
        return ReplaceableMethod(self, lambda channel: channel.unary_stream(method, *arguments, **options))

    def stream_stream(self, method: str, *arguments: Any, **options: Any) -> "ReplaceableMethod":
        """Returns a method that streams both ways."""
        return ReplaceableMethod(self, lambda channel: channel.stream_stream(method, *arguments, **options))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 gRPC's
        """Returns the state of the connection."""
        return self.current()[1].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the connection is in another state."""
        await self.current()[1].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the service can be reached."""
        await self.current()[1].channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the current channel and the old ones."""
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close(grace)


class ReplaceableMethod:
    """A method that is called on the current channel."""

    def __init__(self, channel: ReplaceableChannel, bind: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel = channel
        self._bind = bind
        self._generation = -1
        self._bound: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Calls."""
        generation, channel = self._channel.current()
        if generation != self._generation:
            self._generation, self._bound = generation, self._bind(channel)
        return self._bound(*arguments, **options)
