"""Users as protobuf messages, and back."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from chassis.errors import Invalid
from chassis.grpc.roles import ROLE_NUMBERS, ROLES
from chassis.grpc.timestamps import requested_time, timestamp
from chassis.identity.role import Role
from vestibule.users.v1 import directory_service_pb2, export_pb2, user_pb2

from user_service.domain.etag import etag
from user_service.domain.export import PersonalData
from user_service.domain.user import User


def user_message(user: User) -> user_pb2.User:
    """Returns a user as a message."""
    return user_pb2.User(
        id=str(user.id),
        email=user.email,
        full_name=user.full_name,
        role=ROLE_NUMBERS[user.role],
        is_active=user.is_active,
        email_verified=user.email_verified,
        created_at=timestamp(user.created_at),
        updated_at=timestamp(user.updated_at),
        last_login_at=timestamp(user.last_login_at),
        etag=etag(user),
        pending_email=user.pending_email,
    )


def personal_data_message(data: PersonalData) -> export_pb2.PersonalData:
    """Returns an export as a message."""
    return export_pb2.PersonalData(
        exported_at=timestamp(data.exported_at),
        user=user_message(data.user),
        account=cast("export_pb2.AccountData", data.account),
        audit_events=cast("Sequence[export_pb2.AuditData]", data.audit_events),
        audit_events_truncated=data.is_truncated,
        documents=cast("Sequence[export_pb2.DocumentData]", data.documents.documents),
        documents_truncated=data.documents.is_truncated,
        sources=cast("Sequence[export_pb2.SourceData]", data.documents.sources),
    )


def imported_user(message: directory_service_pb2.ImportedUser) -> User:
    """Returns a user who is imported.

    Raises:
        Invalid: the role is `ROLE_UNSPECIFIED`, or `created_at` is out of range.
    """
    created_at = requested_time(message.created_at, "created_at")
    return User(
        id=UUID(message.user_id),
        email=message.email,
        full_name=message.full_name,
        role=role_of(message.role),
        is_active=message.is_active,
        email_verified=message.email_verified,
        version=1,
        created_at=created_at,
        updated_at=created_at,
    )


def role_of(value: user_pb2.Role.ValueType) -> Role:
    """Returns the role in a message.

    Raises:
        Invalid: it is `ROLE_UNSPECIFIED`.
    """
    role = ROLES.get(value)
    if role is None:
        raise Invalid.on("role", "must be one of user, admin")
    return role
