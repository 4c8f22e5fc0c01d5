"""Which part stands for which port: the one module that names the concrete ones."""

import asyncio
from dataclasses import dataclass
from importlib.metadata import version

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.auth_client.client import AUTH_CLIENT_SERVICES, AUTH_SERVICE, AuthClient
from chassis.clock import Clock, SystemClock
from chassis.events.consumer import Consumer
from chassis.events.outbox import Outbox
from chassis.events.relay import Relay
from chassis.events.tail import Tail
from chassis.grpc.certificates import open_certificates
from chassis.grpc.channel import open_channel
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.operations_http import open_operations
from chassis.postgres import revision
from chassis.postgres.pool import open_database
from vestibule.auth.v1 import account_service_pb2
from vestibule.users.v1.directory_service_pb2_grpc import add_DirectoryServiceServicer_to_server
from vestibule.users.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

from chassis import metrics, traces
from user_service.adapters.accounts import GrpcAccounts
from user_service.adapters.postgres.audit_clients import PostgresAuditClients
from user_service.adapters.postgres.unit_of_work import PostgresUnitOfWork
from user_service.adapters.postgres.users import PostgresUserReader
from user_service.domain.ports import Accounts, AuditClients, UnitOfWork, UserReader
from user_service.settings import UsersSettings
from user_service.transport.directory_servicer import DirectoryServicer
from user_service.transport.event_handlers import event_handlers
from user_service.transport.user_servicer import UserServicer
from user_service.usecases.admit_user import AdmitUser
from user_service.usecases.audit_events import AuditEvents
from user_service.usecases.delete_me import DeleteMe
from user_service.usecases.delete_user import DeleteUser
from user_service.usecases.export_me import ExportMe
from user_service.usecases.get_account import GetAccount
from user_service.usecases.get_audit_client import GetAuditClient
from user_service.usecases.get_me import GetMe
from user_service.usecases.get_user import GetUser
from user_service.usecases.list_users import ListUsers
from user_service.usecases.mark_email_verified import MarkEmailVerified, RestoreEmail
from user_service.usecases.record_sign_in import RecordSignIn
from user_service.usecases.settle_registration import SettleRegistration
from user_service.usecases.update_me import UpdateMe
from user_service.usecases.update_user import UpdateUser

