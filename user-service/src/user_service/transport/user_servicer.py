"""`vestibule.users.v1.UserService`: people, for clients."""

from typing import Any
from uuid import UUID

from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.users.v1 import user_service_pb2 as pb
from vestibule.users.v1.user_service_pb2_grpc import UserServiceServicer

from user_service.domain.listing import Filter, Sort
from user_service.domain.user import Changes
from user_service.transport import page_cursor
from user_service.transport.messages import (
    pagination_message,
    personal_data_message,
    role_of,
    user_message,
)
from user_service.usecases.delete_me import DeleteMe
from user_service.usecases.delete_user import DeleteUser
from user_service.usecases.export_me import ExportMe
from user_service.usecases.get_me import GetMe
from user_service.usecases.get_user import GetUser
from user_service.usecases.list_users import ListUsers
from user_service.usecases.update_me import UpdateMe
from user_service.usecases.update_user import UpdateUser

PAGE_SIZE = 20


class UserServicer(UserServiceServicer):
    """Answers each call by its use case."""

    def __init__(
        self,
        *,
        get_me: GetMe,
        update_me: UpdateMe,
        delete_me: DeleteMe,
        export_me: ExportMe,
        list_users: ListUsers,
        get_user: GetUser,
        update_user: UpdateUser,
        delete_user: DeleteUser,
    ) -> None:
        self._get_me = get_me
        self._update_me = update_me
        self._delete_me = delete_me
        self._export_me = export_me
        self._list_users = list_users
        self._get_user = get_user
        self._update_user = update_user
        self._delete_user = delete_user

    async def GetMe(self, request: pb.GetMeRequest, context: Any) -> pb.GetMeResponse:
        """Returns the caller."""
        return pb.GetMeResponse(user=user_message(await self._get_me(current_caller())))

    async def UpdateMe(self, request: pb.UpdateMeRequest, context: Any) -> pb.UpdateMeResponse:
        """Changes the caller."""
        user = await self._update_me(
            current_caller(),
            full_name=request.full_name if request.HasField("full_name") else None,
            email=request.email if request.HasField("email") else None,
            if_match=request.if_match if request.HasField("if_match") else None,
        )
        return pb.UpdateMeResponse(user=user_message(user))

    async def DeleteMe(self, request: pb.DeleteMeRequest, context: Any) -> Empty:
        """Erases the caller."""
        await self._delete_me(current_caller(), request.password)
        return Empty()

    async def ExportMe(self, request: pb.ExportMeRequest, context: Any) -> pb.ExportMeResponse:
        """Returns everything that every service holds about the caller."""
        return pb.ExportMeResponse(data=personal_data_message(await self._export_me(current_caller())))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Any) -> pb.ListUsersResponse:
        """Lists people."""
        sort = Sort(request.sort or Sort.CREATED_AT)
        page = await self._list_users(
            current_caller(),
            Filter(
                search=request.search or None,
                role=role_of(request.role) if request.HasField("role") else None,
                is_active=request.is_active if request.HasField("is_active") else None,
            ),
            sort,
            page=request.page or 1,
            page_size=request.page_size or PAGE_SIZE,
            cursor=page_cursor.decode(request.cursor, sort) if request.HasField("cursor") else None,
        )
        return pb.ListUsersResponse(
            users=[user_message(user) for user in page.users], pagination=pagination_message(page)
        )

    async def GetUser(self, request: pb.GetUserRequest, context: Any) -> pb.GetUserResponse:
        """Returns a person."""
        user = await self._get_user(current_caller(), UUID(request.user_id))
        return pb.GetUserResponse(user=user_message(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Any) -> pb.UpdateUserResponse:
        """Changes a person."""
        changes = Changes(
            full_name=request.full_name if request.HasField("full_name") else None,
            email=request.email if request.HasField("email") else None,
            email_verified=request.email_verified if request.HasField("email_verified") else None,
            role=role_of(request.role) if request.HasField("role") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        user = await self._update_user(
            current_caller(),
            UUID(request.user_id),
            changes,
            request.if_match if request.HasField("if_match") else None,
        )
        return pb.UpdateUserResponse(user=user_message(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Any) -> Empty:
        """Erases a person."""
        await self._delete_user(current_caller(), UUID(request.user_id))
        return Empty()
