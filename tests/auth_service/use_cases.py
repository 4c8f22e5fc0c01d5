"""The use cases as the service builds them, called without the wire."""

from auth_service.domain.tokens import Authenticator
from auth_service.transport.account_servicer import AccountServicer
from auth_service.transport.api_key_servicer import ApiKeyServicer
from auth_service.transport.audit_servicer import AuditServicer
from auth_service.transport.auth_servicer import AuthServicer
from auth_service.transport.email_servicer import EmailServicer
from auth_service.transport.mfa_servicer import MfaServicer
from auth_service.transport.passkey_servicer import PasskeyServicer
from auth_service.transport.password_servicer import PasswordServicer
from auth_service.transport.session_servicer import SessionServicer
from auth_service.transport.token_servicer import TokenServicer
from auth_service.transport.user_access_servicer import UserAccessServicer
from auth_service.usecases.bootstrap_admin import BootstrapAdmin
from auth_service.usecases.ports import Ports
from auth_service.usecases.registration import FinishStaleRegistrations, Register
from auth_service.usecases.retention import PurgeExpired
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.idempotency.run_once import RunOnce


class UseCases:
    """Those of a method belong to its servicer; those of jobs and events stand alone."""

    def __init__(self, ports: Ports, authenticator: Authenticator, heartbeats: HeartbeatRequests) -> None:
        self.ports = ports
        self.auth = AuthServicer(ports)
        self.sessions = SessionServicer(ports)
        self.passwords = PasswordServicer(ports)
        self.emails = EmailServicer(ports)
        self.mfa = MfaServicer(ports)
        self.passkeys = PasskeyServicer(ports)
        self.api_keys = ApiKeyServicer(ports)
        self.user_access = UserAccessServicer(ports)
        self.audit = AuditServicer(ports)
        self.accounts = AccountServicer(ports)
        self.tokens = TokenServicer(ports, authenticator, heartbeats)
        self.record_audit = ports.record_audit
        self.purge_expired = PurgeExpired(ports.units)
        self.run_once = RunOnce(ports.units, ports.response_seal, ports.hasher)
        self.finish_stale_registrations = FinishStaleRegistrations(
            ports.units, ports.finish_registration, ports.clock
        )
        register = Register(ports.units, None, ports.hasher, ports.finish_registration, ports.clock)
        self.bootstrap_admin = BootstrapAdmin(ports.units, register, ports.clock)
