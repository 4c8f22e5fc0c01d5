"""Create the attempts at calls with an `Idempotency-Key`, with their first responses, encrypted."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE knowledge.attempts (
            name          bytea NOT NULL CONSTRAINT attempts_pkey PRIMARY KEY,
            shared_name   bytea,
            fingerprint   bytea NOT NULL,
            user_id       uuid,
            session_id    uuid,
            attempt_id    uuid NOT NULL,
            began_at      timestamptz NOT NULL DEFAULT now(),
            leased_until  timestamptz NOT NULL,
            secret_hash   text,
            wrong_secrets integer NOT NULL DEFAULT 0,
            outcome       uuid,
            sealed_answer bytea,
            ended_at      timestamptz
        );
        COMMENT ON COLUMN knowledge.attempts.sealed_answer IS 'encrypted with the master key';
        CREATE INDEX attempts_began_at ON knowledge.attempts (began_at);
        CREATE INDEX attempts_of_user ON knowledge.attempts (user_id) WHERE user_id IS NOT NULL;
        CREATE INDEX attempts_attempt_id ON knowledge.attempts (attempt_id);
        CREATE INDEX attempts_shared_name ON knowledge.attempts (shared_name) WHERE shared_name IS NOT NULL;
        GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.attempts TO knowledge_service;
    """)