SERVICE = "user-service"
SCHEMA = "users"
OUTBOX = Outbox(schema=SCHEMA, source=SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """Everything that this service can do."""

    get_me: GetMe
    update_me: UpdateMe
    delete_me: DeleteMe
    export_me: ExportMe
    list_users: ListUsers
    get_user: GetUser
    update_user: UpdateUser
    delete_user: DeleteUser
    admit_user: AdmitUser
    get_account: GetAccount
    record_sign_in: RecordSignIn
    mark_email_verified: MarkEmailVerified
    restore_email: RestoreEmail
    settle_registration: SettleRegistration
    get_audit_client: GetAuditClient
    audit_events: AuditEvents


def build_use_cases(
    units: UnitOfWork, reader: UserReader, accounts: Accounts, clients: AuditClients, clock: Clock
) -> UseCases:
    """Returns the use cases on the given ports."""
    get_me = GetMe(reader)
    update_user = UpdateUser(units, accounts, clock)
    delete_user = DeleteUser(units, accounts, clock)
    admit_user = AdmitUser(units, reader, accounts, clock)
    return UseCases(
        get_me=get_me,
        update_me=UpdateMe(update_user),
        delete_me=DeleteMe(reader, accounts, delete_user),
        export_me=ExportMe(units, reader, accounts, clock),
        list_users=ListUsers(units),
        get_user=GetUser(units, get_me),
        update_user=update_user,
        delete_user=delete_user,
        admit_user=admit_user,
        get_account=GetAccount(units, reader),
        record_sign_in=RecordSignIn(units),
        mark_email_verified=MarkEmailVerified(units, clock),
        restore_email=RestoreEmail(units, clock),
        settle_registration=SettleRegistration(admit_user, accounts),
        get_audit_client=GetAuditClient(clients),
        audit_events=AuditEvents(units),
    )


def add_servicers(server: GrpcServer, does: UseCases) -> None:
    """Adds both services to a server."""
    users = UserServicer(
        get_me=does.get_me,
        update_me=does.update_me,
        delete_me=does.delete_me,
        export_me=does.export_me,
        list_users=does.list_users,
        get_user=does.get_user,
        update_user=does.update_user,
        delete_user=does.delete_user,
    )
    directory = DirectoryServicer(
        admit_user=does.admit_user,
        get_account=does.get_account,
        record_sign_in=does.record_sign_in,
        mark_email_verified=does.mark_email_verified,
        get_audit_client=does.get_audit_client,
        restore_email=does.restore_email,
    )
    server.add(add_UserServiceServicer_to_server, users)
    server.add(add_DirectoryServiceServicer_to_server, directory)


async def start(lifecycle: Lifecycle, settings: UsersSettings) -> None:
    """Starts the service on a lifecycle: returns once it listens; it is ready when it can verify tokens.

    Raises:
        StartupError: A port, Postgres or the schema is not as it must be.
    """
    await _open_operations(lifecycle, settings)
    postgres_url = settings.postgres_url.get_secret_value()
    redis_url = settings.redis_url.get_secret_value()
    database = await lifecycle.enter(
        open_database(postgres_url, application_name=SERVICE, max_size=settings.postgres_pool_size)
    )
    await revision.require(database, schema=SCHEMA, package="user_service")

    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    account_service = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
    certificates = open_certificates(settings.tls_files)
    channel = await lifecycle.enter(
        open_channel(
            settings.auth_address,
            service_tokens=service_tokens,
            services=(*AUTH_CLIENT_SERVICES, account_service),
            credentials=certificates,
        )
    )
    authenticator = TokenAuthenticator(
        AuthClient(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        keys_refresh_seconds=settings.jwks_refresh_seconds,
    )
    does = build_use_cases(
        # auth-service of the release before cannot fetch whom an audit event came from.
        PostgresUnitOfWork(database, OUTBOX, carries_clients=service_tokens.accepts_shared),
        PostgresUserReader(database),
        GrpcAccounts(channel),
        PostgresAuditClients(database),
        SystemClock(),
    )
    server = build_server(service_tokens=service_tokens, authenticator=authenticator)
    add_servicers(server, does)

    tail = Tail(
        redis_url=redis_url,
        client_name=SERVICE,
        keys=service_tokens.keys,
        on_event=authenticator.feed.on_event,
        on_lost=authenticator.feed.on_lost,
        pulse_of=AUTH_SERVICE,
    )
    lifecycle.begin("event tail", tail.run())
    lifecycle.begin("token authenticator", authenticator.run(tail))
    _begin_events(lifecycle, settings, service_tokens.keys, does)

    await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)
    lifecycle.readiness.ask("authenticator", lambda: authenticator.ready, waits_for=AUTH_SERVICE)
    lifecycle.begin("health", _serve_when_ready(server, authenticator))


def _begin_events(lifecycle: Lifecycle, settings: UsersSettings, keys: ServiceKeys, does: UseCases) -> None:
    """Begins to publish this service's events and to handle those of others."""
    redis_url = settings.redis_url.get_secret_value()
    postgres_url = settings.postgres_url.get_secret_value()
    relay = Relay(OUTBOX, keys=keys, postgres_url=postgres_url, redis_url=redis_url)
    handlers = event_handlers(
        settle_registration=does.settle_registration, record_sign_in=does.record_sign_in
    )
    consumer = Consumer(
        group=SERVICE, handlers=handlers, keys=keys, redis_url=redis_url, audit=does.audit_events
    )
    lifecycle.begin("outbox relay", relay.run())
    lifecycle.begin("event consumer", consumer.run())


async def _open_operations(lifecycle: Lifecycle, settings: UsersSettings) -> None:
    """Opens what operators look at: metrics, health, readiness, traces."""
    release = version("vestibule-user-service")
    metrics.set_build_info(service=SERVICE, version=release, revision=settings.revision)
    await lifecycle.enter(traces.tracing(settings, service=SERVICE, version=release))
    await lifecycle.enter(
        open_operations(
            lifecycle.readiness,
            service=SERVICE,
            version=release,
            host=settings.http_host,
            port=settings.http_port,
        )
    )
    await lifecycle.enter(metrics.sampling_event_loop())


async def _serve_when_ready(server: GrpcServer, authenticator: TokenAuthenticator) -> None:
    """Reports healthy once tokens can be verified; auth-service may start later."""
    while not authenticator.ready:  # noqa: ASYNC110 two caches fill by themselves, neither has an event
        await asyncio.sleep(0.05)
    server.set_serving(True)
