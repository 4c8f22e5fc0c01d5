"""What a user may do now, with an access token or an API key.

The rights of both are derived here and nowhere else, so that no key keeps what its user has lost.
"""

from chassis.dataclass import dataclass
from chassis.identity.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a token allows.

    Attributes:
        role: The role to act in.
        must_enrol: Whether the token only allows setting up a second factor.
    """

    role: Role
    must_enrol: bool = False


@dataclass(frozen=True, slots=True)
class RightsRule:
    """Derives a user's rights.

    Where admins need a second factor, the token of one without only allows setting it up, and has the role
    `user` in addition: a verifier that ignores the first sees the second.

    Attributes:
        admins_need_second_factor: Whether they do, as in the strict profile.
    """

    admins_need_second_factor: bool = False

    def __call__(self, role: Role, *, has_two_factors: bool) -> Rights:
        """Returns the rights.

        Args:
            role: The user's role now.
            has_two_factors: Of an API key, whether its user's account has TOTP or a passkey. Of a session,
                whether the account has TOTP, or a passkey opened the session.
        """
        if self.admins_need_second_factor and role is Role.ADMIN and not has_two_factors:
            return Rights(role=Role.USER, must_enrol=True)
        return Rights(role=role)


ROLE_ALONE = RightsRule()
"""The standard profile: the role decides alone."""
