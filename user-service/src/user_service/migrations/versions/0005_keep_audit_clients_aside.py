"""Keep whom an audit event came from aside, until auth-service has fetched it: no event carries it."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # They go with the event, a day after it was published, or with their person.
    op.execute("""
        CREATE TABLE users.audit_clients (
            event_id   uuid NOT NULL CONSTRAINT audit_clients_pkey PRIMARY KEY
                       CONSTRAINT audit_clients_event REFERENCES users.outbox (event_id) ON DELETE CASCADE,
            person_id  uuid,
            ip         text NOT NULL,
            user_agent text NOT NULL,
            request_id text NOT NULL
        );
        CREATE INDEX audit_clients_person ON users.audit_clients (person_id);
        GRANT SELECT, INSERT, DELETE ON users.audit_clients TO user_service;
    """)
