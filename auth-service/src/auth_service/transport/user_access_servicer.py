"""`vestibule.auth.v1.UserAccessService`: what admins do about the accounts of others."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.api.v1.pagination_pb2 import Pagination
from vestibule.auth.v1 import user_access_service_pb2 as pb
from vestibule.auth.v1.user_access_service_pb2_grpc import UserAccessServiceServicer

from auth_service.transport import messages
from auth_service.transport.idempotency import current_attempt
from auth_service.usecases.end_all_sessions import EndAllSessions
from auth_service.usecases.invite_user import InviteUser
from auth_service.usecases.user_access import EndUserSessions, ListUserSessions, RemoveUserMfa

PAGE_SIZE = 20
_ROLES = {number: role for role, number in messages.ROLES.items()}


@dataclass(frozen=True, slots=True)
class UserAccessServicer(UserAccessServiceServicer):
    """Answers each call by its use case."""

    invite_user: InviteUser
    list_user_sessions: ListUserSessions
    end_user_sessions: EndUserSessions
    remove_user_mfa: RemoveUserMfa
    end_all_sessions: EndAllSessions

    async def InviteUser(self, request: pb.InviteUserRequest, context: Any) -> pb.InviteUserResponse:
        """Makes a user."""
        role = _ROLES.get(request.role)
        if role is None:
            raise Invalid.on("role", "is not a role")
        person = await self.invite_user(
            email=request.email,
            full_name=request.full_name,
            role=role,
            caller=current_caller(),
            attempt=current_attempt(),
        )
        return pb.InviteUserResponse(user=messages.user(person))

    async def ListUserSessions(
        self, request: pb.ListUserSessionsRequest, context: Any
    ) -> pb.ListUserSessionsResponse:
        """Lists a user's open sessions."""
        caller = current_caller()
        found = await self.list_user_sessions(
            user_id=UUID(request.user_id),
            page=request.page or 1,
            page_size=request.page_size or PAGE_SIZE,
            caller=caller,
        )
        total_pages = -(-found.total // found.size)
        return pb.ListUserSessionsResponse(
            sessions=[messages.session(each, caller.session_id) for each in found.sessions],
            pagination=Pagination(
                page=found.number,
                page_size=found.size,
                total_items=found.total,
                total_pages=total_pages,
                has_next=found.number < total_pages,
                has_prev=found.number > 1,
            ),
        )

    async def EndUserSessions(self, request: pb.EndUserSessionsRequest, context: Any) -> Empty:
        """Ends every session of a user."""
        await self.end_user_sessions(user_id=UUID(request.user_id), caller=current_caller())
        return Empty()

    async def RemoveUserMfa(self, request: pb.RemoveUserMfaRequest, context: Any) -> Empty:
        """Turns off a user's second factor."""
        await self.remove_user_mfa(user_id=UUID(request.user_id), caller=current_caller())
        return Empty()

    async def EndAllSessions(self, request: pb.EndAllSessionsRequest, context: Any) -> Empty:
        """Ends everybody's sessions."""
        await self.end_all_sessions(caller=current_caller())
        return Empty()
