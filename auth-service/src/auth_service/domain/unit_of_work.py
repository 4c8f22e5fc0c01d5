"""The unit of work: all repositories on one connection."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from auth_service.domain.api_key import ApiKeyRepository
from auth_service.domain.audit import AuditTrail
from auth_service.domain.audit_head import AuditHeadRepository
from auth_service.domain.credential import CredentialRepository
from auth_service.domain.device import DeviceRepository
from auth_service.domain.email_change import EmailChangeRepository
from auth_service.domain.events import Outbox
from auth_service.domain.export import ExportRepository
from auth_service.domain.idempotency import IdempotencyRepository
from auth_service.domain.login_throttle import LoginThrottleRepository
from auth_service.domain.mail import MailRepository
from auth_service.domain.passkey import PasskeyRepository
from auth_service.domain.retention import Retention
from auth_service.domain.second_factor import SecondFactorRepository
from auth_service.domain.session import SessionRepository, SignInRepository
from auth_service.domain.signing_key import SigningKeyRepository
from auth_service.domain.tokens import RevocationRepository
from auth_service.domain.user_import import ImportRepository
from auth_service.domain.verified_email import EmailRepository


class UnitOfWork(Protocol):
    """All repositories, on one connection."""

    @property
    def credentials(self) -> CredentialRepository:
        """Credentials."""
        ...

    @property
    def imports(self) -> ImportRepository:
        """Credentials of imported users."""
        ...

    @property
    def sign_ins(self) -> SignInRepository:
        """Sign-ins."""
        ...

    @property
    def sessions(self) -> SessionRepository:
        """Sessions."""
        ...

    @property
    def revocations(self) -> RevocationRepository:
        """Revocations."""
        ...

    @property
    def login_throttle(self) -> LoginThrottleRepository:
        """Failed attempts to sign in."""
        ...

    @property
    def audit(self) -> AuditTrail:
        """The audit chain."""
        ...

    @property
    def audit_heads(self) -> AuditHeadRepository:
        """Signed heads of the chain."""
        ...

    @property
    def signing_keys(self) -> SigningKeyRepository:
        """Signing keys."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Events to publish."""
        ...

    @property
    def mails(self) -> MailRepository:
        """Queued mails, and their tokens."""
        ...

    @property
    def emails(self) -> EmailRepository:
        """Verified addresses."""
        ...

    @property
    def email_changes(self) -> EmailChangeRepository:
        """Pending and former addresses."""
        ...

    @property
    def second_factors(self) -> SecondFactorRepository:
        """Second factors."""
        ...

    @property
    def passkeys(self) -> PasskeyRepository:
        """Passkeys, and open challenges."""
        ...

    @property
    def api_keys(self) -> ApiKeyRepository:
        """API keys."""
        ...

    @property
    def devices(self) -> DeviceRepository:
        """Devices that users have signed in from."""
        ...

    @property
    def idempotency(self) -> IdempotencyRepository:
        """Idempotency records."""
        ...

    @property
    def exports(self) -> ExportRepository:
        """What is stored about a user."""
        ...

    @property
    def retention(self) -> Retention:
        """Rows whose retention time is over."""
        ...


class UnitsOfWork(Protocol):
    """Opens units of work."""

    def statements(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Opens a unit that commits as a whole at the end of the block, or not at all."""
        ...
