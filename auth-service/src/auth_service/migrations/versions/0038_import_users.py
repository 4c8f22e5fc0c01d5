"""Note since when users have existed in the system that they are imported from, until they are admitted."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE auth.credentials ADD COLUMN joined_at timestamptz;
        COMMENT ON COLUMN auth.credentials.joined_at IS 'of an imported user who is not admitted yet';
    """)
