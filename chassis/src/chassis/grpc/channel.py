"""Channels to other services: deadlines, safe retries, typed errors.

A channel passes on the current call's context (user, client, trace, time left) and collects the events that
the other side committed. It wraps the callables of `grpc.aio` rather than using interceptors, which cost a
task and a second call object per RPC.
"""

import json
from collections.abc import Iterable
from time import monotonic
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor

from chassis.dataclass import dataclass
from chassis.errors import DeadlineExceeded, ServiceError, Unavailable
from chassis.grpc import committed, errors
from chassis.grpc.call import REPLAYED_KEY, current_call
from chassis.grpc.call_metadata import call_metadata
from chassis.grpc.certificates import Certificates
from chassis.grpc.policy import Policy, policies_by_path
from chassis.grpc.reconnection import Reconnection
from chassis.grpc.replaceable_channel import ReplaceableChannel
from chassis.grpc.service_config import service_config
from chassis.grpc.stream_calls import StreamMethod, StreamStream, StreamUnary, UnaryStream
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.service_tokens import ServiceTokens
from chassis.tracing import traces
from chassis.tracing.span import Attributes

DEADLINE_SECONDS = 5.0
RESPONSE_BYTES_MAX = 16 * 1024 * 1024

IDLE_SECONDS = 30.0
"""After how long without a call a channel gives up its connections, until the next call. Servers end them as
often, because of their age; opened again each time, they would cost both sides a tenth of what they take
while nothing is called."""


def remaining_seconds(limit_seconds: float | None) -> float | None:
    """Returns how long a call made now may take: the lesser of the limit and the time left.

    Raises:
        DeadlineExceeded: no time is left.
    """
    call = current_call()
    left = None if call is None else call.remaining_seconds()
    if left is None:
        return limit_seconds
    if left <= 0:
        raise DeadlineExceeded
    return left if limit_seconds is None else min(left, limit_seconds)


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """A unary method. Calling it returns the response or raises a `ServiceError`."""

    multicallable: Any
    service_tokens: ServiceTokens
    audience: str
    limit_seconds: float | None
    reconnection: Reconnection
    span_name: str
    span_attributes: Attributes

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 gRPC's name
        wait_for_ready: bool = True,
    ) -> Any:
        """Calls.

        Args:
            request: The request, as the method's serializer takes it.
            timeout: Seconds at most; None for the method's limit. The current call's deadline is never
                exceeded.
            wait_for_ready: Whether a call that could not be sent waits for a connection during the first
                seconds of an outage.

        Returns:
            The response.

        Raises:
            Unavailable: the service cannot be reached or is too busy.
            DeadlineExceeded: no response in time.
            ServiceError: any other error of the service, as `RemoteError`.
        """
        if not traces.wants_spans():
            return await self._send(request, timeout, wait_for_ready)
        with traces.span(self.span_name, "CLIENT", self.span_attributes):
            return await self._send(request, timeout, wait_for_ready)

    async def _send(self, request: Any, limit_seconds: float | None, wait_for_ready: bool) -> Any:  # noqa: FBT001
        seconds = remaining_seconds(limit_seconds or self.limit_seconds)
        started = monotonic()
        try:
            response = await self._call(request, seconds)
        except ServiceError as error:
            if not errors.never_sent(error):
                if not isinstance(error, (Unavailable, DeadlineExceeded)):
                    self.reconnection.answered()
                raise
            if not await self.reconnection.wait(seconds if wait_for_ready else 0.0):
                raise
            left = None if seconds is None else max(0.001, seconds - (monotonic() - started))
            response = await self._call(request, left)
        self.reconnection.answered()
        return response

    async def _call(self, request: Any, seconds: float | None) -> Any:
        metadata = call_metadata(self.service_tokens, self.audience)
        call = self.multicallable(request, timeout=seconds, metadata=metadata)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            raise _decode_error(error, self.service_tokens.keys) from error
        _handle_trailing(await call.trailing_metadata(), self.service_tokens.keys)
        return response


