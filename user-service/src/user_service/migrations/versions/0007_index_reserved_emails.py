"""Let the addresses that were kept for long enough be found without reading all of them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("CREATE INDEX reserved_emails_until ON users.reserved_emails (reserved_until)")
