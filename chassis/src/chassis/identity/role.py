"""The roles of users, as tokens carry them."""

from enum import StrEnum


class Role(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"
