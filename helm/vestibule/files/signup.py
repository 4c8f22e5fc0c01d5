"""Registers a user, signs them in and out through the gateway; exits 1 with what went wrong."""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

UNAVAILABLE = 503


def call(method, path, expected, body=None, token=None):
    """Calls the gateway and returns the envelope; exits when the status is another one."""
    request = urllib.request.Request(os.environ["GATEWAY_URL"] + path, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Idempotency-Key", secrets.token_hex(16))
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    # After a first install services may learn of one another's names some seconds later. A network that
    # enforces policies may refuse a new pod, such as this one, until it knows the pod's address.
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(
                request, json.dumps(body).encode() if body else None, timeout=30
            ) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError as error:
            status, text = UNAVAILABLE, str(error).encode()
        if status != UNAVAILABLE or time.monotonic() > until:
            break
        print(f"{method} {path}: {text.decode()[:500]}, asking again")
        time.sleep(1)
    if status != expected:
        sys.exit(f"{method} {path}: expected {expected}, got {status}: {text.decode()[:500]}")
    print(f"{method} {path}: {status}")
    return json.loads(text) if text else None


user = {"email": f"helm-test-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(18)}
call("POST", "/api/auth/register", 201, {**user, "full_name": "Helm Test"})
token = call("POST", "/api/auth/login", 200, user)["data"]["access_token"]
call("GET", "/api/users/me", 200, token=token)
call("POST", "/api/auth/logout", 204, token=token)
call("GET", "/api/users/me", 401, token=token)
token = call("POST", "/api/auth/login", 200, user)["data"]["access_token"]
call("DELETE", "/api/users/me", 204, {"password": user["password"]}, token=token)
print("signed up, in, out and erased")
