"""New users: services hash their passwords, send them mails and render pages, none of which reads do."""

import json
import urllib.request

from bench.contestants import ask

USERS = 20
PAGES = ("/signin", "/account", "/admin")


def visit(base_url: str, group: int = 0) -> None:
    """Registers users, who are sent a mail each, sign in, and open every page.

    Args:
        base_url: The gateway.
        group: A number that only these users have.
    """
    for number in range(USERS):
        account = {"email": f"visitor{group}-{number}@vestibule.test", "password": "copper-heron-window-tide"}
        named = {**account, "full_name": f"Visitor {number}"}
        ask(f"{base_url}/api/auth/register", body=json.dumps(named).encode())
        ask(f"{base_url}/api/auth/login", body=json.dumps(account).encode())
    for page in PAGES:
        with urllib.request.urlopen(f"{base_url}{page}", timeout=20) as response:
            response.read()
