"""A small, real user-service: users over gRPC, admitted as the real one admits them."""

# ruff: noqa: N802 - servicers bear the names of RPCs

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis.errors import NotFound, ServiceError, Unavailable
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.claims import NoAuthenticator
from google.protobuf.timestamp_pb2 import Timestamp
from user_service.domain.errors import EmailTaken
from vestibule.auth.v1 import account_service_pb2
from vestibule.auth.v1.account_service_pb2_grpc import AccountServiceStub
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1 import user_pb2
from vestibule.users.v1.directory_service_pb2_grpc import (
    DirectoryServiceServicer,
    add_DirectoryServiceServicer_to_server,
)

from tests.fakes.service_keys import service_tokens


@dataclass
class DirectoryStandIn(DirectoryServiceServicer):
    """What user-service would know.

    Attributes:
        users: By id.
        versions: By id; of erased users as well.
        signed_in: Users whose sign-in was reported.
        verified: Addresses that were reported as verified, with their users.
        taken: Addresses of other users.
        audit_clients: Whom audit events came from, by the event's id.
        failure: What every call fails with; None when all is well.
    """

    users: dict[str, user_pb2.User] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    signed_in: list[UUID] = field(default_factory=list)
    verified: list[tuple[str, str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    audit_clients: dict[str, pb.GetAuditClientResponse] = field(default_factory=dict)
    failure: ServiceError | None = None
    address: str = ""
    _server: GrpcServer | None = None
    _to_auth: ServiceChannel | None = None

    async def start(self) -> None:
        """Begins to listen."""
        self._server = build_server(
            service_tokens=service_tokens("user-service"), authenticator=NoAuthenticator()
        )
        self._server.add(add_DirectoryServiceServicer_to_server, self)
        self.address = f"127.0.0.1:{await self._server.start('127.0.0.1:0')}"
        self._server.set_serving(True)

    def meet(self, auth_address: str) -> None:
        """Learns where auth-service is."""
        service = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
        tokens = service_tokens("user-service")
        self._to_auth = open_channel(auth_address, service_tokens=tokens, services=[service])

    async def stop(self) -> None:
        """Ends."""
        if self._to_auth is not None:
            await self._to_auth.close()
        if self._server is not None:
            await self._server.stop(0)

    @property
    def accounts(self) -> AccountServiceStub:
        """auth-service, as user-service calls it."""
        assert self._to_auth is not None
        return AccountServiceStub(self._to_auth)

    def change(self, user_id: str, **fields: Any) -> None:
        """Changes a user."""
        for name, value in fields.items():
            setattr(self.users[user_id], name, value)
        self.versions[user_id] += 1

    def erase(self, user_id: str) -> None:
        """Erases a user."""
        del self.users[user_id]
        self.versions[user_id] += 1

    async def GetAuditClient(
        self, request: pb.GetAuditClientRequest, context: Any
    ) -> pb.GetAuditClientResponse:
        """Returns whom an audit event came from."""
        self._fail()
        if request.event_id not in self.audit_clients:
            raise NotFound
        return self.audit_clients[request.event_id]

    async def AdmitUser(self, request: pb.AdmitUserRequest, context: Any) -> pb.AdmitUserResponse:
        """Turns a pending registration into a user."""
        self._fail()
        user_id = request.user_id
        if user_id not in self.users:
            registration = await self.accounts.GetRegistration(
                account_service_pb2.GetRegistrationRequest(user_id=user_id)
            )
            if registration.email in self.taken:
                raise EmailTaken
            now = Timestamp()
            now.GetCurrentTime()
            self.users[user_id] = user_pb2.User(
                id=user_id,
                email=registration.email,
                full_name=registration.full_name,
                role=registration.role,
                is_active=True,
                created_at=now,
                updated_at=now,
                etag='"1-0"',
            )
            self.versions[user_id] = 1
        return pb.AdmitUserResponse(user=self.users[user_id], version=self.versions[user_id])

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        """Returns what a service may copy of a user."""
        self._fail()
        if request.user_id not in self.versions:
            raise NotFound
        user = self.users.get(request.user_id)
        return pb.GetAccountResponse(user=user, version=self.versions[request.user_id], erased=user is None)

    async def ImportUsers(self, request: pb.ImportUsersRequest, context: Any) -> pb.ImportUsersResponse:
        """Refuses: imports are tried with the real user-service."""
        raise Unavailable

    async def RestoreEmail(self, request: pb.RestoreEmailRequest, context: Any) -> pb.RestoreEmailResponse:
        """Gives a user an address back that they had."""
        self._fail()
        user_id = request.user_id
        if user_id in self.users:
            self.change(user_id, email=request.email, email_verified=True)
            self.users[user_id].ClearField("pending_email")
        return pb.RestoreEmailResponse()

    async def RecordSignIn(self, request: pb.RecordSignInRequest, context: Any) -> pb.RecordSignInResponse:
        """Notes that a user signed in."""
        self._fail()
        self.signed_in.append(UUID(request.user_id))
        return pb.RecordSignInResponse()

    async def MarkEmailVerified(
        self, request: pb.MarkEmailVerifiedRequest, context: Any
    ) -> pb.MarkEmailVerifiedResponse:
        """Notes that an address was shown to be a user's."""
        self._fail()
        self.verified.append((request.user_id, request.email))
        user = self.users.get(request.user_id)
        if user is None:
            return pb.MarkEmailVerifiedResponse()
        if user.pending_email == request.email:
            if request.email in self.taken:
                raise EmailTaken
            user.ClearField("pending_email")
            self.change(request.user_id, email=request.email, email_verified=True)
        return pb.MarkEmailVerifiedResponse(user=user)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
