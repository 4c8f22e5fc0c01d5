"""The outbox: domain events as messages to the other services."""

from chassis.component import Component
from chassis.events.outbox import Outbox
from chassis.grpc.timestamps import timestamp
from chassis.postgres.connection import Connection, Transaction
from vestibule.events.v1 import events_pb2

from auth_service.domain.events import (
    CopyOutdated,
    EmailVerified,
    Event,
    RegistrationStarted,
    SignedIn,
    TokensRevoked,
)
from auth_service.domain.tokens import Revocation, unix_milliseconds

OUTBOX = Outbox(schema="auth", source="auth-service")


class PostgresOutbox(Component):
    """`Outbox` on one connection, which must be in a transaction."""

    connection: Connection

    async def append(self, event: Event) -> None:
        """Writes an event; it is delivered at least once if the transaction commits.

        Raises:
            TypeError: the connection is not in a transaction.
        """
        if not isinstance(self.connection, Transaction):
            raise TypeError("an event is written in the transaction of the change that it reports")
        await OUTBOX.append(self.connection, _on_the_wire(event))


def revocation_on_the_wire(revocation: Revocation) -> events_pb2.TokensRevoked:
    """Returns a revocation as a message of events and responses."""
    return events_pb2.TokensRevoked(
        session_id="" if revocation.session_id is None else str(revocation.session_id),
        user_id="" if revocation.user_id is None else str(revocation.user_id),
        every_session=revocation.every_session,
        kept_session_id="" if revocation.kept_session_id is None else str(revocation.kept_session_id),
        issued_until_milliseconds=unix_milliseconds(revocation.issued_until),
        expires_at_milliseconds=unix_milliseconds(revocation.expires_at),
    )


def _on_the_wire(event: Event) -> events_pb2.Event:
    match event:
        case RegistrationStarted(user_id):
            return events_pb2.Event(registration_started=events_pb2.RegistrationStarted(user_id=str(user_id)))
        case SignedIn(user_id, at):
            signed_in = events_pb2.SignedIn(user_id=str(user_id), signed_in_at=timestamp(at))
            return events_pb2.Event(tags=[f"user:{user_id}"], signed_in=signed_in)
        case EmailVerified(user_id):
            return events_pb2.Event(email_verified=events_pb2.EmailVerified(user_id=str(user_id)))
        case TokensRevoked(revocation):
            return events_pb2.Event(tokens_revoked=revocation_on_the_wire(revocation))
        case CopyOutdated(user_id):
            return events_pb2.Event(user_changed=events_pb2.UserChanged(user_id=str(user_id)))
