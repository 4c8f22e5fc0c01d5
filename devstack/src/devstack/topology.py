"""The one list of the services: names, ports, schemas, protos, and who calls whom (`Service.calls`).

Chart, images, skaffold, Redis users and tests are generated from it or compared with it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """The part of the database that a service owns.

    Attributes:
        name: The schema.
        runtime: The role that the service runs as.
        extensions: Extensions of Postgres that its migrations use where the server offers them.
    """

    name: str
    runtime: str
    extensions: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The role that migrates it."""
        return f"{self.name}_owner"


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    Attributes:
        name: Its name everywhere: folder, image, Kubernetes Service, health component.
        prefix: Prefix of its settings.
        http_port: Default port of HTTP: the API for the gateway, metrics and health elsewhere.
        grpc_port: Default port of gRPC; None for the gateway.
        package: The package of the protos that it serves; empty for the gateway.
        calls: Names of services whose address it is given, if they run, as `<PREFIX>_<THEIR PREFIX>_ADDRESS`.
            Two are not among them: auth-service calls its witness, health-aggregator, by a setting of its own
            (`AUTH_WITNESS_ADDRESS` in `devstack.plan`), and the gateway calls every service.
        schema: What it owns in Postgres.
        switch: The setting that turns it on with `1`; empty for a service that always runs.
    """

    name: str
    prefix: str
    http_port: int
    grpc_port: int | None = None
    package: str = ""
    calls: tuple[str, ...] = ()
    schema: Schema | None = None
    switch: str = ""

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return self.name.replace("-", "_")


AUTH = Service(
    name="auth-service",
    prefix="AUTH",
    http_port=9101,
    grpc_port=50051,
    package="vestibule.auth.v1",
    calls=("user-service", "knowledge-service"),
    schema=Schema("auth", "auth_service"),
)
USERS = Service(
    name="user-service",
    prefix="USERS",
    http_port=9102,
    grpc_port=50052,
    package="vestibule.users.v1",
    calls=("auth-service", "knowledge-service"),
    schema=Schema("users", "user_service", extensions=("pg_trgm",)),
)
HEALTH = Service(
    name="health-aggregator",
    prefix="HEALTH",
    http_port=9103,
    grpc_port=50053,
    package="vestibule.health.v1",
    calls=("auth-service",),
    schema=Schema("health", "health_aggregator"),
)
KNOWLEDGE = Service(
    name="knowledge-service",
    prefix="KNOWLEDGE",
    http_port=9104,
    grpc_port=50054,
    package="vestibule.knowledge.v1",
    calls=("auth-service", "user-service"),
    schema=Schema("knowledge", "knowledge_service", extensions=("vector",)),
    switch="KNOWLEDGE",
)
VOICE = Service(
    name="voice-service",
    prefix="VOICE",
    http_port=9105,
    grpc_port=50055,
    package="vestibule.voice.v1",
    calls=("auth-service", "knowledge-service"),
    switch="VOICE",
)
GATEWAY = Service(name="gateway", prefix="GATEWAY", http_port=8000)

SERVICES = (AUTH, USERS, HEALTH, KNOWLEDGE, VOICE, GATEWAY)
"""In the order in which they are started; they are stopped in reverse."""

BY_NAME = {service.name: service for service in SERVICES}

PROTO_PACKAGES = {service.package: service for service in SERVICES if service.package}
"""Which service serves which package of the protos."""
