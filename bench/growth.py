"""`make bench-growth`: what a step costs among a thousand users, and what it costs among a million.

Two systems, a small and a large one, take the same steps in turn, one request at a time. Then the large
one takes them again while Postgres writes down every plan with the rows that it read: whatever reads
more of them than a page has grows with the system. Each user has an open session.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, astuple
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from chassis.grpc.paging import requested_page
from devstack.stack import Stack
from user_service.domain.listing import Filter, Sort
from vestibule.users.v1.user_service_pb2 import ListUsersRequest

from bench import audit, plans, population, report
from bench.contestants import ADMIN

PAGE = 20
ROWS_OF_A_LOOK_UP = 200
"""What a look-up may read of one table: a page, and versions of rows that have not been cleared away."""

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LOG_FORMAT": "json",
    "AUTH_AUDIT_HEAD_SECONDS": "5",
    "GATEWAY_RATE_LIMITS": "off",
    "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
    "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
}

SIGN_IN, ME, REFRESH = "sign-in", "me, not cached", "refresh"
FIRST, LAST, SEARCH = "list, first page", "list, last page by cursor", "search, one found"
SESSIONS, KEYS = "own sessions", "own API keys"
AUDIT, AUDIT_OF, AUDIT_BY = "audit log, first page", "audit log of one user", "audit log of one action"
LOOK_UPS = (SIGN_IN, ME, REFRESH, SESSIONS, KEYS, FIRST, LAST, SEARCH, AUDIT, AUDIT_OF, AUDIT_BY)


class PopulatedSystem:
    """A system with a number of users.

    Attributes:
        stack: The system.
        users: How many were added; they are numbered from 1.
        seconds: What each step took, by its name.
    """

    def __init__(self, stack: Stack, users: int) -> None:
        self.stack = stack
        self.users = users
        self.seconds: dict[str, list[float]] = {name: [] for name in LOOK_UPS}
        self._chance = random.Random(users)
        self._http = HTTPConnection(stack.base_url.removeprefix("http://"), timeout=60)
        self._admin = ""

    def turn(self, users: int) -> None:
        """Users sign in, read their own record and refresh; the admin reads about them."""
        self._admin = self.sign_in_admin()
        for _ in range(users):
            number = self._chance.randint(1, self.users)
            email = population.email_of(number)
            signed_in = self._timed(
                SIGN_IN, "POST", "/api/auth/login", {"email": email, "password": population.PASSWORD}
            )
            me = self._timed(ME, "GET", "/api/users/me", token=signed_in["access_token"])
            for step, path in ((SESSIONS, "/api/auth/sessions"), (KEYS, "/api/auth/api-keys")):
                assert self._timed(step, "GET", path, token=signed_in["access_token"])
            self._timed(REFRESH, "POST", "/api/auth/refresh", {"refresh_token": signed_in["refresh_token"]})
            self._look(me)
        self._http.close()  # It would not live until the next turn, which opens it again.

    def sign_in_admin(self) -> str:
        """Returns a fresh access token of the admin."""
        token: str = self._timed("", "POST", "/api/auth/login", ADMIN)["access_token"]
        return token

    def _look(self, user: dict[str, Any]) -> None:
        """The admin's part, about one user."""
        self._ask(FIRST, f"/api/users?page_size={PAGE}")
        assert self._ask(LAST, f"/api/users?page_size={PAGE}&sort=created_at&cursor={self.before_the_end()}")
        found = self._ask(SEARCH, f"/api/users?search={user['full_name'].replace(' ', '%20')}")
        assert any(each["id"] == user["id"] for each in found)
        self._ask(AUDIT, f"/api/admin/audit-events?page_size={PAGE}")
        assert self._ask(AUDIT_OF, f"/api/admin/audit-events?page_size={PAGE}&actor_id={user['id']}")
        assert self._ask(AUDIT_BY, f"/api/admin/audit-events?page_size={PAGE}&action=auth.login")

    def before_the_end(self) -> str:
        """Returns the cursor of the page before the last, which pages by the thousand would lead to."""
        query = "SELECT id, created_at FROM users.users ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1"
        row = population.fetch(self.stack.database, query, PAGE // 2)[0]
        pages = self.users // PAGE
        request = ListUsersRequest(page=pages, page_size=PAGE)
        page = requested_page(request, UUID, *astuple(Filter()), Sort.CREATED_AT)
        return page.pagination(self.users, [row[1], row[0]]).next_cursor

    def _ask(self, step: str, path: str) -> Any:
        return self._timed(step, "GET", path, token=self._admin)

    def _timed(self, step: str, verb: str, path: str, body: object = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        began = time.perf_counter()
        self._http.request(verb, path, None if body is None else orjson.dumps(body), headers)
        raw = self._http.getresponse().read()
        took = time.perf_counter() - began
        reported = orjson.loads(raw)
        if not reported["success"]:
            raise RuntimeError(f"{verb} {path}: {reported['error']}")
        if step:
            self.seconds[step].append(took)
        return reported["data"]


def oversized_reads(populated: PopulatedSystem, users: int) -> list[plans.Touch]:
    """Returns the reads of more rows than a look-up needs, the largest first."""
    assert populated.stack.postgres is not None
    log = populated.stack.postgres.folder / "log"
    plans.watch(populated.stack.database)
    behind = log.stat().st_size
    populated.turn(users)
    plans.look_away(populated.stack.database)
    worst: dict[tuple[str, str, str], plans.Touch] = {}
    for touch in plans.written(log, behind):
        key = (touch.statement, touch.table, touch.how)
        if touch.rows > max(ROWS_OF_A_LOOK_UP, worst[key].rows if key in worst else 0):
            worst[key] = touch
    return sorted(worst.values(), key=lambda touch: -touch.rows)


def grown(
    closing: ExitStack, sizes: Sequence[int], audit_entries: int, rounds: int, users: int
) -> list[PopulatedSystem]:
    """Fills a system of each size, and lets users take every step in each of them in turn.

    Args:
        closing: The systems run until it ends.
        sizes: Users of each.
        audit_entries: In the largest; in others one for each user.
        rounds: How often it is each system's turn.
        users: Who act in one turn.
    """
    systems = [filled(closing, size, audit_entries if size == max(sizes) else size) for size in sizes]
    for populated in systems:
        population.wait_until_signed(populated.stack.database)
    for populated in systems:  # The first read comes from the disk.
        populated.turn(2)
        populated.seconds = {name: [] for name in LOOK_UPS}
    for _ in range(rounds):
        for populated in systems:
            populated.turn(users)
    return systems


def ratio(systems: Sequence[PopulatedSystem], step: str) -> float:
    """Returns how much longer a step takes in the last of the systems than in the first, by the medians."""
    small, large = (statistics.median(populated.seconds[step]) for populated in (systems[0], systems[-1]))
    return large / small


def table(systems: Sequence[PopulatedSystem]) -> str:
    """Returns what each step took in each system, and the ratio of the last to the first."""
    sizes = " | ".join(f"p50 ms among {populated.users:,}" for populated in systems)
    lines = [f"| step | {sizes} | ratio |", "|---" * (len(systems) + 2) + "|"]
    for step in LOOK_UPS:
        cells = [f"{statistics.median(populated.seconds[step]) * 1e3:.2f}" for populated in systems]
        lines.append(f"| {step} | {' | '.join(cells)} | {ratio(systems, step):.2f} |")
    return "\n".join(lines)


def filled(closing: ExitStack, users: int, audit_entries: int) -> PopulatedSystem:
    """Starts a system, which runs until `closing` ends, and fills it."""
    folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="vestibule-bench-")))
    folder.chmod(0o755)
    stack = closing.enter_context(Stack(folder, ENVIRONMENT, postgres_settings=plans.PRELOADED))
    began = time.perf_counter()
    population.populate(stack.database, users)
    population.add_audit_entries(stack.database, audit_entries)
    print(f"- {users:,} users, {audit_entries:,} audit entries: {time.perf_counter() - began:.0f} s")
    return PopulatedSystem(stack, users)


