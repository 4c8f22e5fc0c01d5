"""What admins do about the accounts of others: how its parts come together."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.grpc.server import GrpcServer
from vestibule.auth.v1.user_access_service_pb2_grpc import add_UserAccessServiceServicer_to_server

from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.password import PasswordHasher
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.transport.user_access_servicer import UserAccessServicer
from auth_service.usecases.registration import FinishRegistration
from auth_service.usecases.sessions import EndAllSessions
from auth_service.usecases.user_access import EndUserSessions, InviteUser, ListUserSessions, RemoveUserMfa


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccessUseCases:
    """Everything that admins do about the accounts of others."""

    invite_user: InviteUser
    list_user_sessions: ListUserSessions
    end_user_sessions: EndUserSessions
    remove_user_mfa: RemoveUserMfa
    end_all_sessions: EndAllSessions


def build_user_access_use_cases(
    *,
    units: UnitsOfWork,
    hasher: PasswordHasher,
    finish: FinishRegistration,
    throttle_keys: ThrottleKeys,
    clock: Clock,
    names_ended_sessions: bool,
) -> UserAccessUseCases:
    """Returns the use cases on the given ports."""
    return UserAccessUseCases(
        invite_user=InviteUser(units, hasher, finish, clock),
        list_user_sessions=ListUserSessions(units, clock),
        end_user_sessions=EndUserSessions(units, clock),
        remove_user_mfa=RemoveUserMfa(units, throttle_keys, clock),
        end_all_sessions=EndAllSessions(units, clock, names_ended_sessions),
    )


def add_user_access_servicer(server: GrpcServer, does: UserAccessUseCases) -> None:
    """Adds the service to a server."""
    server.add(
        add_UserAccessServiceServicer_to_server,
        UserAccessServicer(
            does.invite_user,
            does.list_user_sessions,
            does.end_user_sessions,
            does.remove_user_mfa,
            does.end_all_sessions,
        ),
    )
