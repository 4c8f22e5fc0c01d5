"""What surrounds every method of a service: one function a call, composed at start-up.

gRPC's interceptors are asked on every call which handler to use; here each handler is
wrapped once, so that a call pays only for the steps that its method needs. The order:
authenticate and authorize from the metadata, parse, authorize what depends on the
request, validate, run within the deadline, answer with what was committed.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError, Message

from chassis.errors import DeadlineExceeded, Forbidden, Invalid, Kind, ServiceError, Unavailable
from chassis.grpc import committed, errors
from chassis.grpc.access import compile_admission, report_refused_key
from chassis.grpc.authorization import compile_request_authorization
from chassis.grpc.call import Call, enter
from chassis.grpc.certificates import certificate_names
from chassis.grpc.constraints import compile_validator
from chassis.grpc.observation import MethodObserver
from chassis.grpc.policy import Policy
from chassis.identity.claims import Authenticator
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.service_tokens import ServiceTokens

log = structlog.get_logger()

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Around: TypeAlias = Callable[[Policy, Behaviour], Behaviour]
_Prepare: TypeAlias = Callable[[bytes, Context], Awaitable[tuple[Message, float | None]]]

_WORTH_A_WARNING = frozenset({Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE})


@dataclass(slots=True)
class Pipeline:
    """The parts that all methods of a server share.

    Attributes:
        service_tokens: Verifies the names of calling services.
        authenticator: Authenticates users' tokens.
        deadline_seconds: How long a unary call may take whose caller set no deadline and
            whose policy names none.
        around: Wraps the work of each method with one answer, inside of everything else here.
        certified: Whether peers show certificates, which then have to name the service that calls.
        streams: The streams being answered.
        stopping: Whether streams are to end because the server stops.
    """

    service_tokens: ServiceTokens
    authenticator: Authenticator
    deadline_seconds: float = 5.0
    around: Around | None = None
    certified: bool = False
    streams: set["_Stream"] = field(default_factory=set)
    stopping: bool = False

    def wrap(self, policy: Policy, handler: Handler) -> Handler:
        """Returns a handler that does everything around the given one.

        Raises:
            TypeError: the method streams requests, which nothing here does.
        """
        if handler.request_streaming:
            raise TypeError(f"{policy.path}: streams of requests are not served")
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(policy, handler), None, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(policy, handler), None, handler.response_serializer
        )

    def end_streams(self) -> None:
        """Ends the streams being answered: their clients are told to come back elsewhere."""
        self.stopping = True
        for stream in self.streams:
            stream.end()

    def _unary(self, policy: Policy, handler: Handler) -> Callable[[bytes, Context], Awaitable[Any]]:
        prepare = self._prepare(policy, handler, policy.deadline_seconds or self.deadline_seconds)
        behave: Any = handler.unary_unary
        if self.around is not None:
            behave = self.around(policy, behave)
        path, observer, keys = policy.path, _observer(policy), self.service_tokens.keys

        async def serve(raw: bytes, context: Context) -> Any:
            started = time.perf_counter()
            events = committed.collect()
            code = "OK"
            try:
                request, limit_seconds = await prepare(raw, context)
                if limit_seconds is None:
                    response = await behave(request, context)
                else:
                    response = await _within(limit_seconds, behave(request, context))
            except grpc.aio.AbortError:
                code = _code_name(context)
                raise
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception as error:  # noqa: BLE001 the one place where bugs become answers
                refusal = _refusal(error, path)
                code = errors.CODES[refusal.kind].name
                await _abort(context, refusal, _trailing(events, keys))
            else:
                if events:
                    context.set_trailing_metadata(_trailing(events, keys))
                return response
            finally:
                observer.answered(code, time.perf_counter() - started)

        return serve

    def _stream(self, policy: Policy, handler: Handler) -> Callable[[bytes, Context], AsyncIterator[Any]]:
        prepare = self._prepare(policy, handler, policy.deadline_seconds)
        behave: Any = handler.unary_stream
        path, observer, keys = policy.path, _observer(policy), self.service_tokens.keys
        if inspect.iscoroutinefunction(behave):
            raise TypeError(f"{path}: a stream is answered by an async generator")

        async def serve(raw: bytes, context: Context) -> AsyncIterator[Any]:
            started = time.perf_counter()
            events = committed.collect()
            code = "OK"
            try:
                request, limit_seconds = await prepare(raw, context)
                async with (
                    asyncio.timeout(limit_seconds),
                    aclosing(behave(request, context)) as answers,
                    aclosing(self._until_stop(answers)) as messages,
                ):
                    async for message in messages:
                        yield message
            except grpc.aio.AbortError:
                code = _code_name(context)
                raise
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception as error:  # noqa: BLE001 the one place where bugs become answers
                refusal = _refusal(error, path)
                code = errors.CODES[refusal.kind].name
                await _abort(context, refusal, _trailing(events, keys))
            else:
                if events:
                    context.set_trailing_metadata(_trailing(events, keys))
            finally:
                observer.answered(code, time.perf_counter() - started)

        return serve

    async def _until_stop(self, messages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """Passes messages on until the server stops, then raises `Unavailable`."""
        stream = _Stream()
        self.streams.add(stream)
        try:
            while not self.stopping:
                yield await stream.next_of(messages)
            raise Unavailable
        except StopAsyncIteration:
            return
        finally:
            self.streams.discard(stream)

    def _prepare(self, policy: Policy, handler: Handler, default_seconds: float | None) -> _Prepare:
        admit = compile_admission(policy, self.service_tokens, self.authenticator)
        authorize = compile_request_authorization(policy)
        validate = compile_validator(policy.descriptor.input_type)
        parse: Any = handler.request_deserializer

        async def prepare(raw: bytes, context: Context) -> tuple[Message, float | None]:
            remaining: float | None = context.time_remaining()
            if remaining is not None and remaining <= 0:
                raise DeadlineExceeded
            names = partial(certificate_names, context) if self.certified else None
            call = await admit(context.invocation_metadata() or (), context.peer, names)
            limit = default_seconds if remaining is None else None
            _set_deadline(call, remaining if remaining is not None else limit)
            enter(call)
            try:
                request: Message = parse(raw)
            except DecodeError as error:
                raise Invalid from error
            if authorize is not None and call.claims is not None:
                try:
                    authorize(request, call.claims)
                except Forbidden:
                    await report_refused_key(self.authenticator, policy, call.claims, call.caller)
                    raise
            if validate is not None:
                validate(request)
            return request, limit

        return prepare


class _Stream:
    """A stream being answered: ended only while it waits for its next message.

    A cancellation that struck gRPC while it sends would leave the call without a status,
    and its client and the stop waiting for one.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._waiting = False
        self._ended = False

    async def next_of(self, messages: AsyncIterator[Any]) -> Any:
        """Returns the next message, or raises `Unavailable` when ended before it came."""
        self._waiting = True
        try:
            return await anext(messages)
        except asyncio.CancelledError:
            if not self._ended or self._task is None:
                raise
            self._task.uncancel()
            raise Unavailable from None
        finally:
            self._waiting = False

    def end(self) -> None:
        """Ends the wait for the next message, if there is one; else the stream sees to it itself."""
        if self._waiting and self._task is not None:
            self._ended = True
            self._task.cancel()


