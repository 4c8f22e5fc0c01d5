"""Builds the gateway from its parts."""

from collections.abc import Callable, Mapping

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.auth_client.client import AUTH_CLIENT_SERVICES, AUTH_SERVICE, AuthClient
from chassis.events.tail import Tail
from chassis.grpc.certificates import open_certificates
from chassis.grpc.secret_fields import secret_fields
from chassis.http.operations import OperationsApp
from chassis.http.server import open_http
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.redis import RedisClient, open_redis
from chassis.startup_errors import StartupError

from chassis import logs
from gateway.api import descriptors
from gateway.api.descriptors import Protos
from gateway.api.fields import header_of
from gateway.api.routes import Route, RouteKind, compile_routes
from gateway.app import GatewayApp, RouteEndpoint
from gateway.cache.near_cache import NearCache
from gateway.dependencies import Dependencies
from gateway.endpoint import Endpoint
from gateway.event_handler import EventHandler
from gateway.http.client_address import TrustedProxies
from gateway.http.cors import Cors
from gateway.http.envelope import VERSION
from gateway.limits.leases import LeasingRateLimiter
from gateway.limits.rate_limiter import Limit, RedisRateLimiter, client_limit
from gateway.limits.request_limits import RequestLimits
from gateway.limits.stream_slots import StreamSlots
from gateway.pages import Pages
from gateway.settings import GatewaySettings
from gateway.stream_endpoints import ContentEndpoint, EventStreamEndpoint, WebSocketEndpoint
from gateway.streams.registry import StreamRegistry
from gateway.upstream.upstreams import Upstreams

SERVICE = "gateway"
LIMITER_TIMEOUT_SECONDS = 0.25


_ENDPOINTS: Mapping[RouteKind, Callable[[Route, Dependencies], RouteEndpoint]] = {
    RouteKind.UNARY: Endpoint,
    RouteKind.EVENTS: EventStreamEndpoint,
    RouteKind.CONTENT: ContentEndpoint,
    RouteKind.WEBSOCKET: WebSocketEndpoint,
}


async def start(lifecycle: Lifecycle, settings: GatewaySettings) -> str:
    """Opens everything and serves; returns `host:port`.

    Raises:
        StartupError: a setting contradicts the protos, or the port is not free.
    """
    protos = descriptors.load(settings.descriptors, lambda service: settings.address_of(service) is not None)
    logs.hide(secret_fields(protos.services))
    tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    certificates = open_certificates(settings.tls_files, tokens.keys)
    upstreams = await lifecycle.enter(Upstreams(settings, protos.services, tokens, certificates))
    authenticator = _authenticator(settings, upstreams)
    redis = await _limits_redis(lifecycle, settings)
    streams = StreamRegistry(authenticator, StreamSlots(redis))
    events = EventHandler(authenticator.feed, NearCache(), streams)
    dependencies = Dependencies(
        upstreams=upstreams,
        authenticator=authenticator,
        limits=RequestLimits(_limiter(settings, redis), authenticator, _total_limit(settings)),
        cache=events.cache,
        on_event=events.on_event,
        deadline_seconds=settings.deadline_seconds,
        streams=streams,
        origins=frozenset(origin.encode() for origin in settings.cors_origins),
    )
    routes = compile_routes(service for service in protos.services if upstreams.serves(service))
    operations = OperationsApp(lifecycle.readiness, service=SERVICE, version=VERSION)
    app = GatewayApp(
        [_ENDPOINTS[route.kind](route, dependencies) for route in routes],
        Pages(operations, lambda: _document(routes, protos)),
        limits=dependencies.limits,
        proxies=TrustedProxies(settings.trusted_proxies, settings.forwarded_header),
        cors=Cors(
            settings.cors_origins, {header_of(field) for route in routes for field in route.header_fields}
        ),
        always_secure=settings.tls == "on",
        stopping=lifecycle.stopping.is_set,
    )
    await lifecycle.may_begin()
    await _follow_events(lifecycle, settings, tokens.keys, events, authenticator)
    server = await lifecycle.enter(open_http(app, host=settings.host, port=settings.port))
    lifecycle.begin("streams", streams.run())
    lifecycle.on_drain(streams.drain)
    lifecycle.on_stop(server.stop)
    return server.address


def _total_limit(settings: GatewaySettings) -> Limit | None:
    """Returns the limit on all requests of one client together."""
    return client_limit(settings.client_limit) if settings.client_limit else None


def _document(routes: tuple[Route, ...], protos: Protos) -> bytes:
    """Imports FastAPI, 30 MB, only when the document is requested."""
    from gateway.api import documentation  # noqa: PLC0415

    return documentation.document(routes, protos.comments())


def _authenticator(settings: GatewaySettings, upstreams: Upstreams) -> TokenAuthenticator:
    name = AUTH_CLIENT_SERVICES[0].full_name
    if not upstreams.serves(AUTH_CLIENT_SERVICES[0]):
        raise StartupError(
            f"GATEWAY_UPSTREAMS does not say where {name} is: tokens cannot be verified."
            ' Add {"vestibule.auth.v1": {"address": "host:port"}}.'
        )
    client = AuthClient(upstreams.channel(name))
    return TokenAuthenticator(
        client,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        keys_refresh_seconds=settings.jwks_refresh_seconds,
    )


async def _follow_events(
    lifecycle: Lifecycle,
    settings: GatewaySettings,
    keys: ServiceKeys,
    events: EventHandler,
    authenticator: TokenAuthenticator,
) -> None:
    tail = Tail(
        redis_url=settings.redis_url_with_authorities,
        client_name=SERVICE,
        keys=keys,
        on_event=events.on_event,
        on_lost=events.on_lost,
        heartbeat_of=AUTH_SERVICE,
    )
    lifecycle.begin("event tail", tail.run())
    lifecycle.begin("token authenticator", authenticator.run(tail))
    lifecycle.readiness.ask("authenticator", lambda: authenticator.ready, waits_for=AUTH_SERVICE)


async def _limits_redis(lifecycle: Lifecycle, settings: GatewaySettings) -> RedisClient:
    return await lifecycle.enter(
        open_redis(
            settings.redis_url_with_authorities,
            client_name=f"{SERVICE}-limits",
            timeout_seconds=LIMITER_TIMEOUT_SECONDS,
        )
    )


def _limiter(settings: GatewaySettings, redis: RedisClient) -> LeasingRateLimiter | None:
    return None if settings.rate_limits == "off" else LeasingRateLimiter(RedisRateLimiter(redis))