def main() -> None:
    """Fills two systems, measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=(1_000, 1_000_000), metavar="USERS")
    parser.add_argument("--audit-entries", type=int, default=1_000_000, help="in the large system")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--users", type=int, default=20, help="users per round")
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    with ExitStack() as closing:
        systems = grown(closing, options.sizes, options.audit_entries, options.rounds, options.users)
        print(f"{table(systems)}\n")
        seconds = {
            str(populated.users): {
                step: [round(each, 6) for each in took] for step, took in populated.seconds.items()
            }
            for populated in systems
        }
        chain = audit.verified(systems[-1].stack)
        print(f"- audit chain: {chain.entries:,} entries verified in {chain.seconds:.0f} s,")
        print(f"  {chain.entries_per_second:,.0f} per second")
        found = oversized_reads(systems[-1], options.users)
        print(
            "- no statement read more rows than a page has"
            if not found
            else "- read more rows than a page has:"
        )
        for touch in found:
            print(f"  - {touch.rows:,.0f} of {touch.table} by {touch.how}: {touch.statement}")
    if options.keep:
        results = {
            "machine": machine,
            "seconds": seconds,
            "audit": asdict(chain),
            "oversized_reads": [{"table": each.table, "how": each.how, "rows": each.rows} for each in found],
        }
        print(f"- raw results: {report.keep(options.keep, results)}")


if __name__ == "__main__":
    main()