def _set_deadline(call: Call, seconds: float | None) -> None:
    if seconds is not None:
        call.deadline = time.monotonic() + seconds


async def _within(seconds: float, work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await work


def _observer(policy: Policy) -> MethodObserver:
    method = policy.descriptor
    return MethodObserver(method.containing_service.full_name, method.name)


def _code_name(context: Context) -> str:
    code: Any = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"


def _refusal(error: Exception, path: str) -> ServiceError:
    """Returns the error to answer with, having logged what the answer will not say."""
    if isinstance(error, TimeoutError):
        error = DeadlineExceeded()
    if not isinstance(error, ServiceError):
        log.error("rpc failed", method=path, exc_info=error)
        return ServiceError()
    if error.kind in _WORTH_A_WARNING:
        log.warning("rpc refused", method=path, reason=error.reason, exc_info=error.__cause__)
    else:
        log.info("rpc refused", method=path, reason=error.reason)
    return error


def _trailing(events: list[committed.Committed], keys: ServiceKeys) -> tuple[tuple[str, bytes], ...]:
    """Returns what tells the caller of what was committed, if anything was."""
    return ((committed.EVENTS_KEY, committed.encode(events, keys)),) if events else ()


async def _abort(context: Context, error: ServiceError, events: tuple[tuple[str, bytes], ...]) -> None:
    code, message, trailing = errors.encode(error)
    # What the method itself set goes with its error too.
    trailing = (*(context.trailing_metadata() or ()), *trailing)
    # What was committed before the failure is true all the same.
    trailing = (*trailing, *events)
    await context.abort(code, message, trailing)
