"""Keep whom an audit event came from, until auth-service has fetched it: no event carries it."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # They go with the event, a day after it was published, or with their user.
    op.execute("""
        CREATE TABLE knowledge.audit_clients (
            event_id   uuid NOT NULL CONSTRAINT audit_clients_pkey PRIMARY KEY
                       CONSTRAINT audit_clients_event REFERENCES knowledge.outbox (event_id)
                       ON DELETE CASCADE,
            user_id    uuid,
            ip         text NOT NULL,
            user_agent text NOT NULL,
            request_id text NOT NULL
        );
        CREATE INDEX audit_clients_of_user ON knowledge.audit_clients (user_id);
        GRANT SELECT, INSERT, DELETE ON knowledge.audit_clients TO knowledge_service;
    """)
