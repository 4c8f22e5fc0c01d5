"""Proofs of who somebody is: the methods by which one was given, in the words of RFC 8176."""

from collections.abc import Sequence

Methods = Sequence[str]
"""Values of the claim `amr`."""

PASSWORD: Methods = ("pwd",)

PASSWORD_AND_CODE: Methods = ("pwd", "otp", "mfa")
"""A password and a code of the authenticator app; a recovery code is for one use as well."""


def passkey(*, is_backed_up: bool) -> Methods:
    """Returns the methods of a passkey that has verified its user.

    Args:
        is_backed_up: Whether its key has left the device, and so is not kept by hardware alone.
    """
    return ("swk" if is_backed_up else "hwk", "user", "mfa")


def unrecorded(*, by_passkey: bool) -> Methods:
    """Returns what is known of a session of the release before."""
    return ("user", "mfa") if by_passkey else PASSWORD
