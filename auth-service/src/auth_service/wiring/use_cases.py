"""The use cases on their ports, whatever stands behind them."""

from dataclasses import dataclass

from chassis.clock import Clock

from auth_service.domain import rights
from auth_service.domain.audit_head import HeadVerifier
from auth_service.domain.audit_witness import AuditWitness
from auth_service.domain.background import Background
from auth_service.domain.device import DeviceDigests, DeviceTokens
from auth_service.domain.idempotency import ResponseSeal
from auth_service.domain.login_delay import LoginDelay
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.mail import MailTokens
from auth_service.domain.notices import ALL_NOTICES, SignInNotices
from auth_service.domain.passkey import RelyingParty
from auth_service.domain.password import PasswordHasher, PasswordPolicy
from auth_service.domain.retention import FOR_EVER, AuditRetention
from auth_service.domain.rights import RightsRule
from auth_service.domain.second_factor import SecondFactorSecrets
from auth_service.domain.session import STANDARD, SessionLimits
from auth_service.domain.signing_key import PublishedKeys
from auth_service.domain.tokens import Authenticator, RefreshTokens, TokenSigner
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.domain.verified_email import REQUIRED, VerifiedAddressRule
from auth_service.usecases.account_export import ExportAccount, ExportAuditEvents
from auth_service.usecases.account_sync import SyncAccount
from auth_service.usecases.audit import ListAuditEvents, RecordAudit
from auth_service.usecases.audit_heads import ListAuditHeads
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents
from auth_service.usecases.bootstrap_admin import BootstrapAdmin
from auth_service.usecases.devices import RecordDevice
from auth_service.usecases.idempotency import RunOnce
from auth_service.usecases.login import Login
from auth_service.usecases.passkey_login import CheckAssertion
from auth_service.usecases.password_check import CheckPassword, VerifyPassword
from auth_service.usecases.passwords import ChangePassword
from auth_service.usecases.reauthentication import Reauthenticate
from auth_service.usecases.registration import (
    FinishRegistration,
    FinishStaleRegistrations,
    GetRegistration,
    RefuseRegistration,
    Register,
)
from auth_service.usecases.retention import PurgeExpired
from auth_service.usecases.revocation import ListRevocations
from auth_service.usecases.second_factor import CheckCode
from auth_service.usecases.sessions import EndSession, ListSessions, Logout, LogoutAll
from auth_service.usecases.signing_keys import GetJwks, GetOpenidConfiguration
from auth_service.usecases.tokens import IntrospectToken, IssueTokens, Refresh
from auth_service.usecases.undo import RestoreEmail
from auth_service.wiring.api_keys import ApiKeyUseCases
from auth_service.wiring.mail import MailUseCases, build_mail_use_cases
from auth_service.wiring.mfa import MfaUseCases, build_mfa_use_cases
from auth_service.wiring.passkeys import PasskeyUseCases, build_passkey_use_cases
from auth_service.wiring.user_access import UserAccessUseCases, build_user_access_use_cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the use cases stand on."""

    units: UnitsOfWork
    directory: UserDirectory
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    login_delay: LoginDelay
    background: Background
    throttle_keys: ThrottleKeys
    device_tokens: DeviceTokens
    signer: TokenSigner
    refresh_tokens: RefreshTokens
    mail_tokens: MailTokens
    device_digests: DeviceDigests
    notices: SignInNotices = ALL_NOTICES
    second_factors: SecondFactorSecrets
    relying_party: RelyingParty
    response_seal: ResponseSeal
    published_keys: PublishedKeys
    head_verifier: HeadVerifier
    audit_witness: AuditWitness | None = None
    audit_retention: AuditRetention = FOR_EVER
    limits: SessionLimits = STANDARD
    rights_of: RightsRule = rights.STANDARD
    address_rule: VerifiedAddressRule = REQUIRED
    authenticator: Authenticator
    issuer: str
    clock: Clock
    names_ended_sessions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """Everything that this service can do."""

    register: Register
    login: Login
    reauthenticate: Reauthenticate
    refresh: Refresh
    logout: Logout
    logout_all: LogoutAll
    change_password: ChangePassword
    list_sessions: ListSessions
    end_session: EndSession
    list_audit_events: ListAuditEvents
    verify_audit_events: VerifyAuditEvents
    list_audit_heads: ListAuditHeads
    record_audit: RecordAudit
    get_jwks: GetJwks
    get_openid_configuration: GetOpenidConfiguration
    list_revocations: ListRevocations
    introspect_token: IntrospectToken
    get_registration: GetRegistration
    refuse_registration: RefuseRegistration
    sync_account: SyncAccount
    verify_password: VerifyPassword
    export_account: ExportAccount
    export_audit_events: ExportAuditEvents
    bootstrap_admin: BootstrapAdmin
    run_once: RunOnce
    purge_expired: PurgeExpired
    finish_stale_registrations: FinishStaleRegistrations
    mail: MailUseCases
    api_keys: ApiKeyUseCases
    mfa: MfaUseCases
    passkeys: PasskeyUseCases
    user_access: UserAccessUseCases


def build_use_cases(ports: Ports, api_keys: ApiKeyUseCases) -> UseCases:
    """Returns the use cases on the given ports."""
    units, clock, hasher, directory = ports.units, ports.clock, ports.hasher, ports.directory
    throttle_keys = ports.throttle_keys
    check = CheckPassword(units, hasher, ports.login_delay)
    issue = IssueTokens(ports.signer, ports.refresh_tokens, ports.rights_of, ports.limits)
    verify_password = VerifyPassword(units, throttle_keys, check, clock)
    check_code = CheckCode(ports.second_factors, throttle_keys, ports.notices.second_factor_guesses, clock)
    record_device = RecordDevice(units, ports.device_digests, ports.notices.new_device)
    check_assertion = CheckAssertion(units, ports.relying_party, clock)
    policy = ports.password_policy
    refuse = RefuseRegistration(units, clock)
    finish = FinishRegistration(units, directory, refuse)
    sync_account = SyncAccount(units, directory, throttle_keys, RestoreEmail(units, directory), clock)
    # The first admin's password is the operator's own choice, as the database's is.
    operators_register = Register(units, None, hasher, finish, clock)
    return UseCases(
        register=Register(units, policy, hasher, finish, clock),
        login=_login(ports, check, issue, record_device),
        reauthenticate=Reauthenticate(units, verify_password, check_code, check_assertion, issue, clock),
        refresh=Refresh(units, ports.refresh_tokens, issue, ports.limits),
        logout=Logout(units, clock),
        logout_all=LogoutAll(units, clock),
        change_password=ChangePassword(units, verify_password, policy, hasher, directory, clock),
        list_sessions=ListSessions(units),
        end_session=EndSession(units, clock),
        list_audit_events=ListAuditEvents(units),
        verify_audit_events=_verify_audit_events(ports),
        list_audit_heads=ListAuditHeads(units, ports.head_verifier),
        record_audit=RecordAudit(units, directory),
        get_jwks=GetJwks(ports.published_keys),
        get_openid_configuration=GetOpenidConfiguration(ports.issuer),
        list_revocations=ListRevocations(units),
        introspect_token=IntrospectToken(ports.authenticator, api_keys.verify_api_key),
        get_registration=GetRegistration(units),
        refuse_registration=refuse,
        sync_account=sync_account,
        verify_password=verify_password,
        export_account=ExportAccount(units, throttle_keys),
        export_audit_events=ExportAuditEvents(units),
        bootstrap_admin=BootstrapAdmin(units, operators_register, clock),
        run_once=RunOnce(units, ports.response_seal, hasher),
        purge_expired=PurgeExpired(units),
        finish_stale_registrations=FinishStaleRegistrations(units, finish, clock),
        api_keys=api_keys,
        mfa=_mfa(ports, verify_password, check_code, issue, record_device),
        passkeys=_passkeys(ports, verify_password, check_assertion, issue, record_device),
        user_access=build_user_access_use_cases(
            units=units,
            hasher=hasher,
            finish=finish,
            throttle_keys=throttle_keys,
            clock=clock,
            names_ended_sessions=ports.names_ended_sessions,
        ),
        mail=build_mail_use_cases(
            units=units,
            tokens=ports.mail_tokens,
            throttle_keys=throttle_keys,
            policy=policy,
            hasher=hasher,
            directory=directory,
            sync_account=sync_account,
            clock=clock,
            background=ports.background,
        ),
    )


def _login(ports: Ports, check: CheckPassword, issue: IssueTokens, record_device: RecordDevice) -> Login:
    return Login(
        units=ports.units,
        throttle_keys=ports.throttle_keys,
        device_tokens=ports.device_tokens,
        check_password=check,
        issue_tokens=issue,
        hasher=ports.hasher,
        directory=ports.directory,
        secrets=ports.second_factors,
        record_device=record_device,
        clock=ports.clock,
        background=ports.background,
    )


def _mfa(
    ports: Ports,
    verify_password: VerifyPassword,
    check_code: CheckCode,
    issue_tokens: IssueTokens,
    record_device: RecordDevice,
) -> MfaUseCases:
    return build_mfa_use_cases(
        units=ports.units,
        secrets=ports.second_factors,
        throttle_keys=ports.throttle_keys,
        device_tokens=ports.device_tokens,
        verify_password=verify_password,
        check_code=check_code,
        issue_tokens=issue_tokens,
        record_device=record_device,
        rights_of=ports.rights_of,
        address_rule=ports.address_rule,
        clock=ports.clock,
    )


def _passkeys(
    ports: Ports,
    verify_password: VerifyPassword,
    check_assertion: CheckAssertion,
    issue_tokens: IssueTokens,
    record_device: RecordDevice,
) -> PasskeyUseCases:
    return build_passkey_use_cases(
        units=ports.units,
        relying_party=ports.relying_party,
        throttle_keys=ports.throttle_keys,
        device_tokens=ports.device_tokens,
        verify_password=verify_password,
        check_assertion=check_assertion,
        issue_tokens=issue_tokens,
        record_device=record_device,
        rights_of=ports.rights_of,
        address_rule=ports.address_rule,
        clock=ports.clock,
    )


def _verify_audit_events(ports: Ports) -> VerifyAuditEvents:
    units, judge = ports.units, ports.head_verifier
    beginning = FindAuditBeginning(units, judge, ports.audit_retention, ports.clock)
    return VerifyAuditEvents(units, judge, beginning, ports.audit_witness)
