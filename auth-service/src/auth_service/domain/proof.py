"""How a user proved who they are: the authentication methods of RFC 8176."""

from collections.abc import Sequence

Methods = Sequence[str]
"""Values of the claim `amr`."""

PASSWORD: Methods = ("pwd",)

PASSWORD_AND_CODE: Methods = ("pwd", "otp", "mfa")
"""A password and a code; a recovery code is a one-time password as well."""


def passkey(*, is_backed_up: bool) -> Methods:
    """Returns the methods of a passkey that verified its user.

    Args:
        is_backed_up: Whether its key has left the device, so that no hardware protects it.
    """
    return ("swk" if is_backed_up else "hwk", "user", "mfa")


def unrecorded(*, by_passkey: bool) -> Methods:
    """Returns the methods of a session of the previous release."""
    return ("user", "mfa") if by_passkey else PASSWORD
