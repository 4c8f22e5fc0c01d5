"""What the use cases are built from: the ports, and the steps that several use cases share."""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from chassis.clock import Clock
from chassis.dataclass import dataclass
from chassis.idempotency.record import ResponseSeal

from auth_service.domain.after_response import AfterResponse
from auth_service.domain.api_key import ApiKeySecrets
from auth_service.domain.audit_client import AuditClients
from auth_service.domain.audit_head import HeadVerifier
from auth_service.domain.audit_witness import AuditWitness
from auth_service.domain.device import DeviceDigests, DeviceTokens
from auth_service.domain.login_throttle import LoginDelay, ThrottleKeys
from auth_service.domain.mail import MailTokens
from auth_service.domain.notices import ALL_NOTICES, SignInNotices
from auth_service.domain.passkey import RelyingParty
from auth_service.domain.password import PasswordHasher, PasswordPolicy
from auth_service.domain.retention import FOR_EVER, AuditRetention
from auth_service.domain.rights import ROLE_ALONE, RightsRule
from auth_service.domain.second_factor import SecondFactorSecrets
from auth_service.domain.session import STANDARD, SessionLimits
from auth_service.domain.signing_key import PublishedKeys
from auth_service.domain.tokens import RefreshTokens, TokenSigner
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.domain.verified_email import REQUIRED, VerifiedAddressRule
from auth_service.usecases.account_sync import SyncAccount
from auth_service.usecases.api_keys import AuditRefusedKey, ReportRefusedKey, VerifyApiKey
from auth_service.usecases.audit import RecordAudit
from auth_service.usecases.devices import RecordDevice
from auth_service.usecases.email_verification import ReportEmailVerified
from auth_service.usecases.passkey_login import CheckAssertion
from auth_service.usecases.password_check import CheckPassword, VerifyPassword
from auth_service.usecases.registration import FinishRegistration, RefuseRegistration
from auth_service.usecases.second_factor import CheckCode
from auth_service.usecases.tokens import IssueFirstTokens, IssueTokens
from auth_service.usecases.undo import RestoreEmail


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports, and the rules that settings choose; each step is built once, from them."""

    units: UnitsOfWork
    directory: UserDirectory
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    login_delay: LoginDelay
    after_response: AfterResponse
    throttle_keys: ThrottleKeys
    device_tokens: DeviceTokens
    device_digests: DeviceDigests
    signer: TokenSigner
    refresh_tokens: RefreshTokens
    mail_tokens: MailTokens
    second_factors: SecondFactorSecrets
    relying_party: RelyingParty
    api_key_secrets: ApiKeySecrets
    response_seal: ResponseSeal
    published_keys: PublishedKeys
    head_verifier: HeadVerifier
    audit_witness: AuditWitness | None = None
    audit_retention: AuditRetention = FOR_EVER
    notices: SignInNotices = ALL_NOTICES
    limits: SessionLimits = STANDARD
    rights_of: RightsRule = ROLE_ALONE
    address_rule: VerifiedAddressRule = REQUIRED
    issuer: str
    clock: Clock
    names_ended_sessions: bool = False
    other_audit_clients: Mapping[str, AuditClients] = field(default_factory=dict)

    @cached_property
    def record_audit(self) -> RecordAudit:
        """Appends audit entries of events."""
        return RecordAudit(self.units, {"user-service": self.directory, **self.other_audit_clients})

    @cached_property
    def check_password(self) -> CheckPassword:
        """Compares a password under the login throttle."""
        return CheckPassword(self.units, self.hasher, self.login_delay)

    @cached_property
    def verify_password(self) -> VerifyPassword:
        """Says whether a password is a user's."""
        return VerifyPassword(self.units, self.throttle_keys, self.check_password, self.clock)

    @cached_property
    def check_code(self) -> CheckCode:
        """Checks a code of the second factor."""
        notify = self.notices.second_factor_guesses
        return CheckCode(self.second_factors, self.throttle_keys, notify, self.clock)

    @cached_property
    def check_assertion(self) -> CheckAssertion:
        """Checks a passkey's assertion."""
        return CheckAssertion(self.units, self.relying_party, self.clock)

    @cached_property
    def issue_tokens(self) -> IssueTokens:
        """Issues a session's tokens."""
        return IssueTokens(self.signer, self.refresh_tokens, self.rights_of, self.limits)

    @cached_property
    def issue_first_tokens(self) -> IssueFirstTokens:
        """Issues a new session's tokens."""
        return IssueFirstTokens(self.issue_tokens, self.device_tokens, self.throttle_keys, self.record_device)

    @cached_property
    def record_device(self) -> RecordDevice:
        """Records the device of a sign-in."""
        return RecordDevice(self.units, self.device_digests, self.notices.new_device)

    @cached_property
    def refuse_registration(self) -> RefuseRegistration:
        """Drops a registration."""
        return RefuseRegistration(self.units, self.clock)

    @cached_property
    def finish_registration(self) -> FinishRegistration:
        """Has user-service admit a registered user."""
        return FinishRegistration(self.units, self.directory, self.refuse_registration)

    @cached_property
    def restore_email(self) -> RestoreEmail:
        """Has user-service restore an address."""
        return RestoreEmail(self.units, self.directory)

    @cached_property
    def report_email_verified(self) -> ReportEmailVerified:
        """Reports a verified address to user-service."""
        return ReportEmailVerified(self.units, self.directory, self.restore_email)

    @cached_property
    def sync_account(self) -> SyncAccount:
        """Brings a credential up to date with user-service."""
        return SyncAccount(self.units, self.directory, self.throttle_keys, self.restore_email, self.clock)

    @cached_property
    def audit_refused_key(self) -> AuditRefusedKey:
        """Audits that an API key was refused; remembers what it has audited."""
        return AuditRefusedKey(self.units, self.clock)

    @cached_property
    def report_refused_key(self) -> ReportRefusedKey:
        """Audits that another service refused an API key."""
        return ReportRefusedKey(self.units, self.audit_refused_key)

    @cached_property
    def verify_api_key(self) -> VerifyApiKey:
        """Verifies an API key."""
        return VerifyApiKey(self.units, self.api_key_secrets, self.rights_of, self.audit_refused_key)
