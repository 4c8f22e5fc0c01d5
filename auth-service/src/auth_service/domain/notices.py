"""Which sign-ins users are told of by mail; an operator may turn either off."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInNotices:
    """What is told.

    Attributes:
        second_factor_guesses: That somebody with the password failed the second factor too often.
        new_device: That a device which is not known has signed in.
    """

    second_factor_guesses: bool = True
    new_device: bool = True


ALL_NOTICES = SignInNotices()
