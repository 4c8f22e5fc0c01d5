"""Which sign-ins are reported to users by mail; an operator may turn either off."""

from chassis.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInNotices:
    """What is reported.

    Attributes:
        second_factor_guesses: Too many wrong codes after the right password.
        new_device: A sign-in from an unknown device.
    """

    second_factor_guesses: bool = True
    new_device: bool = True


ALL_NOTICES = SignInNotices()
