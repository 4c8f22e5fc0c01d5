"""Note who was invited and has chosen no password yet, and revocations of everybody's sessions."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.execute("ALTER TABLE auth.credentials ADD COLUMN is_invited boolean NOT NULL DEFAULT false")
    op.execute(_REVOCATIONS_OF_ALL)


# A table of its own: the release before reads `auth.revocations` and knows no such row.
_REVOCATIONS_OF_ALL = """
CREATE TABLE auth.revocations_of_all (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kept_session_id uuid NOT NULL,
    issued_until    timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    sessions_ended  boolean NOT NULL
);
COMMENT ON COLUMN auth.revocations_of_all.sessions_ended IS 'whether the rows of the sessions say so as well';
CREATE INDEX revocations_of_all_expiry ON auth.revocations_of_all (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.revocations_of_all TO auth_service;
"""
