"""Record which master keys processes write with, so that only those with the newest encrypt again."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE knowledge.master_keys (
            key_id        text NOT NULL CONSTRAINT master_keys_pkey PRIMARY KEY,
            first_used_at timestamptz NOT NULL DEFAULT now(),
            last_used_at  timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE knowledge.master_keys IS 'master keys that processes write with, by name';
        GRANT SELECT, INSERT, UPDATE ON knowledge.master_keys TO knowledge_service;
        """
    )
