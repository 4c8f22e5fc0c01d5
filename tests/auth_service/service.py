"""auth-service as the tests call it over the wire."""

from dataclasses import dataclass
from typing import Any

from auth_service.usecases.audit_heads import SignAuditHead
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel
from chassis.identity.caller import Caller
from chassis.postgres.pool import Pool
from vestibule.auth.v1 import auth_service_pb2
from vestibule.auth.v1.audit_service_pb2_grpc import AuditServiceStub
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from vestibule.auth.v1.email_service_pb2_grpc import EmailServiceStub
from vestibule.auth.v1.key_service_pb2_grpc import KeyServiceStub
from vestibule.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from vestibule.auth.v1.session_service_pb2_grpc import SessionServiceStub
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceStub
from vestibule.events.v1.events_pb2 import Event

from tests.auth_service.directory_stand_in import DirectoryStandIn
from tests.auth_service.local_service import EMAIL, HERE, NAME, PASSWORD
from tests.auth_service.use_cases import UseCases


@dataclass(frozen=True)
class Service:
    """The service as the gateway reaches it.

    Attributes:
        directory: The user-service beside it.
        pool: The service's own pool.
        use_cases: Its use cases, called without the wire.
        channel: From the gateway to it.
        sign_audit_head: What runs each minute.
    """

    directory: DirectoryStandIn
    pool: Pool
    use_cases: UseCases
    channel: ServiceChannel
    sign_audit_head: SignAuditHead

    @property
    def auth(self) -> AuthServiceStub:
        """Signing up, in and out."""
        return AuthServiceStub(self.channel)

    @property
    def sessions(self) -> SessionServiceStub:
        """Where the caller is signed in."""
        return SessionServiceStub(self.channel)

    @property
    def audit(self) -> AuditServiceStub:
        """The chain."""
        return AuditServiceStub(self.channel)

    @property
    def keys(self) -> KeyServiceStub:
        """The public keys."""
        return KeyServiceStub(self.channel)

    @property
    def tokens(self) -> TokenServiceStub:
        """Introspecting tokens."""
        return TokenServiceStub(self.channel)

    @property
    def passwords(self) -> PasswordServiceStub:
        """Getting back in without the password."""
        return PasswordServiceStub(self.channel)

    @property
    def emails(self) -> EmailServiceStub:
        """Verifying addresses."""
        return EmailServiceStub(self.channel)

    def come_as(self, token: str = "", address: str = HERE) -> None:
        """Makes the calls that follow in this test those of a client with this token."""
        caller = Caller(client_address=address, user_agent="test", request_id="request")
        enter(Call(caller=caller, bearer_token=token))

    async def register(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """Registers a user and returns the id."""
        self.come_as()
        request = auth_service_pb2.RegisterRequest(email=email, password=password, full_name=NAME)
        return (await self.auth.Register(request)).user.id

    async def login(
        self, email: str = EMAIL, password: str = PASSWORD, address: str = HERE
    ) -> auth_service_pb2.Tokens:
        """Signs a user in."""
        self.come_as(address=address)
        request = auth_service_pb2.LoginRequest(email=email, password=password)
        return (await self.auth.Login(request)).tokens

    async def refresh(self, token: str) -> auth_service_pb2.Tokens:
        """Exchanges a refresh token."""
        request = auth_service_pb2.RefreshRequest(refresh_token=token)
        return (await self.auth.Refresh(request)).tokens

    async def events(self) -> list[Event]:
        """Returns what is in the outbox, in order."""
        rows = await self.pool.fetch("SELECT payload FROM auth.outbox ORDER BY position")
        return [Event.FromString(row["payload"]) for row in rows]

    async def actions(self) -> list[tuple[str, str]]:
        """Returns action and outcome of each audit entry, in order."""
        rows = await self.pool.fetch("SELECT action, outcome FROM auth.audit_events ORDER BY sequence")
        return [(row["action"], row["outcome"]) for row in rows]

    async def count(self, table: str) -> int:
        """Returns the number of rows of a table."""
        counted: Any = await self.pool.fetchval(f"SELECT count(*) FROM auth.{table}")
        return int(counted)
