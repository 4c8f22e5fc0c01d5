"""`make bench-strength`: the cost of rating passwords, and its effect on the sign-ins of others.

First texts of a fixed seed are rated in this process by the code that the worker runs, and timed by the
processor's clock and by the wall's. Then six other clients register with the slowest password, over and over,
at a whole system whose limits are off, while a user signs in at a fixed rate. Quiet and loaded rounds
alternate.
"""

import argparse
import gc
import json
import os
import random
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from auth_service.adapters.zxcvbn_worker import bounded
from auth_service.domain.password import is_personal, personal_terms, without_personal
from devstack.stack import Stack

from bench import report
from bench.contestants import ADMIN

SLOWEST = "$5153&24672+[+&$55(+%<%569(8|%|8#81{4911(@77@!+5&$603@948(7$@<19"
"""A password that took zxcvbn some 10 s."""

LENGTHS = (8, 12, 16, 24, 32, 40, 48, 64, 96, 128)
CLIENTS = 6
EMAIL, NAME = "ada.lovelace@analytical-engines.example", "Ada Lovelace"
_SUBSTITUTES = "4@8({[<3691!|70$5+%2"
_WORDS = ("p4$$w0rd", "l1v3rp00l", "correct", "horse", "battery", "L0v3l4c3", "qwerty", "2024", "!")
_UNICODE = "\u0430\u00e9\u5bc6\u05d0\u0e01\U0001f600\ufdfa"


@dataclass(frozen=True, slots=True)
class Times:
    """What one kind of text of one length took, in milliseconds."""

    kind: str
    length: int
    processor: list[float]
    wall: list[float]


def corpus(each: int) -> Iterator[tuple[str, int, list[str]]]:
    """Returns texts by kind and length: `each` of them."""
    chance = random.Random(13)
    for length in LENGTHS:
        pick = chance.choice
        yield "substitutes", length, ["".join(pick(_SUBSTITUTES) for _ in range(length)) for _ in range(each)]
        yield "words", length, ["".join(pick(_WORDS) for _ in range(length))[:length] for _ in range(each)]
        yield (
            "repeats",
            length,
            [
                ("".join(pick(_SUBSTITUTES + "ab1") for _ in range(chance.randint(1, 9))) * length)[:length]
                for _ in range(each)
            ],
        )
        yield (
            "Unicode",
            length,
            ["".join(pick(_SUBSTITUTES + _UNICODE) for _ in range(length)) for _ in range(each)],
        )
        yield "worst known", length, [(SLOWEST * 2)[-length:]] * max(1, each // 10)


def rating_times(each: int) -> list[Times]:
    """Rates the corpus as a registration does: the text, and the text without personal terms."""
    timer, found = bounded.Timer(), []
    bounded.rate(["warm-up"], [], timer)
    bounded.collect_by_hand()
    for kind, length, texts in corpus(each):
        processor, wall = [], []
        for text in texts:
            before = time.process_time(), time.perf_counter()
            terms = personal_terms(EMAIL, NAME)
            is_personal(text, terms)
            bounded.rate([text, without_personal(text, terms)], terms, timer)
            processor.append((time.process_time() - before[0]) * 1e3)
            wall.append((time.perf_counter() - before[1]) * 1e3)
            gc.collect()
        found.append(Times(kind, length, processor, wall))
    gc.enable()
    return found


def quantiles(values: list[float]) -> str:
    """Returns p50, p99, p99.9 and the worst, as cells of a table."""
    cuts = statistics.quantiles(values, n=1_000, method="inclusive")
    return " | ".join(f"{value:.1f}" for value in (cuts[499], cuts[989], cuts[998], max(values)))


def _post(url: str, body: dict[str, str]) -> int:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def sign_ins(base_url: str, seconds: float, rate: float) -> list[float]:
    """Signs in at a fixed rate, and returns what each took, in milliseconds, from when it was due.

    Raises:
        RuntimeError: one did not succeed.
    """
    took, began = [], time.perf_counter()
    for number in range(int(seconds * rate)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        status = _post(f"{base_url}/api/auth/login", ADMIN)
        if status != 200:
            raise RuntimeError(f"a sign-in ended with {status}")
        took.append((time.perf_counter() - due) * 1e3)
    return took


def loaded_sign_ins(base_url: str, seconds: float, rate: float) -> tuple[list[float], Counter[int]]:
    """Signs in while other clients register with the slowest password; returns their statuses too."""
    done, statuses = threading.Event(), Counter[int]()

    def register(number: int) -> None:
        attempt = 0
        while not done.is_set():
            attempt += 1
            email = f"client-{number}-{attempt}-{time.monotonic_ns()}@example.com"
            text = SLOWEST[attempt % 8 :]
            statuses[
                _post(
                    f"{base_url}/api/auth/register",
                    {"email": email, "password": text, "full_name": "A Client"},
                )
            ] += 1

    clients = [threading.Thread(target=register, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        return sign_ins(base_url, seconds, rate), statuses
    finally:
        done.set()
        for client in clients:
            client.join()


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.strength", description=__doc__)
    parser.add_argument("--each", type=int, default=100, help="texts of each kind and length")
    parser.add_argument(
        "--rounds", type=int, default=3, help="quiet and loaded rounds of sign-ins; 0 for none"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=2.0, help="sign-ins per second")
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}\n")
    times = rating_times(options.each)
    print("| rating, ms | texts | p50 | p99 | p99.9 | worst | by the wall clock: p50 | p99 | p99.9 | worst |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind in dict.fromkeys(each.kind for each in times):
        _print_row(kind, [each for each in times if each.kind == kind])
    for length in LENGTHS:
        _print_row(f"{length} characters", [each for each in times if each.length == length])
    _print_row("all", times)
    results = {"machine": machine, "rated": [asdict(each) for each in times]}
    if options.rounds:
        results["sign_ins"] = _sign_in_rounds(options.rounds, options.seconds, options.rate)
    if options.keep:
        print(f"- raw results: {report.keep(options.keep, results)}")


def _print_row(name: str, times: list[Times]) -> None:
    processor = [value for each in times for value in each.processor]
    wall = [value for each in times for value in each.wall]
    print(f"| {name} | {len(wall)} | {quantiles(processor)} | {quantiles(wall)} |")


def _sign_in_rounds(rounds: int, seconds: float, rate: float) -> dict[str, list[float]]:
    environment = {
        "PATH": os.environ["PATH"],
        "LOG_FORMAT": "json",
        "GATEWAY_RATE_LIMITS": "off",
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
    }
    quiet: list[float] = []
    loaded: list[float] = []
    statuses = Counter[int]()
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)  # Postgres may run as a user of its own.
        with Stack(Path(folder), environment) as stack:
            for _ in range(rounds):
                quiet += sign_ins(stack.base_url, seconds, rate)
                took, answered = loaded_sign_ins(stack.base_url, seconds, rate)
                loaded += took
                statuses += answered
    print("\n| sign-ins beside the slowest password, ms | | p50 | p99 | p99.9 | worst |")
    print("|---|---|---|---|---|---|")
    print(f"| alone | {len(quiet)} | {quantiles(quiet)} |")
    print(f"| while {CLIENTS} clients register with it | {len(loaded)} | {quantiles(loaded)} |")
    print(f"\n- their statuses: {dict(statuses)}; load of the machine at the end: {os.getloadavg()[0]:.1f}")
    return {"quiet": quiet, "loaded": loaded}


if __name__ == "__main__":
    main()
