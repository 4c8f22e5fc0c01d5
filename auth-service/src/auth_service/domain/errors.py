"""The errors of auth-service, as callers get them."""

from chassis.errors import FieldError, Forbidden, Kind, ServiceError, Unavailable


class EmailTaken(ServiceError):
    """Another user has the address."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"
    message = "This e-mail address is in use."


class WeakPassword(ServiceError):
    """The password is too easy to guess."""

    kind = Kind.INVALID
    reason = "WEAK_PASSWORD"
    message = "The password is too easy to guess."

    @classmethod
    def because(cls, field: str, why: str) -> "WeakPassword":
        """Returns the error with an advice for the user."""
        return cls(field_errors=(FieldError(field, why),))


class InvalidCredentials(ServiceError):
    """Wrong e-mail or password; which of them is not revealed."""

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_CREDENTIALS"
    message = "Wrong e-mail or password."


class WrongCode(InvalidCredentials):
    """Wrong code of the second factor, after the right password."""

    message = "Wrong code. Enter the current code of your app, or a recovery code that you have not used."


class TooManyAttempts(ServiceError):
    """The client has failed at this account too often."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"
    message = "Too many wrong attempts. Wait before you try again."


class AccountDisabled(ServiceError):
    """The right password of a deactivated account."""

    kind = Kind.FORBIDDEN
    reason = "ACCOUNT_DISABLED"
    message = "This account is deactivated."


class EmailNotVerified(ServiceError):
    """The operation needs a verified address, and the account has none."""

    kind = Kind.FORBIDDEN
    reason = "EMAIL_NOT_VERIFIED"
    message = "Confirm your e-mail address first: follow the link in the mail that was sent to it."


class CredentialChanged(ServiceError):
    """The credential changed while the call was checking it."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The account was changed at the same time. Try again."


class SecondFactorOn(ServiceError):
    """The second factor is on already."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The second factor is on already. Turn it off first."


class PasskeyRefused(ServiceError):
    """The assertion is refused; the reason is not revealed.

    Attributes:
        why: The reason, for the audit log only.
    """

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_CREDENTIALS"
    message = "This passkey is not accepted."

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class PasskeyRegistered(ServiceError):
    """The passkey is registered, for this user or another."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "This passkey is registered already."


class TooManyPasskeys(ServiceError):
    """The user has as many passkeys as allowed."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "There are as many passkeys as there can be. Remove one first."


class AdminScopeRefused(Forbidden):
    """A user who is no admin requested a key with the scope `admin`."""

    def __init__(self) -> None:
        super().__init__(
            field_errors=[FieldError("scopes", "only an admin can make a key with the scope `admin`")]
        )


class TooManyApiKeys(ServiceError):
    """The user has as many API keys as allowed."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "There are 50 API keys, as many as one may have. Delete one first."


class SuccessorWaits(ServiceError):
    """The next signing key is published and does not sign yet."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The next signing key is published already and has not begun to sign."


class ChainBroken(ServiceError):
    """The audit chain is not what was signed."""

    message = "The audit chain is not what was signed."


class NotAdmittedYet(Unavailable):
    """The registration is not finished yet; signing in works afterwards."""


class HashingOverloaded(Unavailable):
    """Too many passwords wait to be hashed."""

    def __init__(self, *, hold_seconds: float | None = None) -> None:
        super().__init__()
        self.hold_seconds = hold_seconds


class Undeliverable(ServiceError):
    """The recipient's server refuses the mail permanently."""

    message = "The mail cannot be delivered."


class MasterKeyMismatch(Exception):
    """The master key does not open the stored signing keys."""
