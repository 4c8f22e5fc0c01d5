"""Bind kept answers to the secrets that were sent, and let them end with what ends sessions."""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute(_COLUMNS)
    op.execute(_INDEXES)


_COLUMNS = """
ALTER TABLE auth.attempts
    ADD COLUMN shared_name bytea,
    ADD COLUMN secret_hash text,
    ADD COLUMN session_id  uuid,
    ADD COLUMN ended_at    timestamptz,
    ADD COLUMN wrong_secrets integer NOT NULL DEFAULT 0
"""

_INDEXES = """
CREATE INDEX attempts_shared_name ON auth.attempts (shared_name) WHERE shared_name IS NOT NULL;
CREATE INDEX attempts_of_session ON auth.attempts (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX attempts_outcome ON auth.attempts (outcome) WHERE outcome IS NOT NULL;
"""
