"""Mails: how the parts that write, send and answer them come together."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr

import structlog
from chassis.clock import Clock, SystemClock
from chassis.grpc.server import GrpcServer
from chassis.lifecycle import Lifecycle
from vestibule.auth.v1.email_service_pb2_grpc import add_EmailServiceServicer_to_server
from vestibule.auth.v1.password_service_pb2_grpc import add_PasswordServiceServicer_to_server

from auth_service.adapters.mail.composer import Composer
from auth_service.adapters.mail.delivery import Carrier, MailDelivery
from auth_service.adapters.mail.file_carrier import FileCarrier
from auth_service.adapters.mail.smtp_carrier import SmtpCarrier, SmtpServer
from auth_service.adapters.postgres.mails import MailQueueListener
from auth_service.domain.background import Background
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.mail import UNDO_TOKENS, MailKind, MailSender, MailTokens
from auth_service.domain.password import PasswordHasher, PasswordPolicy
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.settings import AuthSettings
from auth_service.transport import schedule
from auth_service.transport.email_servicer import EmailServicer
from auth_service.transport.password_servicer import PasswordServicer
from auth_service.usecases.account_sync import SyncAccount
from auth_service.usecases.email_verification import ReportEmailVerified, ResendVerification, VerifyEmail
from auth_service.usecases.mail_delivery import SendMails
from auth_service.usecases.mailed_tokens import MailedToken
from auth_service.usecases.passwords import ForgotPassword, ResetPassword
from auth_service.usecases.undo import UndoEmailChange

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""How often the queue is looked at without a notification: for mails to be retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailUseCases:
    """Everything that this service does by mail."""

    forgot_password: ForgotPassword
    reset_password: ResetPassword
    verify_email: VerifyEmail
    resend_verification: ResendVerification
    undo_email_change: UndoEmailChange
    report_email_verified: ReportEmailVerified


def build_mail_use_cases(
    *,
    units: UnitsOfWork,
    tokens: MailTokens,
    throttle_keys: ThrottleKeys,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    directory: UserDirectory,
    sync_account: SyncAccount,
    clock: Clock,
    background: Background,
) -> MailUseCases:
    """Returns the use cases on the given ports."""
    restore = sync_account.restore
    tell = ReportEmailVerified(units, directory, restore)
    proof_kinds = (MailKind.EMAIL_VERIFICATION, MailKind.EMAIL_CHANGE)
    reset_kinds = (MailKind.PASSWORD_RESET, MailKind.INVITATION)
    resets = MailedToken(reset_kinds, "auth.password_reset", units, tokens, clock)
    proofs = MailedToken(proof_kinds, "auth.email_verified", units, tokens, clock)
    undos = MailedToken(UNDO_TOKENS, "auth.change_undone", units, tokens, clock)
    return MailUseCases(
        forgot_password=ForgotPassword(units, throttle_keys, clock, background),
        reset_password=ResetPassword(resets, throttle_keys, policy, hasher, directory),
        verify_email=VerifyEmail(proofs, directory, tell, sync_account),
        undo_email_change=UndoEmailChange(undos, hasher, restore),
        resend_verification=ResendVerification(units, sync_account, clock),
        report_email_verified=tell,
    )


def add_mail_servicers(server: GrpcServer, does: MailUseCases) -> None:
    """Adds the services whose work is done by mail."""
    server.add(
        add_PasswordServiceServicer_to_server, PasswordServicer(does.forgot_password, does.reset_password)
    )
    emails = EmailServicer(does.verify_email, does.resend_verification, does.undo_email_change)
    server.add(add_EmailServiceServicer_to_server, emails)


def begin_sending(
    lifecycle: Lifecycle, settings: AuthSettings, service: str, units: UnitsOfWork, tokens: MailTokens
) -> None:
    """Begins to send mails beside the server; without a place to send them to they wait."""
    clock = SystemClock()
    sender = build_mail_sender(settings, clock)
    if sender is None:
        log.warning("mails wait: set SMTP_URL, or AUTH_MAIL_DIR for files")
        return
    listener = MailQueueListener(settings.postgres_url.get_secret_value(), f"{service}-mail")
    lifecycle.begin("mail queue listener", listener.run())
    send = SendMails(units, tokens, sender)
    lifecycle.begin("mails", schedule.when_notified(listener.wait, LOOK_SECONDS, "mails", send))


def build_mail_sender(settings: AuthSettings, clock: Clock) -> MailSender | None:
    """Returns who takes mails away; None when nobody was named."""
    name, address = parseaddr(settings.mail_from)
    sender = Address(display_name=name, addr_spec=address)
    carrier: Carrier
    if settings.smtp_url is not None:
        carrier = SmtpCarrier(SmtpServer.of(settings.smtp_url.get_secret_value()), sender.domain)
    elif settings.mail_dir is not None:
        carrier = FileCarrier(settings.mail_dir)
    else:
        return None
    return MailDelivery(Composer(sender, settings.public_url or settings.issuer, clock), carrier)
