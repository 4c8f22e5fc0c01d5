"""API keys: making them and reading what the audit log has about them."""

from typing import Any

from tests.system.client import Client, User

KEYS = "/api/auth/api-keys"


def made(client: Client, user: User, *scopes: str, **further: Any) -> dict[str, Any]:
    """Makes a key of a user, with the scope `read` unless others are given."""
    body = {"name": "nightly report", "scopes": scopes or ["read"]} | further
    answer = client.post(KEYS, token=user.access_token, json=body)
    assert answer.outcome == (201, None), answer.text
    data: dict[str, Any] = answer.data
    return data


def audited(client: Client, admin: User, key_id: str) -> list[tuple[str, str, str | None, str | None]]:
    """Returns the audit entries of a key, oldest first: action, outcome, reason and method."""
    found = client.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 100})
    return [
        (entry["action"], entry["outcome"], entry["details"].get("reason"), entry["details"].get("method"))
        for entry in reversed(found.data)
        if entry["details"].get("key_id") == key_id
    ]
