"""Create credentials, sessions, revocations, signing keys, the audit chain and the outbox."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(_CREDENTIALS)
    op.execute(_SESSIONS)
    op.execute(_GUESSES)
    op.execute(_SIGNING_KEYS)
    op.execute(_AUDIT)
    op.execute(_OUTBOX)


_CREDENTIALS = """
CREATE TABLE auth.credentials (
    user_id             uuid PRIMARY KEY,
    email               text,
    email_canonical     text CONSTRAINT credentials_email_unique UNIQUE,
    password_hash       text NOT NULL,
    role                text NOT NULL CONSTRAINT credentials_role_known CHECK (role IN ('user', 'admin')),
    is_active           boolean NOT NULL DEFAULT true,
    is_pending          boolean NOT NULL,
    full_name           text,
    version             bigint NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT credentials_email_whole CHECK ((email IS NULL) = (email_canonical IS NULL)),
    CONSTRAINT credentials_name_only_while_pending CHECK (is_pending = (full_name IS NOT NULL))
);
CREATE INDEX credentials_pending ON auth.credentials (created_at) WHERE is_pending;
CREATE INDEX credentials_admins ON auth.credentials (user_id) WHERE role = 'admin';
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.credentials TO auth_service;
"""

_SESSIONS = """
CREATE TABLE auth.sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL CONSTRAINT sessions_credential
                 REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    counter      bigint NOT NULL DEFAULT 0,
    rotated_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    ip           text NOT NULL,
    user_agent   text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_open ON auth.sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON auth.sessions (ended_at) WHERE ended_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sessions TO auth_service;

CREATE TABLE auth.revocations (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id   uuid,
    user_id      uuid,
    issued_until timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT revocations_of_one_thing CHECK ((session_id IS NULL) <> (user_id IS NULL))
);
CREATE INDEX revocations_of_session ON auth.revocations (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX revocations_of_user ON auth.revocations (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX revocations_expiry ON auth.revocations (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.revocations TO auth_service;
"""

_GUESSES = """
CREATE TABLE auth.sign_in_failures (
    account       bytea NOT NULL,
    client        bytea NOT NULL,
    failed_at     timestamptz[] NOT NULL,
    blocked_until timestamptz,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (account, client)
);
CREATE INDEX sign_in_failures_age ON auth.sign_in_failures (updated_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sign_in_failures TO auth_service;
"""

_SIGNING_KEYS = """
CREATE TABLE auth.signing_keys (
    kid                text PRIMARY KEY,
    x                  text NOT NULL,
    y                  text NOT NULL,
    sealed_private_key bytea NOT NULL,
    published_at       timestamptz NOT NULL,
    active_from        timestamptz NOT NULL,
    removed_from       timestamptz,
    CONSTRAINT signing_keys_published_before_active CHECK (published_at <= active_from),
    CONSTRAINT signing_keys_active_before_removed CHECK (active_from < removed_from)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.signing_keys TO auth_service;
"""

# The runtime role may add entries and read them: it can neither change nor remove one.
_AUDIT = """
CREATE TABLE auth.audit_events (
    sequence    bigint PRIMARY KEY,
    id          uuid NOT NULL CONSTRAINT audit_events_id_unique UNIQUE,
    occurred_at timestamptz NOT NULL,
    actor_id    uuid,
    subject_id  uuid,
    action      text NOT NULL,
    outcome     text NOT NULL,
    ip          text NOT NULL,
    user_agent  text NOT NULL,
    request_id  text NOT NULL,
    details     jsonb NOT NULL,
    hash        bytea NOT NULL
);
CREATE INDEX audit_events_by_actor ON auth.audit_events (actor_id, sequence);
CREATE INDEX audit_events_by_subject ON auth.audit_events (subject_id, sequence);
CREATE INDEX audit_events_by_action ON auth.audit_events (action, sequence);
CREATE INDEX audit_events_by_time ON auth.audit_events (occurred_at);
GRANT SELECT, INSERT ON auth.audit_events TO auth_service;

CREATE FUNCTION auth.append_audit_event(
    the_id uuid, the_time timestamptz, the_actor uuid, the_subject uuid, the_action text,
    the_outcome text, the_ip text, the_user_agent text, the_request_id text, the_details jsonb,
    canonical_form bytea
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    head_sequence bigint;
    head_hash     bytea;
BEGIN
    -- One writer at a time, until its transaction ends. Each statement below has a snapshot
    -- of its own (READ COMMITTED), taken after the lock, so it sees the head that committed.
    PERFORM pg_advisory_xact_lock(hashtextextended('auth.audit_events', 0));
    SELECT sequence, hash INTO head_sequence, head_hash
      FROM auth.audit_events ORDER BY sequence DESC LIMIT 1;
    head_sequence := coalesce(head_sequence, 0) + 1;
    INSERT INTO auth.audit_events
    VALUES (head_sequence, the_id, the_time, the_actor, the_subject, the_action, the_outcome,
            the_ip, the_user_agent, the_request_id, the_details,
            sha256(coalesce(head_hash, decode(repeat('00', 32), 'hex'))
                   || int8send(head_sequence) || canonical_form))
    ON CONFLICT ON CONSTRAINT audit_events_id_unique DO NOTHING;
    RETURN head_sequence;
END
$function$;
REVOKE ALL ON FUNCTION auth.append_audit_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.append_audit_event TO auth_service;
"""

_OUTBOX = """
CREATE TABLE auth.outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    stream_id    text
);
CREATE INDEX outbox_unpublished ON auth.outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON auth.outbox (published_at) WHERE published_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.outbox TO auth_service;
"""
