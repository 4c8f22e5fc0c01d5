"""Passkeys: how their parts come together."""

from dataclasses import dataclass
from email.utils import parseaddr
from urllib.parse import urlsplit

from chassis.clock import Clock
from chassis.grpc.server import GrpcServer
from vestibule.auth.v1.passkey_service_pb2_grpc import add_PasskeyServiceServicer_to_server

from auth_service.adapters.webauthn_relying_party import WebauthnRelyingParty
from auth_service.domain.device import DeviceTokens
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.passkey import RelyingParty
from auth_service.domain.rights import RightsRule
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.settings import AuthSettings
from auth_service.transport.passkey_servicer import PasskeyServicer
from auth_service.usecases.devices import RecordDevice
from auth_service.usecases.passkey_login import BeginPasskeyLogin, CheckAssertion, LoginWithPasskey
from auth_service.usecases.passkeys import AddPasskey, BeginPasskey, ListPasskeys, RemovePasskey
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.tokens import IssueTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyUseCases:
    """Everything about passkeys."""

    begin_passkey: BeginPasskey
    add_passkey: AddPasskey
    list_passkeys: ListPasskeys
    remove_passkey: RemovePasskey
    begin_passkey_login: BeginPasskeyLogin
    login_with_passkey: LoginWithPasskey


def build_passkey_use_cases(
    *,
    units: UnitsOfWork,
    relying_party: RelyingParty,
    throttle_keys: ThrottleKeys,
    device_tokens: DeviceTokens,
    verify_password: VerifyPassword,
    check_assertion: CheckAssertion,
    issue_tokens: IssueTokens,
    record_device: RecordDevice,
    rights_of: RightsRule,
    address_rule: VerifiedAddressRule,
    clock: Clock,
) -> PasskeyUseCases:
    """Returns the use cases on the given ports."""
    return PasskeyUseCases(
        begin_passkey=BeginPasskey(units, relying_party, verify_password, address_rule),
        add_passkey=AddPasskey(units, relying_party, address_rule, clock),
        list_passkeys=ListPasskeys(units),
        remove_passkey=RemovePasskey(units, verify_password, rights_of, clock),
        begin_passkey_login=BeginPasskeyLogin(units, relying_party),
        login_with_passkey=LoginWithPasskey(
            units, check_assertion, throttle_keys, device_tokens, issue_tokens, record_device, clock
        ),
    )


def add_passkey_servicer(server: GrpcServer, does: PasskeyUseCases) -> None:
    """Adds the service to a server."""
    server.add(
        add_PasskeyServiceServicer_to_server,
        PasskeyServicer(
            begin_passkey=does.begin_passkey,
            add_passkey=does.add_passkey,
            list_passkeys=does.list_passkeys,
            remove_passkey=does.remove_passkey,
            begin_passkey_login=does.begin_passkey_login,
            login_with_passkey=does.login_with_passkey,
        ),
    )


def relying_party(settings: AuthSettings) -> WebauthnRelyingParty:
    """Returns who we are to browsers, as far as not set, by the public URL."""
    origins = settings.passkey_origins or (_origin(settings.public_url or settings.issuer),)
    return WebauthnRelyingParty(
        party_id=settings.passkey_rp_id or urlsplit(origins[0]).hostname or "",
        name=settings.passkey_rp_name or parseaddr(settings.mail_from)[0] or "Vestibule",
        origins=origins,
    )


def _origin(url: str) -> str:
    """Returns the origin of a URL. Browsers know no passkeys of addresses: on loopback it is `localhost`."""
    parts = urlsplit(url)
    host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
