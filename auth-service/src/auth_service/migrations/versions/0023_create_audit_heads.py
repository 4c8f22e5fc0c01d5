"""Create the signed heads of the audit chain."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute(_AUDIT_HEADS)


# Like the chain itself: the runtime role may add heads and read them, nothing else.
_AUDIT_HEADS = """
CREATE TABLE auth.audit_heads (
    sequence  bigint PRIMARY KEY,
    hash      bytea NOT NULL,
    at        timestamptz NOT NULL,
    kid       text NOT NULL,
    signature bytea NOT NULL
);
GRANT SELECT, INSERT ON auth.audit_heads TO auth_service;
"""
