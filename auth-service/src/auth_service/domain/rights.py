"""What a user may do now, by whichever token: an access token or an API key.

Both are derived here and nowhere else, so that no key outlives what its user has lost.
"""

from dataclasses import dataclass

from auth_service.domain.user import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a token says that its bearer may do.

    Attributes:
        role: The role to act in.
        must_enrol: Whether the token is good for nothing but setting up a second factor.
    """

    role: Role
    must_enrol: bool = False


@dataclass(frozen=True, slots=True)
class RightsRule:
    """Derives rights from what is known of a user.

    Where admins need a second factor, the token of one who has none is good for setting it up
    and for nothing else, and says that it is a user's: who overlooks the one sees the other.

    Attributes:
        admins_need_second_factor: Whether they do, as in the strict profile.
    """

    admins_need_second_factor: bool = False

    def __call__(self, role: Role, *, guarded: bool) -> Rights:
        """Returns the rights.

        Args:
            role: The user's role now.
            guarded: Whether two factors stand before the account now, or have opened the session.
        """
        if self.admins_need_second_factor and role is Role.ADMIN and not guarded:
            return Rights(role=Role.USER, must_enrol=True)
        return Rights(role=role)


ROLE_ALONE = RightsRule()
"""Of the standard profile: the role says it all."""
