"""Count the audit entries of each action, so that a page of one action states its length without counting."""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE auth.audit_counts (
            action  text CONSTRAINT audit_counts_pkey PRIMARY KEY,
            entries bigint NOT NULL
        );
        COMMENT ON TABLE auth.audit_counts IS 'how many audit entries each action has, kept by triggers';
        GRANT SELECT ON auth.audit_counts TO auth_service;
    """)
    op.execute(_COUNTING)
    # Creating a trigger keeps others from appending until all of this is committed.
    op.execute("""
        CREATE TRIGGER audit_events_count_added AFTER INSERT ON auth.audit_events
            REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION auth.count_audit_events();
        CREATE TRIGGER audit_events_count_removed AFTER DELETE ON auth.audit_events
            REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION auth.count_audit_events();
        INSERT INTO auth.audit_counts (action, entries)
        SELECT action, count(*) FROM auth.audit_events GROUP BY action;
    """)


# The chain's lock comes first, as in whatever appends: two transactions that hold counts of different
# actions would otherwise wait for each other. It runs as the owner: auth-service cannot change a count.
_COUNTING = """
CREATE FUNCTION auth.count_audit_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('auth.audit_events', 0));
    IF TG_OP = 'INSERT' THEN
        INSERT INTO auth.audit_counts AS known (action, entries)
        SELECT action, count(*) FROM added GROUP BY action
        ON CONFLICT (action) DO UPDATE SET entries = known.entries + EXCLUDED.entries;
    ELSE
        UPDATE auth.audit_counts AS known SET entries = known.entries - gone.entries
          FROM (SELECT action, count(*) AS entries FROM removed GROUP BY action) AS gone
         WHERE known.action = gone.action;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION auth.count_audit_events FROM PUBLIC;
"""
