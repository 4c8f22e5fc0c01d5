"""Methods that stream: the steps of unary calls around the stream, and those of requests on each message."""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from chassis.errors import Draining
from chassis.grpc import committed, errors
from chassis.grpc.call import Call
from chassis.grpc.observation import StreamCounts, StreamObserver
from chassis.grpc.policy import Policy
from chassis.grpc.refusals import Context, abort, code_name, refusal_of, trailing_events
from chassis.grpc.request_steps import AdmitCall, ReadRequest
from chassis.grpc.stream_policy import streams_content
from chassis.identity.service_keys import ServiceKeys


class ServedStreams:
    """Wraps methods that stream, knows their open streams and ends them when the server stops."""

    def __init__(self, keys: ServiceKeys) -> None:
        """Takes the keys that sign what calls committed."""
        self._keys = keys
        self._open: set[_OpenStream] = set()
        self._stopping = False

    def wrap(self, policy: Policy, handler: Any, admit: AdmitCall, read: ReadRequest) -> Any:
        """Returns a handler that does everything around the given one.

        Raises:
            TypeError: responses stream, and the method is not an async generator.
        """
        serve = self._serve(policy, handler, admit, read)
        if not handler.request_streaming:
            return grpc.unary_stream_rpc_method_handler(serve)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(serve)

        async def serve_one(requests: Any, context: Context) -> bytes:
            response = b""
            async for each in serve(requests, context):
                response = each
            return response

        return grpc.stream_unary_rpc_method_handler(serve_one)

    def stop(self) -> None:
        """Ends the open streams; their clients reconnect elsewhere."""
        self._stopping = True
        for stream in self._open:
            stream.end()

    def _serve(self, policy: Policy, handler: Any, admit: AdmitCall, read: ReadRequest) -> Any:
        answer, serialize = _answerer(policy, handler), handler.response_serializer
        path, keys, requests_stream = policy.path, self._keys, handler.request_streaming
        # Half of a body is of no use, so a server that stops lets it finish, as it does other calls.
        finishes = streams_content(policy.descriptor)
        observer = StreamObserver(policy.descriptor.containing_service.full_name, policy.descriptor.name)

        async def serve(source: Any, context: Context) -> AsyncGenerator[bytes, None]:
            started, counts = time.perf_counter(), observer.opened()
            events = committed.collect()
            code = "OK"
            try:
                call, limit_seconds = await admit(context)
                if requests_stream:
                    # The caller learns that it is admitted before it has sent anything.
                    await context.send_initial_metadata(())
                    request: Any = _requests(source, call, read, counts)
                else:
                    request = await read(source, call)
                async with (
                    asyncio.timeout(limit_seconds),
                    aclosing(answer(request, context)) as answers,
                    aclosing(answers if finishes else self._until_stop(answers)) as messages,
                ):
                    async for message in messages:
                        raw = message if serialize is None else serialize(message)
                        counts.sent(len(raw))
                        yield raw
            except grpc.aio.AbortError:
                code = code_name(context)
                raise
            except (asyncio.CancelledError, GeneratorExit):
                code = "CANCELLED"
                raise
            except Exception as error:  # noqa: BLE001 the one place where bugs become answers
                refusal = refusal_of(error, path)
                code = errors.CODES[refusal.kind].name
                await abort(context, refusal, trailing_events(events, keys))
            else:
                if events:
                    context.set_trailing_metadata(trailing_events(events, keys))
            finally:
                observer.ended(counts, code, time.perf_counter() - started)

        return serve

    async def _until_stop(self, messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """Passes messages on until the server stops, then raises `Draining`."""
        stream = _OpenStream()
        self._open.add(stream)
        try:
            while not self._stopping:
                yield await stream.next_of(messages)
            raise Draining
        except StopAsyncIteration:
            return
        finally:
            self._open.discard(stream)


def _answerer(policy: Policy, handler: Any) -> Any:
    """Returns the method as an async generator of its responses, of which there may be just one."""
    if handler.response_streaming:
        behave = handler.stream_stream if handler.request_streaming else handler.unary_stream
        if inspect.iscoroutinefunction(behave):
            raise TypeError(f"{policy.path}: a stream is answered by an async generator")
        return behave
    behave_once = handler.stream_unary

    async def answer(requests: Any, context: Context) -> AsyncGenerator[Any, None]:
        yield await behave_once(requests, context)

    return answer


async def _requests(
    source: AsyncIterator[bytes], call: Call, read: ReadRequest, counts: StreamCounts
) -> AsyncGenerator[Any, None]:
    """Yields the requests of a stream, each held against the policy and the constraints of its fields."""
    async for raw in source:
        counts.received(len(raw))
        yield await read(raw, call)


class _OpenStream:
    """A stream being answered: ended only while it waits for its next message.

    A cancellation that struck gRPC while it sends would leave the call without a status,
    and its client and the stop waiting for one.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._waiting = False
        self._ended = False

    async def next_of(self, messages: AsyncIterator[Any]) -> Any:
        """Returns the next message, or raises `Draining` when ended before it came."""
        self._waiting = True
        try:
            return await anext(messages)
        except asyncio.CancelledError:
            if not self._ended or self._task is None:
                raise
            self._task.uncancel()
            raise Draining from None
        finally:
            self._waiting = False

    def end(self) -> None:
        """Ends the wait for the next message; a stream that is not waiting sees the stop by itself."""
        if self._waiting and self._task is not None:
            self._ended = True
            self._task.cancel()
