"""The one source of the services' names, modules, default ports and schemas.

The chart, the images, skaffold and the tests are held against it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """The part of the database that a service owns.

    Attributes:
        name: The schema.
        owner: The role that migrates it.
        runtime: The role that the service runs as.
        extensions: Extensions of Postgres that its migrations use where they are there.
    """

    name: str
    owner: str
    runtime: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One program of the house.

    Attributes:
        name: Its name everywhere: folder, image, Kubernetes Service, health component.
        module: What `python -m` runs.
        prefix: Prefix of its settings.
        http_port: Default port of HTTP: the API for the gateway, metrics and health elsewhere.
        grpc_port: Default port of gRPC; None for the gateway.
        schema: What it owns in Postgres.
    """

    name: str
    module: str
    prefix: str
    http_port: int
    grpc_port: int | None = None
    schema: Schema | None = None


AUTH = Service(
    "auth-service", "auth_service", "AUTH", 9101, 50051, Schema("auth", "auth_owner", "auth_service")
)
USERS = Service(
    "user-service",
    "user_service",
    "USERS",
    9102,
    50052,
    Schema("users", "users_owner", "user_service", extensions=("pg_trgm",)),
)
HEALTH = Service(
    "health-aggregator",
    "health_aggregator",
    "HEALTH",
    9103,
    50053,
    Schema("health", "health_owner", "health_aggregator"),
)
GATEWAY = Service("gateway", "gateway", "GATEWAY", 8000)

SERVICES = (AUTH, USERS, HEALTH, GATEWAY)
"""In the order in which they are started; they are stopped the other way round."""

PROTO_PACKAGES = {
    "vestibule.auth.v1": AUTH,
    "vestibule.users.v1": USERS,
    "vestibule.health.v1": HEALTH,
}
"""Which service serves which package of the protos."""