class ServiceChannel(grpc.aio.Channel):
    """A channel to one service, to build generated stubs on: `UserServiceStub(channel)`."""

    def __init__(
        self,
        channel: ReplaceableChannel,
        service_tokens: ServiceTokens,
        policies: dict[str, Policy],
    ) -> None:
        self._channel = channel
        self._service_tokens = service_tokens
        self._policies = policies
        self._reconnection = Reconnection(channel.replace, self.channel_ready)

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """Returns a unary method; without serializers it takes and returns bytes."""
        policy = self._policies.get(method)
        limit = (policy.deadline_seconds if policy else None) or DEADLINE_SECONDS
        call = self._channel.unary_unary(method, *args, **options)
        name = method.strip("/")
        service, _, rpc = name.rpartition("/")
        attributes: Attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}
        audience = _audience(method, policy)
        return UnaryMethod(call, self._service_tokens, audience, limit, self._reconnection, name, attributes)

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """Returns a method with a stream of responses."""
        return UnaryStream(self._streaming(method, self._channel.unary_stream(method, *args, **options)))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """Returns a method with a stream of requests."""
        return StreamUnary(self.duplex(method, *args, **options))

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """Returns a method that streams both ways."""
        return StreamStream(self.duplex(method, *args, **options))

    def duplex(self, method: str, *args: Any, **options: Any) -> StreamMethod:
        """Returns a method whose requests stream, to be called message by message.

        One response is a stream of one: on the wire there is no difference.
        """
        return self._streaming(method, self._channel.stream_stream(method, *args, **options))

    def _streaming(self, method: str, multicallable: Any) -> StreamMethod:
        policy = self._policies.get(method)
        keys = self._service_tokens.keys
        return StreamMethod(
            multicallable,
            method.strip("/"),
            self._service_tokens,
            _audience(method, policy),
            policy.deadline_seconds if policy else None,
            remaining_seconds,
            lambda error: _decode_error(error, keys),
            lambda trailing: _handle_trailing(trailing, keys),
        )

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 gRPC's
        """Returns the state of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the connection is in another state."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the service can be reached."""
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the channel; calls in flight get the grace, in seconds."""
        self._reconnection.close()
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def open_channel(
    address: str,
    *,
    service_tokens: ServiceTokens,
    services: Iterable[ServiceDescriptor],
    credentials: Certificates | grpc.ChannelCredentials | None = None,
) -> ServiceChannel:
    """Opens a channel. It connects on the first call; call it within the event loop.

    Args:
        address: `host:port`, whose addresses are used in turn, or any gRPC target.
        service_tokens: Proves this service's name.
        services: The services behind it, such as
            `user_service_pb2.DESCRIPTOR.services_by_name["UserService"]`: their policies
            have the deadlines and which calls may be retried.
        credentials: TLS, mutual if they are `Certificates`; None for plain text.

    Raises:
        PolicyMissingError: a method has no policy.
    """
    policies = policies_by_path(services)
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(service_config(policies.values()))),
        ("grpc.max_receive_message_length", RESPONSE_BYTES_MAX),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.client_idle_timeout_ms", round(IDLE_SECONDS * 1000)),
        # So that a restarted service is found well within a second.
        ("grpc.initial_reconnect_backoff_ms", 50),
        # gRPC's timeout for making a connection: a pod that is short of CPU needs seconds.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 300),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # Each channel makes its own connections. gRPC crashes (SIGSEGV in HealthProducer::HealthChecker) when
        # two channels share a connection and check its health, as a channel and its replacement would.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
    ]
    target = address if "://" in address or address.startswith("unix:") else f"dns:///{address}"

    def open_one() -> grpc.aio.Channel:
        shown = credentials.channel_credentials() if isinstance(credentials, Certificates) else credentials
        if shown is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, shown, options=options)

    certificates = credentials if isinstance(credentials, Certificates) else None
    return ServiceChannel(ReplaceableChannel(open_one, certificates), service_tokens, policies)


def _audience(method: str, policy: Policy | None) -> str:
    """Returns the audience of a token for a method; the package if there is no descriptor."""
    return method.strip("/").partition("/")[0].rpartition(".")[0] if policy is None else policy.audience


def _decode_error(error: grpc.aio.AioRpcError, keys: ServiceKeys) -> ServiceError:
    _handle_trailing(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()), keys)
    return errors.decode(error)


def _handle_trailing(trailing: Iterable[tuple[str, str | bytes]], keys: ServiceKeys) -> None:
    """Handles a response's trailing metadata: committed events, and whether it is a replay."""
    for key, value in trailing:
        if key == committed.EVENTS_KEY:
            committed.note_encoded(value, keys)
        elif key == REPLAYED_KEY and (call := current_call()) is not None:
            call.replayed = True
