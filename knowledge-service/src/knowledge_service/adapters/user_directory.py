"""user-service over gRPC."""

from uuid import UUID

from chassis.errors import DeadlineExceeded, Kind, ServiceError, Unavailable
from chassis.grpc.channel import ServiceChannel
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

DIRECTORY_SERVICE = pb.DESCRIPTOR.services_by_name["DirectoryService"]


class GrpcUserDirectory:
    """`UserDirectory` by user-service's DirectoryService."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = DirectoryServiceStub(channel)

    async def is_active(self, user_id: UUID) -> bool:
        """Whether the user exists and is not deactivated."""
        account = await self._account(user_id)
        return account is not None and account.user.is_active

    async def is_erased(self, user_id: UUID) -> bool:
        """Whether the user was erased."""
        account = await self._account(user_id)
        return account is not None and account.erased

    async def _account(self, user_id: UUID) -> pb.GetAccountResponse | None:
        try:
            account: pb.GetAccountResponse = await self._stub.GetAccount(
                pb.GetAccountRequest(user_id=str(user_id))
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        return account
