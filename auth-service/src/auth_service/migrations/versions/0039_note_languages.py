"""Note which languages users prefer, for their mails."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE auth.credentials ADD COLUMN accept_language text NOT NULL DEFAULT '';
        COMMENT ON COLUMN auth.credentials.accept_language IS 'the Accept-Language of the last sign-in';
    """)
