"""The export of everything that is stored about a user."""

from tests.system.client import Client, User
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

COVERED = {
    "users.users": "user",
    "auth.credentials": "account",
    "auth.sessions": "account.sessions",
    "auth.authenticators": "account.second_factors",
    "auth.recovery_codes": "account.second_factors",
    "auth.passkeys": "account.second_factors",
    "auth.api_keys": "account.api_keys",
    "auth.mails": "account.waiting_mails",
    "auth.mailed_tokens": "account.mail_tokens",
    "auth.mail_tokens": "account.mail_tokens",
    "auth.former_emails": "account.former_emails",
    "auth.audit_events": "audit_events",
    "auth.audit_trail": "audit_events",
    "knowledge.documents": "documents",
    "knowledge.sources": "sources",
}
"""Tables about users, with the place of their content in the export."""

EXEMPT = {
    "users.reserved_emails": "the canonical form of what account.former_emails has, for as many days",
    "users.tombstones": "the id of a user who no longer exists",
    "users.audit_clients": "what is in audit_events, until auth-service has fetched it",
    "knowledge.audit_clients": "as users.audit_clients",
    "knowledge.erased_owners": "the id of a user who no longer exists",
    "users.webhook_deliveries": "ids and names of changed fields, for other systems, for 30 days",
    "auth.revocations": "ids and times, for the quarter of an hour that tokens live",
    "auth.known_devices": "digests, from which a device cannot be identified",
    "auth.attempts": "answers given already, sealed, for a day; most hold nothing but tokens",
    "users.attempts": "as auth.attempts: answers to admins who look after webhooks",
    "knowledge.attempts": "as auth.attempts: answers about sources, which documents and sources have",
    "auth.mfa_challenges": "digests, for the five minutes of a sign-in",
    "auth.passkey_challenges": "digests, for the five minutes in which a passkey is added",
}


def test_export(client: Client, mailbox: Mailbox) -> None:
    """The user, the credential with its sessions, and the audit entries."""
    ada = client.join()
    other = client.sign_in(ada)
    client.post("/api/auth/logout", token=other.access_token)
    client.post("/api/auth/login", json={"email": ada.email, "password": "wrong"})
    mailbox.verification_token(ada.email)

    answer = client.get("/api/users/me/export", token=ada.access_token)

    assert answer.outcome == (200, None)
    data = answer.data
    who = client.who(ada.access_token).data
    assert data["user"] | {"last_login_at": None} == who | {"last_login_at": None}
    account = data["account"]
    assert (account["email"], account["role"], account["email_verified"]) == (ada.email, "user", False)
    assert [session["ended_at"] is None for session in account["sessions"]] == [False, True]
    assert account["sessions"][0]["ip"] == "127.0.0.1"
    assert [token["kind"] for token in account["mail_tokens"]] == ["email_verification"]
    assert len(account["wrong_passwords"]) == 1
    assert (account["second_factors"], account["api_keys"], account["waiting_mails"]) == ([], [], [])
    recorded = [(event["action"], event["outcome"]) for event in data["audit_events"]]
    assert ("auth.register", "success") in recorded
    assert ("auth.login", "success") in recorded
    assert ("auth.login_refused", "refused") in recorded
    assert data["audit_events_truncated"] is False
    assert all(ada.id in (event["actor_id"], event["subject_id"]) for event in data["audit_events"])
    assert "argon2" not in answer.text


def test_what_others_did_has_no_client_address(client: Client, admin: User) -> None:
    """The address of an admin is the admin's own."""
    ada = client.join(proven=True)
    client.get(f"/api/users/{ada.id}", token=admin.access_token)
    for _ in range(100):
        events = client.get("/api/users/me/export", token=ada.access_token).data["audit_events"]
        reads = [event for event in events if event["action"] == "users.read"]
        if reads:
            break

    assert [(event["actor_id"], event["ip"], event["user_agent"]) for event in reads] == [(admin.id, "", "")]
    assert any(event["ip"] == "127.0.0.1" for event in events)


def test_it_is_ones_own(client: Client) -> None:
    """No other user is in it; an anonymous client gets no export."""
    ada, bob = client.join(proven=True), client.join(proven=True)
    text = client.get("/api/users/me/export", token=ada.access_token).text

    assert bob.id not in text
    assert bob.email not in text
    assert client.get("/api/users/me/export").outcome == (401, "UNAUTHENTICATED")


def test_it_is_audited(client: Client, admin: User) -> None:
    """Once per export."""
    ada = client.join(proven=True)
    client.get("/api/users/me/export", token=ada.access_token)
    parameters = {"subject_id": ada.id, "action": "users.export"}
    for _ in range(100):
        found = client.get("/api/admin/audit-events", token=admin.access_token, params=parameters)
        if found.data:
            break

    assert [entry["actor_id"] for entry in found.data] == [ada.id]


def test_no_table_is_forgotten(system: System) -> None:
    """Every table about users is exported, or listed here with the reason why not."""
    tables = {
        f"{schema}.{table}"
        for schema, table in system.rows(
            "SELECT DISTINCT table_schema::text, table_name::text FROM information_schema.columns"
            " WHERE table_schema IN ('auth', 'users', 'knowledge')"
            " AND column_name IN ('user_id', 'actor_id', 'person_id', 'owner_id')"
        )
    }

    assert tables | {"users.users"} == COVERED.keys() | EXEMPT.keys()
