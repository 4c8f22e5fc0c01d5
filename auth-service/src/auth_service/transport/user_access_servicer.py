"""`vestibule.auth.v1.UserAccessService`: what admins do about the accounts of others."""

from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.grpc.paging import requested_page
from chassis.grpc.roles import ROLES
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import user_access_service_pb2 as pb
from vestibule.auth.v1.user_access_service_pb2_grpc import UserAccessServiceServicer

from auth_service.transport import messages
from auth_service.usecases.ports import Ports
from auth_service.usecases.sessions import EndAllSessions
from auth_service.usecases.user_access import EndUserSessions, InviteUser, ListUserSessions, RemoveUserMfa


class UserAccessServicer(UserAccessServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        units, clock = ports.units, ports.clock
        self.invite_user = InviteUser(units, ports.hasher, ports.finish_registration, clock)
        self.list_user_sessions = ListUserSessions(units, clock)
        self.end_user_sessions = EndUserSessions(units, clock)
        self.remove_user_mfa = RemoveUserMfa(units, ports.throttle_keys, clock)
        self.end_all_sessions = EndAllSessions(units, clock, ports.names_ended_sessions)

    async def InviteUser(self, request: pb.InviteUserRequest, context: Any) -> pb.InviteUserResponse:
        """Makes a user."""
        role = ROLES.get(request.role)
        if role is None:
            raise Invalid.on("role", "is not a role")
        user = await self.invite_user(
            email=request.email,
            full_name=request.full_name,
            role=role,
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return pb.InviteUserResponse(user=messages.user(user))

    async def ListUserSessions(
        self, request: pb.ListUserSessionsRequest, context: Any
    ) -> pb.ListUserSessionsResponse:
        """Lists a user's open sessions."""
        caller = current_caller()
        requested = requested_page(request, UUID, request.user_id)
        sessions, total = await self.list_user_sessions(
            user_id=UUID(request.user_id),
            below=requested.after,
            offset=requested.offset,
            limit=requested.limit,
            caller=caller,
        )
        shown, pagination = requested.page(sessions, total, lambda session: session.id)
        return pb.ListUserSessionsResponse(
            sessions=[messages.session(each, caller.session_id) for each in shown],
            pagination=pagination,
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
        """Ends the sessions of all users."""
        await self.end_all_sessions(caller=current_caller())
        return Empty()
