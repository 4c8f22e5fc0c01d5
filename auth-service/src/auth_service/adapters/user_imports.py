"""user-service behind `ImportDirectory`."""

from collections.abc import Sequence
from uuid import UUID

from chassis.grpc.channel import ServiceChannel
from chassis.grpc.roles import ROLE_NUMBERS
from chassis.grpc.timestamps import timestamp
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

from auth_service.domain.user_import import Admission, ImportedAccount, ImportRow

_ADMISSIONS = {
    pb.IMPORT_RESULT_CREATED: Admission.CREATED,
    pb.IMPORT_RESULT_EXISTS: Admission.EXISTS,
    pb.IMPORT_RESULT_EMAIL_TAKEN: Admission.EMAIL_TAKEN,
    pb.IMPORT_RESULT_ERASED: Admission.ERASED,
}


class GrpcUserImports:
    """Has user-service create imported users over gRPC."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._directory = DirectoryServiceStub(channel)

    async def import_users(
        self, accounts: Sequence[ImportedAccount], *, check_only: bool
    ) -> Sequence[Admission]:
        """Creates users, or says what creating them would lead to; in their order."""
        users = [imported_user(account.user_id, account.row) for account in accounts]
        response = await self._directory.ImportUsers(
            pb.ImportUsersRequest(users=users, check_only=check_only)
        )
        return [_ADMISSIONS[result] for result in response.results]


def imported_user(user_id: UUID, row: ImportRow) -> pb.ImportedUser:
    """Returns a row as user-service takes it."""
    return pb.ImportedUser(
        user_id=str(user_id),
        email=row.email,
        full_name=row.full_name,
        role=ROLE_NUMBERS[row.role],
        is_active=row.is_active,
        email_verified=row.email_verified,
        created_at=timestamp(row.created_at),
    )
