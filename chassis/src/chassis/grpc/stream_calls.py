"""Calls of methods that stream: as a generated stub makes them, or message by message."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.grpc.call_metadata import call_metadata
from chassis.grpc.observation import FAILURES, StreamCounts
from chassis.identity.service_tokens import ServiceTokens
from chassis.tracing import traces
from chassis.tracing.span import Span

ErrorParser = Callable[[grpc.aio.AioRpcError], Exception]
"""Returns the error that the other side meant."""

MetadataReceiver = Callable[[Any], None]
"""Takes in the trailing metadata of a call that succeeded."""

RemainingSeconds = Callable[[float | None], float | None]
"""Returns how long a call made now may take, given its own limit."""


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """A method that streams.

    Attributes:
        multicallable: Of gRPC; one response is a stream of one.
        name: The method's name, for spans.
        service_tokens: Proves this service's name.
        audience: The service that is called.
        limit_seconds: How long a call may take; None for no limit.
        remaining_seconds: What of that is left to a call made now.
        parse_error: Makes the errors of failed calls.
        receive_metadata: Takes in what a call brought besides its responses.
    """

    multicallable: Any
    name: str
    service_tokens: ServiceTokens
    audience: str
    limit_seconds: float | None
    remaining_seconds: RemainingSeconds
    parse_error: ErrorParser
    receive_metadata: MetadataReceiver

    def open(self, *request: Any, limit_seconds: float | None = None) -> "StreamCall":
        """Begins a call. The caller ends it by `StreamCall.cancel`, whatever has become of it.

        Args:
            request: The request, where requests do not stream.
            limit_seconds: How long the call may take; the method's own limit when None.

        Raises:
            DeadlineExceeded: the present call has no time left.
        """
        seconds = self.remaining_seconds(limit_seconds or self.limit_seconds)
        span = traces.begin(self.name, "CLIENT")
        metadata = call_metadata(self.service_tokens, self.audience, span)
        call = self.multicallable(*request, timeout=seconds, metadata=metadata)
        return StreamCall(call, span, self.parse_error, self.receive_metadata)


class StreamCall:
    """One call that streams: messages are sent and received one at a time.

    Attributes:
        counts: What it has carried, in messages.
    """

    def __init__(
        self, call: Any, span: Span | None, parse_error: ErrorParser, receive_metadata: MetadataReceiver
    ) -> None:
        self.counts = StreamCounts()
        self._call = call
        self._span = span
        self._parse_error = parse_error
        self._receive_metadata = receive_metadata

    async def connected(self) -> None:
        """Returns when the call is on its way over a connection.

        Raises:
            Unavailable: no connection could be made.
            ServiceError: the service refused at once.
        """
        try:
            await self._call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            raise self._failed_by(error) from error

    async def admitted(self) -> None:
        """Returns when the service has said that it takes the call, or has refused it."""
        await self._call.initial_metadata()

    async def send(self, message: Any) -> None:
        """Sends one message; returns when the connection has taken it.

        Raises:
            ServiceError: the call has failed.
        """
        try:
            await self._call.write(message)
        except grpc.aio.AioRpcError as error:
            raise self._failed_by(error) from error
        except asyncio.InvalidStateError:
            # The call is over. Where it succeeded, the service needs no further message.
            if (failure := await self._failure()) is not None:
                raise self._failed_by(failure) from failure
        self.counts.messages_sent += 1

    async def end_sending(self) -> None:
        """Signals to the service that no more messages follow."""
        try:
            await self._call.done_writing()
        except grpc.aio.AioRpcError as error:
            raise self._failed_by(error) from error

    async def receive(self) -> Any:
        """Returns the next message; None when the service has ended the call.

        Raises:
            ServiceError: the call has failed.
        """
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise self._failed_by(error) from error
        if message is grpc.aio.EOF:
            self._receive_metadata(await self._call.trailing_metadata())
            self._end_span("OK")
            return None
        self.counts.messages_received += 1
        return message

    def cancel(self) -> None:
        """Ends the call, if it is not over."""
        self._call.cancel()
        self._end_span("CANCELLED")

    def _failed_by(self, error: grpc.aio.AioRpcError) -> Exception:
        """Notes the end of the call, and returns what the other side meant by it."""
        self._end_span(error.code().name)
        return self._parse_error(error)

    async def _failure(self) -> grpc.aio.AioRpcError | None:
        """Returns what ended the call; None if it succeeded."""
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            return None
        return grpc.aio.AioRpcError(
            code,
            await self._call.initial_metadata(),
            await self._call.trailing_metadata(),
            details=await self._call.details(),
            debug_error_string=getattr(self._call, "debug_error_string", lambda: None)(),
        )

    def _end_span(self, code: str) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        for key, value in self.counts.attributes.items():
            span.note(key, value)
        span.note("rpc.response.status_code", code)
        if code in FAILURES:
            span.fail(code)
        span.end()


@dataclass(frozen=True, slots=True)
class UnaryStream:
    """A method whose responses stream, as a stub calls it: an iterator of responses."""

    method: StreamMethod

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 gRPC's name
    ) -> AsyncGenerator[Any, None]:
        """Calls; raises a `ServiceError` where the call fails."""
        call = self.method.open(request, limit_seconds=timeout)
        try:
            while (message := await call.receive()) is not None:
                yield message
        finally:
            call.cancel()


@dataclass(frozen=True, slots=True)
class StreamStream:
    """A method that streams both ways, as a stub calls it: an iterator of responses to one of requests."""

    method: StreamMethod

    async def __call__(
        self,
        requests: AsyncIterable[Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 gRPC's name
    ) -> AsyncGenerator[Any, None]:
        """Calls; raises a `ServiceError` where the call fails, and what `requests` raises."""
        call = self.method.open(limit_seconds=timeout)
        sending = asyncio.ensure_future(_send_all(call, requests))
        try:
            while (message := await call.receive()) is not None:
                yield message
        except asyncio.CancelledError:
            if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
                raise error from None
            raise
        finally:
            sending.cancel()
            call.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send_all(call: StreamCall, requests: AsyncIterable[Any]) -> None:
    try:
        async for request in requests:
            if not await _sent(call.send(request)):
                return
    except Exception:
        call.cancel()
        raise
    await _sent(call.end_sending())


async def _sent(sending: Awaitable[None]) -> bool:
    """Returns whether the call still takes messages; `receive` raises what it failed of."""
    try:
        await sending
    except ServiceError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class StreamUnary:
    """A method whose requests stream, as a stub calls it: one response to an iterator of requests."""

    method: StreamMethod

    async def __call__(
        self,
        requests: AsyncIterable[Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 gRPC's name
    ) -> Any:
        """Calls; raises a `ServiceError` where the call fails, and what `requests` raises."""
        async with aclosing(StreamStream(self.method)(requests, timeout=timeout)) as responses:
            return await anext(responses)
