"""The gRPC server of a service: enforces policies, reports health, stops gracefully."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from chassis import logs
from chassis.grpc.certificates import Certificates
from chassis.grpc.health import HealthServicer
from chassis.grpc.pipeline import Handler, Interceptor, Pipeline
from chassis.grpc.policy import Policy, find_service, method_policy
from chassis.grpc.secret_fields import secret_fields
from chassis.grpc.stream_policy import streams
from chassis.identity.claims import Authenticator
from chassis.identity.service_tokens import ServiceTokens

REQUEST_BYTES_MAX = 256 * 1024
CONCURRENT_RPCS_MAX = 1_000
# gRPC adds or takes a tenth at random; a pod that has come is to be used within a minute.
_CONNECTION_AGE_SECONDS = 30
# A connection that has aged takes no new calls and lasts until its last call has ended.
_CALL_GRACE_SECONDS = 60
_MESSAGE_OVERHEAD_BYTES = 4096
HANDSHAKE_SECONDS = 10.0
"""Until when a new connection has shown its certificate and begun HTTP/2: twice of what clients wait for it.
Until then it occupies a file descriptor, without any proof of who it is; by gRPC's default for 120 s."""

Servicer = TypeVar("Servicer")


class GrpcServer:
    """Serves the added servicers; reports NOT_SERVING until `set_serving`.

    Made by `build_server`, filled by a service's wiring, then started:

        server = build_server(service_tokens=tokens, authenticator=authenticator)
        server.add(add_UserServiceServicer_to_server, UserServicer(...))
        port = await server.start("127.0.0.1:0")
        server.set_serving(True)
        ...
        await server.stop(grace_seconds=10)
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connection_age_seconds: float,
        concurrent_rpcs_max: int,
        handshake_seconds: float,
    ) -> None:
        self._pipeline = pipeline
        self._handshake_seconds = handshake_seconds
        self._connection_age_seconds = connection_age_seconds
        self._concurrent_rpcs_max = concurrent_rpcs_max
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._policies: list[Policy] = []
        self._health = HealthServicer()
        self._server: grpc.aio.Server | None = None

    def add(self, register: Callable[[Servicer, grpc.aio.Server], None], servicer: Servicer) -> None:
        """Adds a servicer; each method is wrapped by the pipeline with its policy.

        Args:
            register: The generated `add_…Servicer_to_server`.
            servicer: The servicer.

        Raises:
            PolicyMissingError: a method has no policy that can be enforced.
        """
        register(servicer, cast("grpc.aio.Server", _Registrar(self)))

    def add_methods(self, service: str, handlers: dict[str, Handler]) -> None:
        """Adds the handlers of one service, by the names of its methods."""
        descriptor = find_service(service)
        logs.hide(secret_fields([descriptor]))
        policies = {name: method_policy(descriptor.methods_by_name[name]) for name in handlers}
        wrapped = {name: self._pipeline.wrap(policies[name], handler) for name, handler in handlers.items()}
        self._policies += policies.values()
        self._handlers.append(grpc.method_handlers_generic_handler(service, wrapped))
        self._health.expect(service)

    async def start(self, address: str, certificates: Certificates | None = None) -> int:
        """Binds and starts.

        Args:
            address: `host:port`; port 0 takes a free one.
            certificates: TLS, with certificates of both sides; plain text when None.

        Returns:
            The port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        server = grpc.aio.server(options=self._options(), maximum_concurrent_rpcs=self._concurrent_rpcs_max)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        server.add_generic_rpc_handlers(tuple(self._handlers))
        if certificates is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, certificates.server_credentials())
            self._pipeline.certified = True
        await server.start()
        self._server = server
        return port

    def _options(self) -> list[tuple[str, int]]:
        """Returns the options of gRPC's server; what streams need is derived from their policies."""
        streaming = [policy for policy in self._policies if streams(policy.descriptor)]
        longest_seconds = max((policy.stream_seconds for policy in streaming), default=0.0)
        largest_bytes = max(
            (max(each.options.stream.message_bytes, each.options.body_bytes) for each in self._policies),
            default=0,
        )
        return [
            (
                "grpc.max_receive_message_length",
                max(REQUEST_BYTES_MAX, largest_bytes + _MESSAGE_OVERHEAD_BYTES),
            ),
            ("grpc.server_handshake_timeout_ms", round(self._handshake_seconds * 1000)),
            ("grpc.max_connection_age_ms", round(self._connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", round((longest_seconds + _CALL_GRACE_SECONDS) * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.max_ping_strikes", 3),
            # Two processes on one port would share its calls without a word.
            ("grpc.so_reuseport", 0),
        ]

    def set_serving(self, serving: bool, service: str | None = None) -> None:  # noqa: FBT001 a plain setter
        """Sets the health status of one service, or of all."""
        self._health.set(serving=serving, service=service)

    def drain(self) -> None:
        """Reports NOT_SERVING permanently, while calls are still accepted."""
        self._health.close()

    async def stop(self, grace_seconds: float) -> None:
        """Accepts no new calls, ends streams, and lets calls in flight finish within the grace."""
        self.drain()
        self._pipeline.end_streams()
        if self._server is not None:
            await self._server.stop(grace_seconds)


class _Registrar:
    """Receives the handlers from generated code in place of the server."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Does nothing: the same handlers come by name, where their policies can be found."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Adds the handlers to the real server."""
        self._server.add_methods(service, handlers)


def build_server(
    *,
    service_tokens: ServiceTokens,
    authenticator: Authenticator,
    deadline_seconds: float = 5.0,
    interceptor: Interceptor | None = None,
    connection_age_seconds: float = _CONNECTION_AGE_SECONDS,
    concurrent_rpcs_max: int = CONCURRENT_RPCS_MAX,
    handshake_seconds: float = HANDSHAKE_SECONDS,
) -> GrpcServer:
    """Returns a server with nothing in it yet.

    Args:
        service_tokens: Verifies the names of calling services.
        authenticator: Authenticates users' tokens.
        deadline_seconds: For unary calls that come without a deadline.
        interceptor: Wraps each unary method's servicer method; runs after all checks.
        connection_age_seconds: After this, clients must reconnect, so that they find new pods.
        concurrent_rpcs_max: Calls and streams in flight beyond which further ones are refused.
        handshake_seconds: Until when a new connection has shown its certificate and begun HTTP/2.
    """
    pipeline = Pipeline(
        service_tokens=service_tokens,
        authenticator=authenticator,
        deadline_seconds=deadline_seconds,
        interceptor=interceptor,
    )
    return GrpcServer(pipeline, connection_age_seconds, concurrent_rpcs_max, handshake_seconds)
