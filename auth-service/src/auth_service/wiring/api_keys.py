"""API keys: how their parts come together."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.grpc.server import GrpcServer
from vestibule.auth.v1.api_key_service_pb2_grpc import add_ApiKeyServiceServicer_to_server

from auth_service.domain.api_key import ApiKeySecrets
from auth_service.domain.rights import RightsRule
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.transport.api_key_servicer import ApiKeyServicer
from auth_service.usecases.api_keys import (
    AuditRefusedKey,
    CreateApiKey,
    ListApiKeys,
    ReportRefusedKey,
    RevokeApiKey,
    VerifyApiKey,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyUseCases:
    """Everything about API keys."""

    create_api_key: CreateApiKey
    list_api_keys: ListApiKeys
    revoke_api_key: RevokeApiKey
    verify_api_key: VerifyApiKey
    report_refused_key: ReportRefusedKey


def build_api_key_use_cases(
    units: UnitsOfWork,
    secrets: ApiKeySecrets,
    address_rule: VerifiedAddressRule,
    rights_of: RightsRule,
    clock: Clock,
) -> ApiKeyUseCases:
    """Returns the use cases on the given ports."""
    note = AuditRefusedKey(units, clock)
    return ApiKeyUseCases(
        create_api_key=CreateApiKey(units, secrets, address_rule, clock),
        list_api_keys=ListApiKeys(units),
        revoke_api_key=RevokeApiKey(units, clock),
        verify_api_key=VerifyApiKey(units, secrets, rights_of, note),
        report_refused_key=ReportRefusedKey(units, note),
    )


def add_api_key_servicer(server: GrpcServer, does: ApiKeyUseCases) -> None:
    """Adds the service to a server."""
    server.add(
        add_ApiKeyServiceServicer_to_server,
        ApiKeyServicer(does.create_api_key, does.list_api_keys, does.revoke_api_key),
    )
