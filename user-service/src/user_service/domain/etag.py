"""Versions of a user as strong HTTP entity tags, such as `"7-19c3f5a8e40"`.

A tag contains the version and the last sign-in, since both are part of the response.
`If-Match` compares the version alone, so a sign-in elsewhere does not invalidate a change.
"""

import re

from user_service.domain.errors import VersionConflict
from user_service.domain.user import User

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"\s*{_TAG.pattern}\s*(,\s*({_TAG.pattern}\s*)?)*")


def etag(user: User) -> str:
    """Returns the entity tag of a user."""
    signed_in = 0 if user.last_login_at is None else round(user.last_login_at.timestamp() * 1000)
    return f'"{user.version}-{signed_in:x}"'


def matches(if_match: str, user: User) -> bool:
    """Whether a user matches the value of `If-Match` (RFC 9110, 13.1.1).

    Weak tags match nothing, as the RFC demands; neither does a malformed list.
    """
    if if_match.strip() == "*":
        return True
    if not _LIST.fullmatch(if_match):
        return False
    of_version = re.compile(rf"{user.version}-[0-9a-f]+")
    return any(not weak and of_version.fullmatch(opaque) for weak, opaque in _TAG.findall(if_match))


def require_version(user: User, if_match: str | None) -> None:
    """Checks a user against the value of `If-Match`; None is not checked.

    Raises:
        VersionConflict: the user has another version.
    """
    if if_match is not None and not matches(if_match, user):
        raise VersionConflict
