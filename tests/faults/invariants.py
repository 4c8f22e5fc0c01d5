"""The invariants: each reads the history of a fault, and returns what violates it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import httpx

from tests.faults.history import Call, History
from tests.system.client import PASSWORD
from tests.system.running_system import System

REVOKED_WITHIN_SECONDS = 1.0
CACHED_SECONDS = 5.0

AUDITED = {
    "register": "auth.register",
    "login": "auth.login",
    "logout": "auth.logout",
    "rename": "users.update",
}
"""The audit entry of each acknowledged change, exactly one."""


def every_registered_user_can_sign_in(history: History, url: str) -> list[str]:
    """An acknowledged registration can sign in."""
    found = []
    with httpx.Client(base_url=url, timeout=30) as client:
        for call in history.where(lambda each: each.kind == "register" and each.acknowledged):
            body = {"email": call.sent["email"], "password": PASSWORD}
            answer = client.post("/api/auth/login", json=body)
            if answer.status_code != 200:
                found.append(f"{call.actor} registered ({call.request_id}) and gets {answer.text}")
    return found


def changes_are_read_back(history: History) -> list[str]:
    """An acknowledged name is read at once at the same gateway, and within 5 s at every other."""
    found = []
    for actor, calls in _by_actor(history, {"read", "rename"}).items():
        set_at: dict[str, tuple[float, int]] = {}
        for call in calls:
            if call.kind == "rename" and call.acknowledged:
                set_at[call.gateway] = (call.ended, call.sent["name"])
            if call.kind != "read" or call.status != 200:
                continue
            for gateway, (ended, name) in set_at.items():
                due = ended if gateway == call.gateway else ended + CACHED_SECONDS
                if call.began >= due and int(call.got["full_name"]) < name:
                    found.append(f"{actor} set {name} and read {call.got['full_name']} ({call.request_id})")
    return found


def tokens_have_one_successor(history: History) -> list[str]:
    """Refreshing with one token any number of times returns the same successor."""
    successors: dict[str, set[str]] = defaultdict(set)
    for call in history.where(lambda each: each.kind == "refresh" and each.acknowledged):
        successors[call.sent["refresh_token"]].add(call.got["refresh_token"])
    return [f"a token has {len(each)} successors" for each in successors.values() if len(each) > 1]


def no_revoked_token_is_accepted(history: History) -> list[str]:
    """A token is refused one second after its acknowledged revocation."""
    ended = {
        call.sent["token"]: call.ended
        for call in history.where(lambda each: each.kind == "logout" and each.acknowledged)
    }
    return [
        f"{call.actor} got in at {call.gateway} {call.began - ended[call.sent['token']]:.2f} s after leaving"
        f" ({call.request_id})"
        for call in history.where(lambda each: each.kind == "read" and each.status == 200)
        if call.began >= ended.get(call.sent["token"], call.began + 1) + REVOKED_WITHIN_SECONDS
    ]


def no_user_is_signed_out(history: History) -> list[str]:
    """401 is only for users who signed out, or may have."""
    left = {call.sent["token"] for call in history.where(lambda each: each.kind == "logout")}
    return [
        f"{call.actor} was refused: {call.kind} {call.status} {call.code} ({call.request_id})"
        for call in history.where(lambda each: each.status in {401, 403})
        if call.kind in {"rename", "refresh", "login"}
        or (call.kind == "read" and call.sent["token"] not in left)
    ]


def nothing_unexpected_is_answered(history: History) -> list[str]:
    """Answers are those of the contract for these calls, in a fault also 503 and 504."""
    expected = {0, 200, 201, 204, 401, 409, 503, 504}
    return [
        f"{call.kind} was answered {call.status} {call.code} ({call.request_id})"
        for call in history
        if call.status not in expected or (call.status == 409 and call.kind != "logout")
    ]


def the_trail_is_whole(history: History, system: System) -> list[str]:
    """The audit log has each acknowledged change exactly once, and no refused one."""
    wanted = history.where(lambda call: call.kind in AUDITED and call.acknowledged)
    rows = system.rows(
        "SELECT request_id, action, count(*) FROM auth.audit_trail WHERE outcome = 'success'"
        " AND request_id = ANY($1) GROUP BY 1, 2",
        [call.request_id for call in history if call.kind in AUDITED],
    )
    noted = {(request_id, action): count for request_id, action, count in rows}
    found = [
        f"{request_id} is noted {count} times as {action}"
        for (request_id, action), count in noted.items()
        if count > 1
    ]
    attempts = _attempts(history)
    for call in wanted:
        tries = attempts.get(_line(call), [call.request_id])
        if not any((each, AUDITED[call.kind]) in noted for each in tries):
            found.append(f"{call.kind} of {call.actor} ({call.request_id}) is not in the trail")
    return found


def verified_trail(url: str, email: str, password: str) -> dict[str, Any]:
    """Returns the verification of the audit chain, as an admin sees it."""
    with httpx.Client(base_url=url, timeout=30) as client:
        signed_in = client.post("/api/auth/login", json={"email": email, "password": password}).json()
        bearer = {"authorization": f"Bearer {signed_in['data']['access_token']}"}
        answer = client.get("/api/admin/audit-events/verify", headers=bearer).json()
        found: dict[str, Any] = answer["data"]
        return found


def _attempts(history: History) -> dict[tuple[str, str, str], list[str]]:
    """Returns the request ids of all tries of a call that was repeated under one key."""
    lines: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for call in history.where(lambda each: "key" in each.sent):
        lines[_line(call)].append(call.request_id)
    return lines


def _line(call: Call) -> tuple[str, str, str]:
    return call.actor, call.kind, str(call.sent.get("key"))


def _by_actor(history: History, kind: Iterable[str]) -> dict[str, list[Call]]:
    wanted = frozenset(kind)
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(history, key=lambda each: each.ended):
        if call.kind in wanted:
            calls[call.actor].append(call)
    return calls
