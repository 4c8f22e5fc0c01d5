"""Note which sessions were opened by a passkey."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.sessions ADD COLUMN by_passkey boolean NOT NULL DEFAULT false")
