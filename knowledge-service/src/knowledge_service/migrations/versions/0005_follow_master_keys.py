"""Record which master key encrypts each row, and keep the key of hashes apart from the master key."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("documents", "passages", "sources", "source_files"):
        op.execute(f"""
            ALTER TABLE knowledge.{table} ADD sealed_with text NOT NULL DEFAULT '';
            COMMENT ON COLUMN knowledge.{table}.sealed_with IS 'names the master key; empty if not recorded';
            CREATE INDEX {table}_sealed_with ON knowledge.{table} (sealed_with);
        """)
    op.execute("""
        GRANT UPDATE (sealed_text, sealed_with) ON knowledge.passages TO knowledge_service;

        CREATE TABLE knowledge.hash_keys (
            id          uuid NOT NULL CONSTRAINT hash_keys_pkey PRIMARY KEY
                        CONSTRAINT hash_keys_single CHECK (id = '00000000-0000-0000-0000-000000000000'),
            sealed_key  bytea NOT NULL,
            sealed_with text NOT NULL
        );
        COMMENT ON TABLE knowledge.hash_keys IS 'one key, drawn once, so that hashes outlive a master key';
        GRANT SELECT, INSERT, UPDATE ON knowledge.hash_keys TO knowledge_service;

        -- Their terms have been hashed with a key of the master key.
        UPDATE knowledge.documents SET indexed_version = 0;
    """)
