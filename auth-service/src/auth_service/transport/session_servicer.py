"""`vestibule.auth.v1.SessionService`: where the caller is signed in."""

from typing import Any
from uuid import UUID

from chassis.grpc.paging import cut
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import session_service_pb2 as pb
from vestibule.auth.v1.session_service_pb2_grpc import SessionServiceServicer

from auth_service.transport import messages
from auth_service.usecases.ports import Ports
from auth_service.usecases.sessions import EndSession, ListSessions


class SessionServicer(SessionServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self.list_sessions = ListSessions(ports.units)
        self.end_session = EndSession(ports.units, ports.clock)

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        """Lists the caller's open sessions."""
        caller = current_caller()
        opened = await self.list_sessions(caller=caller)
        shown, pagination = cut(request, opened, lambda session: session.id)
        return pb.ListSessionsResponse(
            sessions=[messages.session(each, caller.session_id) for each in shown], pagination=pagination
        )

    async def EndSession(self, request: pb.EndSessionRequest, context: Any) -> Empty:
        """Ends one of the caller's sessions."""
        await self.end_session(session_id=UUID(request.session_id), caller=current_caller())
        return Empty()
