"""What can go wrong here, as callers are to understand it."""

from chassis.errors import FieldError, Forbidden, Invalid, Kind, ServiceError, Unavailable


class EmailTaken(ServiceError):
    """The address belongs to somebody."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"
    message = "This e-mail address is in use."


class WeakPassword(ServiceError):
    """The password would be guessed."""

    kind = Kind.INVALID
    reason = "WEAK_PASSWORD"
    message = "The password is too easy to guess."

    @classmethod
    def because(cls, field: str, why: str) -> "WeakPassword":
        """Returns the error that tells the user what to do better."""
        return cls(field_errors=(FieldError(field, why),))


class InvalidCredentials(ServiceError):
    """Wrong e-mail or password; which of them is nobody's business."""

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_CREDENTIALS"
    message = "Wrong e-mail or password."


class TooManyAttempts(ServiceError):
    """This client has guessed at this account too often."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"
    message = "Too many wrong throttle. Wait before you try again."


class AccountDisabled(ServiceError):
    """The right password of a deactivated account."""

    kind = Kind.FORBIDDEN
    reason = "ACCOUNT_DISABLED"
    message = "This account is deactivated."


class EmailNotVerified(ServiceError):
    """The account's address is not proven, and what was asked for needs one that is."""

    kind = Kind.FORBIDDEN
    reason = "EMAIL_NOT_VERIFIED"
    message = "Confirm your e-mail address first: follow the link in the mail that was sent to it."


class CredentialChanged(ServiceError):
    """The credential changed while this call was judging it."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The account was changed at the same time. Try again."


class SecondFactorOn(ServiceError):
    """There is a second factor already."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The second factor is on already. Turn it off first."


class PasskeyRefused(ServiceError):
    """No sign-in by this assertion; what is wrong with it is nobody's business.

    Attributes:
        why: For the audit trail alone.
    """

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_CREDENTIALS"
    message = "This passkey is not accepted."

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class PasskeyRegistered(ServiceError):
    """Somebody signs in with this passkey already."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "This passkey is registered already."


class TooManyPasskeys(ServiceError):
    """There is no room for another passkey."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "There are as many passkeys as there can be. Remove one first."


class AdminScopeRefused(Forbidden):
    """Somebody who is no admin asked for a key for admins' calls."""

    def __init__(self) -> None:
        super().__init__(
            field_errors=[FieldError("scopes", "only an admin can make a key with the scope `admin`")]
        )


class TooManyApiKeys(ServiceError):
    """The user has as many API keys as one may have."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "There are 50 API keys, as many as one may have. Delete one first."


class IdempotencyKeyReused(Invalid):
    """The client named another request by this key."""


class StoredResponseExpired(ServiceError):
    """A call was made again whose answer gave something that has ended since."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = (
        "This call was answered, and what it gave has ended since: its answer is not given again. "
        "Make a new call under another Idempotency-Key."
    )


class SuccessorWaits(ServiceError):
    """A key is published already and has not begun to sign."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "The next signing key is published already and has not begun to sign."


class ChainBroken(ServiceError):
    """The audit chain is not what was signed."""

    message = "The audit chain is not what was signed."


class NotAdmittedYet(Unavailable):
    """The registration is not finished; it will be, and then signing in works."""


class HashingOverloaded(Unavailable):
    """More passwords wait to be checked than can be soon."""

    def __init__(self, *, hold_seconds: float | None = None) -> None:
        super().__init__()
        self.hold_seconds = hold_seconds


class Undeliverable(ServiceError):
    """The mail is refused for good where it should go."""

    message = "The mail cannot be delivered."


class MasterKeyMismatch(Exception):
    """The master key does not open the signing keys that are stored."""
