"""`make bench-staleness`: how long another gateway's near cache returns an old value after a write.

Two gateways and a writer: the writer changes its own name through the first gateway, and the second,
which has cached the old one, is read until it returns the new one. The clock starts when the
write has been acknowledged.
"""

import argparse
import statistics
import time
from http.client import HTTPConnection
from typing import Any

import orjson
from devstack.stack import Stack

from bench import report
from bench.contestants import ADMIN
from bench.stacks import running_stack

_ME = "/api/users/me"


class Person:
    """A signed-in user, with one connection to each gateway."""

    def __init__(self, stack: Stack) -> None:
        self._gateways = [HTTPConnection(url.removeprefix("http://"), timeout=20) for url in stack.base_urls]
        self._headers = {"Content-Type": "application/json"}
        signed_in = self.ask(0, "POST", "/api/auth/login", ADMIN)
        self._headers["Authorization"] = f"Bearer {signed_in['access_token']}"

    def ask(self, gateway: int, verb: str, path: str, body: object = None) -> Any:
        """Returns the data of an answer."""
        connection = self._gateways[gateway]
        connection.request(verb, path, None if body is None else orjson.dumps(body), self._headers)
        return orjson.loads(connection.getresponse().read())["data"]

    def staleness(self, name: str) -> float:
        """Changes the name; returns seconds from the acknowledged write to the last answer that was stale."""
        self.ask(1, "GET", _ME)
        self.ask(0, "PUT", _ME, {"full_name": name})
        acknowledged = stale = time.perf_counter()
        while True:
            asked = time.perf_counter()
            if self.ask(1, "GET", _ME)["full_name"] == name:
                return stale - acknowledged
            stale = asked


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.staleness", description=__doc__)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    with running_stack({"GATEWAY_RATE_LIMITS": "off"}, instances={"gateway": 2}) as stack:
        person = Person(stack)
        seen = sorted(person.staleness(f"Name {number}") * 1e3 for number in range(options.writes))
    print("| writes | stale for, p50 ms | p99 | most | read as new at once |\n|---|---|---|---|---|")
    at_once = sum(each == 0 for each in seen) / len(seen)
    p99 = report.quantile(seen, 0.99)
    print(f"| {len(seen)} | {statistics.median(seen):.1f} | {p99:.1f} | {seen[-1]:.1f} | {at_once:.0%} |")
    if options.keep:
        print(f"- raw results: {report.keep(options.keep, {'machine': machine, 'stale_ms': seen})}")


if __name__ == "__main__":
    main()
