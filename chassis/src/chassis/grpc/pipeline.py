"""What surrounds every method of a service: one function per call, composed at start-up.

gRPC's interceptors are asked on every call which handler to use; here each handler is
wrapped once, so that a call pays only for the steps that its method needs. The order:
authenticate and authorize from the metadata, parse, authorize what depends on the
request, validate, run within the deadline, answer with what was committed. Methods that
stream are wrapped in `chassis.grpc.streaming`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Any, TypeAlias

import grpc
import grpc.aio

from chassis.dataclass import dataclass
from chassis.grpc import committed, errors
from chassis.grpc.observation import MethodObserver
from chassis.grpc.policy import Policy
from chassis.grpc.refusals import Context, abort, code_name, refusal_of, trailing_events
from chassis.grpc.request_steps import AdmitCall, ReadRequest, compile_admit, compile_read
from chassis.grpc.stream_policy import streams
from chassis.grpc.streaming import ServedStreams
from chassis.identity.claims import Authenticator
from chassis.identity.service_tokens import ServiceTokens

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Interceptor: TypeAlias = Callable[[Policy, Behaviour], Behaviour]

STREAM_GRACE_SECONDS = 60.0
"""How much longer than its lifetime a stream may last here: the gateway is to end it, not the service."""


@dataclass(slots=True)
class Pipeline:
    """The parts that all methods of a server share.

    Attributes:
        service_tokens: Verifies the names of calling services.
        authenticator: Authenticates users' tokens.
        deadline_seconds: How long a unary call may take whose caller set no deadline and
            whose policy names none.
        interceptor: Wraps the work of each unary method, within everything else here.
        certified: Whether peers show certificates, which then have to name the service that calls.
    """

    service_tokens: ServiceTokens
    authenticator: Authenticator
    deadline_seconds: float = 5.0
    interceptor: Interceptor | None = None
    certified: bool = False
    _streams: ServedStreams = field(init=False)

    def __post_init__(self) -> None:
        self._streams = ServedStreams(self.service_tokens.keys)

    def wrap(self, policy: Policy, handler: Handler) -> Handler:
        """Returns a handler that runs the pipeline and then the given one."""
        if streams(policy.descriptor):
            admit = self._admit(
                policy, policy.deadline_seconds or policy.stream_seconds + STREAM_GRACE_SECONDS
            )
            wrapped: Handler = self._streams.wrap(policy, handler, admit, self._read(policy, handler))
            return wrapped
        return grpc.unary_unary_rpc_method_handler(
            self._unary(policy, handler), None, handler.response_serializer
        )

    def end_streams(self) -> None:
        """Ends the streams being answered."""
        self._streams.stop()

    def _admit(self, policy: Policy, default_seconds: float) -> AdmitCall:
        return compile_admit(
            policy, self.service_tokens, self.authenticator, default_seconds, lambda: self.certified
        )

    def _read(self, policy: Policy, handler: Handler) -> ReadRequest:
        parse: Any = handler.request_deserializer
        return compile_read(policy, self.authenticator, parse)

    def _unary(self, policy: Policy, handler: Handler) -> Callable[[bytes, Context], Awaitable[Any]]:
        admit = self._admit(policy, policy.deadline_seconds or self.deadline_seconds)
        read = self._read(policy, handler)
        behave: Any = handler.unary_unary
        if self.interceptor is not None:
            behave = self.interceptor(policy, behave)
        path, keys = policy.path, self.service_tokens.keys
        observer = MethodObserver(policy.descriptor.containing_service.full_name, policy.descriptor.name)

        async def serve(raw: bytes, context: Context) -> Any:
            started = time.perf_counter()
            events = committed.collect()
            code = "OK"
            try:
                call, limit_seconds = await admit(context)
                request = await read(raw, call)
                if limit_seconds is None:
                    response = await behave(request, context)
                else:
                    response = await _within(limit_seconds, behave(request, context))
            except grpc.aio.AbortError:
                code = code_name(context)
                raise
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception as error:  # noqa: BLE001 the one place where bugs become answers
                refusal = refusal_of(error, path)
                code = errors.CODES[refusal.kind].name
                await abort(context, refusal, trailing_events(events, keys))
            else:
                if events:
                    context.set_trailing_metadata(trailing_events(events, keys))
                return response
            finally:
                observer.answered(code, time.perf_counter() - started)

        return serve


async def _within(seconds: float, work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await work
