"""The second factor: how its parts come together."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.grpc.server import GrpcServer
from vestibule.auth.v1.mfa_service_pb2_grpc import add_MfaServiceServicer_to_server

from auth_service.domain.device import DeviceTokens
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.rights import RightsRule
from auth_service.domain.second_factor import SecondFactorSecrets
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.transport.mfa_servicer import MfaServicer
from auth_service.usecases.devices import RecordDevice
from auth_service.usecases.mfa_login import VerifyMfa
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.second_factor import BeginTotp, CheckCode, ConfirmTotp, RemoveTotp
from auth_service.usecases.tokens import IssueTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaUseCases:
    """Everything about the second factor."""

    begin_totp: BeginTotp
    confirm_totp: ConfirmTotp
    remove_totp: RemoveTotp
    verify_mfa: VerifyMfa


def build_mfa_use_cases(
    *,
    units: UnitsOfWork,
    secrets: SecondFactorSecrets,
    throttle_keys: ThrottleKeys,
    device_tokens: DeviceTokens,
    verify_password: VerifyPassword,
    check_code: CheckCode,
    issue_tokens: IssueTokens,
    record_device: RecordDevice,
    rights_of: RightsRule,
    address_rule: VerifiedAddressRule,
    clock: Clock,
) -> MfaUseCases:
    """Returns the use cases on the given ports."""
    return MfaUseCases(
        begin_totp=BeginTotp(units, secrets, address_rule),
        confirm_totp=ConfirmTotp(units, secrets, address_rule, clock),
        remove_totp=RemoveTotp(units, verify_password, rights_of, clock),
        verify_mfa=VerifyMfa(
            units, secrets, throttle_keys, device_tokens, check_code, issue_tokens, record_device, clock
        ),
    )


def add_mfa_servicer(server: GrpcServer, does: MfaUseCases) -> None:
    """Adds the service to a server."""
    server.add(
        add_MfaServiceServicer_to_server,
        MfaServicer(
            begin_totp=does.begin_totp,
            confirm_totp=does.confirm_totp,
            remove_totp=does.remove_totp,
            verify_mfa=does.verify_mfa,
        ),
    )
