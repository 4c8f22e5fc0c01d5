"""Keep addresses that are not proven yet, how often somebody asked, and addresses given up lately."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE users.users ADD COLUMN pending_email text;
        ALTER TABLE users.users ADD COLUMN email_requests timestamptz[] NOT NULL DEFAULT '{}';
        COMMENT ON COLUMN users.users.pending_email IS 'as typed; becomes the address once it is proven';
        COMMENT ON COLUMN users.users.email_requests IS 'when the user asked for another address, of late';

        CREATE TABLE users.reserved_emails (
            email_canonical text COLLATE "C" NOT NULL CONSTRAINT reserved_emails_pkey PRIMARY KEY,
            user_id         uuid NOT NULL CONSTRAINT reserved_emails_user
                            REFERENCES users.users (id) ON DELETE CASCADE,
            reserved_until  timestamptz NOT NULL
        );
        COMMENT ON TABLE users.reserved_emails IS 'addresses given up lately, which may still be restored';
        CREATE INDEX reserved_emails_of_user ON users.reserved_emails (user_id);
        GRANT SELECT, INSERT, UPDATE, DELETE ON users.reserved_emails TO user_service;
    """)
