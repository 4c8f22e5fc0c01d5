"""The served OpenAPI document is true: schemathesis sends what it allows and what it forbids."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.client import Client, User

ROOT = Path(__file__).parents[2]
CALLER = "tests.system.openapi_caller"

CONTRACT = {
    "/api/auth/register": {"post"},
    "/api/auth/login": {"post"},
    "/api/auth/refresh": {"post"},
    "/api/auth/logout": {"post"},
    "/api/auth/logout-all": {"post"},
    "/api/auth/me": {"get"},
    "/api/auth/sessions": {"get"},
    "/api/auth/sessions/{session_id}": {"delete"},
    "/api/users/me": {"get", "put", "delete"},
    "/api/users/me/password": {"put"},
    "/api/users": {"get", "post"},
    "/api/users/{user_id}": {"get", "put", "delete"},
    "/api/users/{user_id}/sessions": {"get", "delete"},
    "/api/users/{user_id}/mfa": {"delete"},
    "/api/admin/sessions/end-all": {"post"},
    "/api/admin/audit-events": {"get"},
    "/api/admin/audit-events/verify": {"get"},
    "/api/health": {"get"},
    "/api/health/stream": {"get"},
    "/.well-known/jwks.json": {"get"},
    "/.well-known/openid-configuration": {"get"},
}

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)

CASES = int(os.environ.get("OPENAPI_CASES", "2800"))
"""The least number of cases; 50,000 in `make test-hostile`."""

RUN_SECONDS_MAX = 280 * max(1, CASES // 1000)
"""On an idle machine 1,000 take 15 s."""

ENDS_THE_TOKEN = "^/api/auth/logout|/end-all$"
NEVER_ENDS = "^/api/health/stream$"
WEBSOCKETS = "^/api/voice/(transcribe|converse)$"
"""A plain GET is 426 with and without a token."""

FOR_PEOPLE = "^/status"
FOR_ADMINS = "^/api/admin/|^/api/users$"


def test_every_call_is_described(client: Client) -> None:
    """The documentation has every call of the contract."""
    described = client.get("/openapi.json").body["paths"]
    missing = {
        (path, method)
        for path, methods in CONTRACT.items()
        for method in methods
        if method not in described.get(path, {})
    }

    assert set() == missing


def test_every_protected_call_says_so(client: Client) -> None:
    """The document says which calls need a token, and what they answer without one."""
    described = client.get("/openapi.json").body
    public = {"/api/auth/register", "/api/auth/login", "/api/auth/refresh"}
    for path, methods in CONTRACT.items():
        for method in methods:
            operation = described["paths"][path][method]
            is_public = path in public or "health" in path or path.startswith("/.well-known")

            assert is_public == (not operation.get("security")), path
            assert is_public == ("401" not in operation["responses"] or path in public), path


@dataclass(frozen=True)
class Caller:
    """A client that sends cases.

    Attributes:
        role: The role that `openapi_caller` signs in with; empty for calls without a token.
        share: The least share of all cases that this client sends.
        phases: The phases of the first round; further rounds are random.
        examples: How many random examples each operation gets in the first round.
    """

    role: str
    share: float
    phases: str
    examples: int


AT_RANDOM = ("fuzzing,stateful", 200)
CALLERS = {"an admin": Caller("admin", 0.57, "coverage", 1), "a user": Caller("user", 0.43, "coverage", 1)}
if CASES > 2800:
    CALLERS["an admin"] = Caller("admin", 0.57, "coverage,stateful", 25)
    CALLERS["an anonymous client"] = Caller("", 0.05, *AT_RANDOM)


@dataclass(frozen=True)
class Outcome:
    """The result of a caller's runs.

    Attributes:
        cases: How many were sent.
        problems: What schemathesis reports; empty when nothing is wrong.
    """

    cases: int
    problems: str


Runs = Mapping[str, "Future[Outcome]"]


@pytest.fixture(scope="module", name="runs")
def _runs(client: Client, first_admin: User, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The callers' runs, all at the same time."""
    operator = f"{first_admin.id} {first_admin.email} {first_admin.password}"

    def run(caller: Caller) -> Outcome:
        return _tried(client.url, tmp_path_factory.mktemp("schemathesis"), caller, operator)

    with ThreadPoolExecutor(len(CALLERS)) as pool:
        return {who: pool.submit(run, caller) for who, caller in CALLERS.items()}


@pytest.mark.nightly
@pytest.mark.timeout(RUN_SECONDS_MAX)
@pytest.mark.parametrize("who", CALLERS)
def test_document_is_true(runs: Runs, who: str) -> None:
    """Every case, allowed or not, gets an answer that the document describes."""
    outcome = runs[who].result()

    assert not outcome.problems, outcome.problems[-12_000:]
    assert outcome.cases >= CASES * CALLERS[who].share


def _tried(url: str, folder: Path, caller: Caller, operator: str) -> Outcome:
    """Runs schemathesis with one seed after the other, until it has sent enough."""
    cases, seed, phases, examples = 0, 20261123, caller.phases, caller.examples
    while cases < CASES * caller.share:
        wanted = ("--phases", phases, "--max-examples", str(examples), "--seed", str(seed))
        done = _run(url, folder, caller, operator, wanted)
        sent = re.search(r"^ *(\d+) generated", done.stdout, re.MULTILINE)
        if done.returncode != 0 or sent is None:
            return Outcome(cases, done.stdout + done.stderr[-2_000:])
        cases += int(sent[1])
        seed += 1
        phases, examples = AT_RANDOM
    return Outcome(cases, "")


def _run(
    url: str, folder: Path, caller: Caller, operator: str, wanted: tuple[str, ...]
) -> "subprocess.CompletedProcess[str]":
    excluded = [NEVER_ENDS, WEBSOCKETS, FOR_PEOPLE, *([ENDS_THE_TOKEN] if caller.role else [])]
    excluded += [FOR_ADMINS] if caller.role == "user" else []
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{url}/openapi.json", "--no-color", "--warnings", "off", "--checks", ",".join(CHECKS)),
        *("--generation-database", "none", "--no-shrink", *wanted),
        *("--exclude-path-regex", "|".join(excluded), "--request-timeout", "20"),
    ]
    environment = {"PATH": os.environ["PATH"]}
    if caller.role:
        settings = {"OPENAPI_URL": url, "OPENAPI_ROLE": caller.role, "OPENAPI_OPERATOR": operator}
        environment |= {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": CALLER, **settings}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS_MAX,
    )
