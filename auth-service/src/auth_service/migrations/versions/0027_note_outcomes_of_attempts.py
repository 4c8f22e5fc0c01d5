"""Note with a change which attempt made it, so that a lost answer can be given again."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.attempts ADD COLUMN outcome uuid")
