"""Create the witness of the audit chain: signed heads, which auth-service's roles cannot write."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Heads are added and read, by the runtime role too: it can neither change nor remove one.
    op.execute("""
        CREATE TABLE health.audit_heads (
            sequence     bigint CONSTRAINT audit_heads_pkey PRIMARY KEY,
            hash         bytea NOT NULL,
            at           timestamptz NOT NULL,
            kid          text NOT NULL,
            x            text NOT NULL,
            y            text NOT NULL,
            signature    bytea NOT NULL,
            witnessed_at timestamptz NOT NULL
        );
        COMMENT ON TABLE health.audit_heads IS 'signed heads of the audit chain as they were first seen';
        GRANT SELECT, INSERT ON health.audit_heads TO health_aggregator;
    """)
