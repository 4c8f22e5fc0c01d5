"""`vestibule.users.v1.UserService`: users, for clients."""

from dataclasses import astuple
from functools import partial
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.grpc.paging import requested_page, time_of_key
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.users.v1 import user_service_pb2 as pb
from vestibule.users.v1.user_service_pb2_grpc import UserServiceServicer

from user_service.domain.accounts import Accounts
from user_service.domain.export import StoredDocuments
from user_service.domain.folding import SORT_KEY_LENGTH
from user_service.domain.listing import Filter, Position, Sort, position
from user_service.domain.unit_of_work import UnitsOfWork
from user_service.domain.user import Changes
from user_service.transport.messages import (
    personal_data_message,
    role_of,
    user_message,
)
from user_service.usecases.erasure import DeleteMe, DeleteUser
from user_service.usecases.export import ExportMe
from user_service.usecases.user_changes import UpdateMe, UpdateUser
from user_service.usecases.users import GetMe, GetUser, ListUsers


class UserServicer(UserServiceServicer):
    """Runs one use case per call."""

    def __init__(
        self,
        units: UnitsOfWork,
        accounts: Accounts,
        clock: Clock,
        documents: StoredDocuments | None = None,
    ) -> None:
        self._get_me = GetMe(units)
        self._get_user = GetUser(units)
        self._list_users = ListUsers(units)
        self._update_user = UpdateUser(units, accounts, clock)
        self._update_me = UpdateMe(self._update_user)
        self._delete_user = DeleteUser(units, accounts, clock)
        self._delete_me = DeleteMe(units, accounts, self._delete_user)
        self._export_me = ExportMe(units, accounts, clock, documents)

    async def GetMe(self, request: pb.GetMeRequest, context: Any) -> pb.GetMeResponse:
        """Returns the caller's user."""
        return pb.GetMeResponse(user=user_message(await self._get_me(caller=current_caller())))

    async def UpdateMe(self, request: pb.UpdateMeRequest, context: Any) -> pb.UpdateMeResponse:
        """Changes the caller's user."""
        user = await self._update_me(
            caller=current_caller(),
            full_name=request.full_name if request.HasField("full_name") else None,
            email=request.email if request.HasField("email") else None,
            if_match=request.if_match if request.HasField("if_match") else None,
        )
        return pb.UpdateMeResponse(user=user_message(user))

    async def DeleteMe(self, request: pb.DeleteMeRequest, context: Any) -> Empty:
        """Erases the caller's user."""
        if_match = request.if_match if request.HasField("if_match") else None
        await self._delete_me(caller=current_caller(), password=request.password, if_match=if_match)
        return Empty()

    async def ExportMe(self, request: pb.ExportMeRequest, context: Any) -> pb.ExportMeResponse:
        """Returns everything that all services store about the caller's user."""
        return pb.ExportMeResponse(data=personal_data_message(await self._export_me(caller=current_caller())))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Any) -> pb.ListUsersResponse:
        """Lists users."""
        sort = Sort(request.sort or Sort.CREATED_AT)
        which = Filter(
            search=request.search or None,
            role=role_of(request.role) if request.HasField("role") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        requested = requested_page(request, partial(_position, sort), *astuple(which), sort)
        page = await self._list_users(
            caller=current_caller(),
            which=which,
            sort=sort,
            after=requested.after,
            offset=requested.offset,
            size=requested.size,
        )
        last = position(page.users[-1], sort) if page.has_next else None
        return pb.ListUsersResponse(
            users=[user_message(user) for user in page.users],
            pagination=requested.pagination(page.total_items, [last.key, last.user_id] if last else None),
        )

    async def GetUser(self, request: pb.GetUserRequest, context: Any) -> pb.GetUserResponse:
        """Returns a user."""
        user = await self._get_user(caller=current_caller(), user_id=UUID(request.user_id))
        return pb.GetUserResponse(user=user_message(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Any) -> pb.UpdateUserResponse:
        """Changes a user."""
        changes = Changes(
            full_name=request.full_name if request.HasField("full_name") else None,
            email=request.email if request.HasField("email") else None,
            email_verified=request.email_verified if request.HasField("email_verified") else None,
            role=role_of(request.role) if request.HasField("role") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        user = await self._update_user(
            caller=current_caller(),
            user_id=UUID(request.user_id),
            changes=changes,
            if_match=request.if_match if request.HasField("if_match") else None,
        )
        return pb.UpdateUserResponse(user=user_message(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Any) -> Empty:
        """Erases a user."""
        if_match = request.if_match if request.HasField("if_match") else None
        await self._delete_user(caller=current_caller(), user_id=UUID(request.user_id), if_match=if_match)
        return Empty()


def _position(sort: Sort, key: str, user_id: str) -> Position:
    if sort in (Sort.CREATED_AT, Sort.CREATED_AT_DESCENDING):
        return Position(time_of_key(key), UUID(user_id))
    if len(key) > SORT_KEY_LENGTH or "\0" in key:
        raise ValueError("not a sort key")
    key.encode()  # Raises for a lone surrogate, which JSON can contain.
    return Position(key, UUID(user_id))
