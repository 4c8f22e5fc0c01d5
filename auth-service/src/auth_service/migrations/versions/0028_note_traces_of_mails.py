"""Note with a mail which trace asked for it, so that its delivery is told there."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.mails ADD COLUMN traceparent text NOT NULL DEFAULT ''")
