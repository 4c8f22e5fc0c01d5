"""Note when and how each session's user last proved who they are.

Empty for sessions of the release before, which also goes on to open sessions here: their user
proved it at the sign-in.
"""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.sessions ADD COLUMN auth_time timestamptz, ADD COLUMN amr text[]")
