"""Keep tallies of people, so that a list of a million tells its length without counting them.

Each change of who there is adds to a row of its own role and activity, in the change's transaction.
There are sixteen such rows of each, by connection, for whoever adds to one holds it until the end of
the transaction; only their sum means something.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users.tallies (
            role      text NOT NULL,
            is_active boolean NOT NULL,
            slot      smallint NOT NULL,
            people    bigint NOT NULL,
            CONSTRAINT tallies_pkey PRIMARY KEY (role, is_active, slot)
        );
        COMMENT ON TABLE users.tallies IS 'how many people there are, kept by triggers on users.users';
        GRANT SELECT ON users.tallies TO user_service;
    """)
    op.execute(_FUNCTION)
    # The first trigger keeps everybody else from changing people until all of this is committed.
    op.execute("""
        CREATE TRIGGER tally_added AFTER INSERT ON users.users
            REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION users.tally();
        CREATE TRIGGER tally_removed AFTER DELETE ON users.users
            REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION users.tally();
        CREATE TRIGGER tally_changed AFTER UPDATE ON users.users FOR EACH ROW
            WHEN ((OLD.role, OLD.is_active) IS DISTINCT FROM (NEW.role, NEW.is_active))
            EXECUTE FUNCTION users.tally();
        INSERT INTO users.tallies (role, is_active, slot, people)
        SELECT role, is_active, 0, count(*) FROM users.users GROUP BY role, is_active;
    """)


# Rows are taken in one order, so that two who change roles at once do not wait for each other. It
# runs as the owner: the service reads tallies and cannot falsify them.
_FUNCTION = """
CREATE FUNCTION users.tally() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    own smallint := pg_backend_pid() % 16;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO users.tallies AS known (role, is_active, slot, people)
        SELECT role, is_active, own, count(*) FROM added GROUP BY role, is_active ORDER BY role, is_active
        ON CONFLICT (role, is_active, slot) DO UPDATE SET people = known.people + EXCLUDED.people;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO users.tallies AS known (role, is_active, slot, people)
        SELECT role, is_active, own, -count(*) FROM removed GROUP BY role, is_active ORDER BY role, is_active
        ON CONFLICT (role, is_active, slot) DO UPDATE SET people = known.people + EXCLUDED.people;
    ELSE
        INSERT INTO users.tallies AS known (role, is_active, slot, people)
        SELECT role, is_active, own, change
          FROM (VALUES (OLD.role, OLD.is_active, -1), (NEW.role, NEW.is_active, 1))
            AS moved (role, is_active, change)
         ORDER BY role, is_active
        ON CONFLICT (role, is_active, slot) DO UPDATE SET people = known.people + EXCLUDED.people;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION users.tally FROM PUBLIC;
"""
