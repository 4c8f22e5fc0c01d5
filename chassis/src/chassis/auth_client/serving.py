"""How a service behind the gateway authenticates its callers, and serves as soon as it can."""

import asyncio

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.auth_client.client import AUTH_SERVICE, AuthClient
from chassis.auth_client.settings import AuthenticatingSettings
from chassis.events.tail import Tail
from chassis.grpc.certificates import Certificates
from chassis.grpc.channel import ServiceChannel
from chassis.grpc.server import GrpcServer
from chassis.identity.service_keys import ServiceKeys
from chassis.lifecycle import Lifecycle


def begin_authenticator(
    lifecycle: Lifecycle,
    settings: AuthenticatingSettings,
    channel: ServiceChannel,
    *,
    service: str,
    keys: ServiceKeys,
) -> TokenAuthenticator:
    """Begins to keep keys and revocations up to date; the service is ready when it has both.

    Args:
        lifecycle: The service's.
        settings: The service's.
        channel: To auth-service, with `AUTH_CLIENT_SERVICES`.
        service: The service's name.
        keys: What verifies who sent an event.
    """
    authenticator = TokenAuthenticator(
        AuthClient(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        keys_refresh_seconds=settings.jwks_refresh_seconds,
    )
    tail = Tail(
        redis_url=settings.redis_url_with_authorities,
        client_name=service,
        keys=keys,
        on_event=authenticator.feed.on_event,
        on_lost=authenticator.feed.on_lost,
        heartbeat_of=AUTH_SERVICE,
    )
    lifecycle.begin("event tail", tail.run())
    lifecycle.begin("token authenticator", authenticator.run(tail))
    lifecycle.readiness.ask("authenticator", lambda: authenticator.ready, waits_for=AUTH_SERVICE)
    return authenticator


async def serve(
    lifecycle: Lifecycle,
    settings: AuthenticatingSettings,
    server: GrpcServer,
    certificates: Certificates | None,
    authenticator: TokenAuthenticator,
) -> None:
    """Listens; gRPC's health says SERVING when callers can be authenticated.

    Raises:
        StartupError: the port is in use.
    """
    await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)
    lifecycle.begin("health", _report_serving(server, authenticator))


async def _report_serving(server: GrpcServer, authenticator: TokenAuthenticator) -> None:
    """Waits for the authenticator: auth-service may start after this service."""
    while not authenticator.ready:  # noqa: ASYNC110 two caches fill in the background; neither has an event
        await asyncio.sleep(0.05)
    server.set_serving(True)
