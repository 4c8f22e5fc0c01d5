"""`python -m bench.wrong_passwords`: whether the time of a refused sign-in reveals what account it was for.

On a system as `make up` starts it, without rate limits: wrong passwords of users who registered, of unknown
addresses, and of imported users whose hash is another system's, in a random order. Few of them per account,
so that none is throttled.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path

import bcrypt
import httpx
from devstack.stack import Stack

from bench import report

GUESSES_EACH = 3
PASSWORD = "plum-harbor-velvet-quill"


def a_bcrypt_hash(cost: int = 12) -> str:
    """Returns one of `PASSWORD` as bcrypt libraries write it."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode()


def an_scrypt_hash(n: int = 2**15) -> str:
    """Returns one as Werkzeug writes it."""
    salt = os.urandom(8).hex()
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=n, r=8, p=1, maxmem=2**26, dklen=64)
    return f"scrypt:{n}:8:1${salt}${key.hex()}"


def a_pbkdf2_hash(iterations: int = 600_000) -> str:
    """Returns one as Django writes it."""
    salt = os.urandom(8).hex()
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), iterations)
    return f"pbkdf2_sha256${iterations}${salt}${b64encode(key).decode()}"


IMPORTED = {
    "bcrypt, cost 12": a_bcrypt_hash,
    "scrypt, N = 32,768, r = 8": an_scrypt_hash,
    "PBKDF2, 600,000 times SHA-256": a_pbkdf2_hash,
}
REGISTERED, UNKNOWN = "Argon2id, registered", "unknown address"


def accounts(stack: Stack, folder: Path, client: httpx.Client, each: int) -> dict[str, list[str]]:
    """Registers and imports users; returns addresses by kind."""
    found = {
        kind: [f"{number}-{place}@wrong.example" for number in range(each)]
        for place, kind in enumerate((REGISTERED, UNKNOWN, *IMPORTED))
    }
    for email in found[REGISTERED]:
        body = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace"}
        client.post("/api/auth/register", json=body).raise_for_status()
    file = folder / "imported.jsonl"
    with file.open("w") as rows:
        for kind, hashed in IMPORTED.items():
            of_kind = hashed()
            for email in found[kind]:
                user = {"email": email, "full_name": "Ada Lovelace", "created_at": "2020-01-01T00:00:00Z"}
                rows.write(json.dumps(user | {"password_hash": of_kind}) + "\n")
    subprocess.run(
        [sys.executable, "-m", "auth_service", "users", "import", str(file)],
        env=dict(stack.services["auth-service"].environment),
        check=True,
    )
    return found


def guess(client: httpx.Client, email: str) -> float | None:
    """Tries a wrong password; returns the milliseconds until it is refused, None if that came too late."""
    started = time.perf_counter()
    response = client.post("/api/auth/login", json={"email": email, "password": "not " + PASSWORD})
    took = (time.perf_counter() - started) * 1000
    if response.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT):
        return None
    assert response.status_code == httpx.codes.UNAUTHORIZED, response.text
    return took


def measure(client: httpx.Client, emails: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Guesses at every account; returns statistics by kind."""
    order = [(kind, email) for kind, found in emails.items() for email in found[1:] * GUESSES_EACH]
    random.shuffle(order)
    # The first of each kind shows how long its hash takes.
    for found in emails.values():
        guess(client, found[0])
    took: dict[str, list[float]] = {kind: [] for kind in emails}
    for kind, email in order:
        if (milliseconds := guess(client, email)) is not None:
            took[kind].append(milliseconds)
    return {kind: _summary(times) for kind, times in took.items()}


def _summary(times: list[float]) -> dict[str, float]:
    quarters = statistics.quantiles(times, n=4)
    return {
        "guesses": len(times),
        "median_ms": round(statistics.median(times), 1),
        "quartiles_apart_ms": round(quarters[2] - quarters[0], 1),
        "quickest_tenth_ms": round(statistics.mean(sorted(times)[: len(times) // 10]), 1),
    }


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.wrong_passwords", description=__doc__)
    parser.add_argument("--guesses", type=int, default=60, help="of each kind")
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    wanted = parser.parse_args()
    machine = report.machine()
    environment = {"PATH": os.environ["PATH"], "LOG_FORMAT": "json", "GATEWAY_RATE_LIMITS": "off"}
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)
        with (
            Stack(Path(folder) / "stack", environment) as stack,
            httpx.Client(base_url=stack.base_url, timeout=60) as client,
        ):
            emails = accounts(stack, Path(folder), client, 1 - -wanted.guesses // GUESSES_EACH)
            results = {"machine": machine, "kinds": measure(client, emails)}
    print(json.dumps(results, indent=2))
    if wanted.keep:
        print(f"raw results: {report.keep(wanted.keep, results)}")


if __name__ == "__main__":
    main()
