"""Create sources and what became of their files."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE knowledge.sources (
            id              uuid NOT NULL CONSTRAINT sources_pkey PRIMARY KEY,
            owner_id        uuid NOT NULL,
            sealed_url      bytea NOT NULL,
            sealed_user     bytea NOT NULL,
            sealed_password bytea NOT NULL,
            created_at      timestamptz NOT NULL,
            due_at          timestamptz NOT NULL DEFAULT now(),
            claim           uuid,
            claimed_until   timestamptz,
            failures        integer NOT NULL DEFAULT 0,
            problem         text,
            synced_at       timestamptz
        );
        COMMENT ON COLUMN knowledge.sources.claim IS 'which process follows it, until claimed_until';
        CREATE INDEX sources_of_owner ON knowledge.sources (owner_id);
        CREATE INDEX sources_due ON knowledge.sources (due_at);

        CREATE TABLE knowledge.source_files (
            source_id   uuid NOT NULL CONSTRAINT source_files_source
                        REFERENCES knowledge.sources (id) ON DELETE CASCADE,
            key         bytea NOT NULL,
            sealed_path bytea NOT NULL,
            version     text NOT NULL,
            document_id uuid,
            problem     text,
            CONSTRAINT source_files_pkey PRIMARY KEY (source_id, key)
        );
        COMMENT ON COLUMN knowledge.source_files.key IS 'a keyed hash of the file''s id, or else of its path';
        COMMENT ON COLUMN knowledge.source_files.version IS 'that this is about; empty if unfinished';

        GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.sources TO knowledge_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.source_files TO knowledge_service;
        """
    )
