"""Keep whom an audit entry came from beside the chain, so that it can be erased with the person.

An entry commits to address, user agent and the client's own request id by a salted hash among its
details (`auth_service.domain.audit_client`); the chained form stays that of the release before, whose
binary verifies and signs these entries as well, and goes on writing its own.
"""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute(_CLIENTS)
    op.execute(_APPENDING)
    op.execute(_ERASING)


# No role but the owner's can change or remove a row: erasing an account is the one way.
_CLIENTS = """
CREATE TABLE auth.audit_clients (
    entry_id   uuid CONSTRAINT audit_clients_pkey PRIMARY KEY
               CONSTRAINT audit_clients_entry REFERENCES auth.audit_events (id) ON DELETE CASCADE,
    salt       bytea NOT NULL,
    ip         text NOT NULL,
    user_agent text NOT NULL,
    request_id text NOT NULL
);
COMMENT ON TABLE auth.audit_clients IS 'what audit entries commit to by hash, until the person is erased';
GRANT SELECT ON auth.audit_clients TO auth_service;

-- A column that the chain leaves empty and somebody filled is seen: it is shown, and committed to by nothing.
CREATE VIEW auth.audit_trail AS
SELECT event.sequence, event.id, event.occurred_at, event.actor_id, event.subject_id, event.action,
       event.outcome, event.ip || coalesce(client.ip, '') AS ip,
       event.user_agent || coalesce(client.user_agent, '') AS user_agent,
       event.request_id || coalesce(client.request_id, '') AS request_id,
       event.details, event.hash, client.salt
  FROM auth.audit_events AS event LEFT JOIN auth.audit_clients AS client ON client.entry_id = event.id;
GRANT SELECT ON auth.audit_trail TO auth_service;
"""

# SECURITY DEFINER, for the runtime role writes `audit_clients` by this function only.
_APPENDING = """
CREATE FUNCTION auth.append_audit_entry(
    the_id uuid, the_time timestamptz, the_actor uuid, the_subject uuid, the_action text,
    the_outcome text, the_ip text, the_user_agent text, the_request_id text, the_details jsonb,
    canonical_form bytea, the_chained_request_id text, the_salt bytea
) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $function$
DECLARE
    place bigint;
    the_person uuid := coalesce(the_actor, the_subject);
BEGIN
    -- The chain's lock, which this takes, is held until the transaction ends.
    place := auth.append_audit_event(the_id, the_time, the_actor, the_subject, the_action, the_outcome,
                                     '', '', the_chained_request_id, the_details, canonical_form);
    -- Nothing is kept of somebody who is erased by now. An id that was there already changes nothing.
    IF the_salt IS NOT NULL
       AND (the_person IS NULL OR EXISTS (SELECT FROM auth.credentials WHERE user_id = the_person))
       AND EXISTS (SELECT FROM auth.audit_events WHERE sequence = place AND id = the_id)
    THEN
        INSERT INTO auth.audit_clients (entry_id, salt, ip, user_agent, request_id)
        VALUES (the_id, the_salt, the_ip, the_user_agent,
                CASE WHEN the_chained_request_id = '' THEN the_request_id ELSE '' END);
    END IF;
    RETURN place;
END
$function$;
REVOKE ALL ON FUNCTION auth.append_audit_entry FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.append_audit_entry TO auth_service;
"""

# Deferred to COMMIT: the chain's lock comes last in a transaction. It keeps out entries that are being
# written now; those that come later find no credential.
_ERASING = """
CREATE FUNCTION auth.erase_audit_clients() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('auth.audit_events', 0));
    DELETE FROM auth.audit_clients AS client USING auth.audit_events AS event
     WHERE client.entry_id = event.id AND event.actor_id = OLD.user_id;
    DELETE FROM auth.audit_clients AS client USING auth.audit_events AS event
     WHERE client.entry_id = event.id AND event.actor_id IS NULL AND event.subject_id = OLD.user_id;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION auth.erase_audit_clients FROM PUBLIC;
CREATE CONSTRAINT TRIGGER credentials_erase_audit_clients AFTER DELETE ON auth.credentials
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION auth.erase_audit_clients();
"""
