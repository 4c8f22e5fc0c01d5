"""Roles in messages."""

from collections.abc import Mapping

from vestibule.users.v1 import user_pb2

from chassis.identity.role import Role

ROLE_NUMBERS: Mapping[Role, user_pb2.Role.ValueType] = {
    Role.USER: user_pb2.ROLE_USER,
    Role.ADMIN: user_pb2.ROLE_ADMIN,
}
"""A role as a message holds it."""

ROLES: Mapping[user_pb2.Role.ValueType, Role] = {number: role for role, number in ROLE_NUMBERS.items()}
"""A message's role; none for ROLE_UNSPECIFIED and roles of later releases."""
