"""The served OpenAPI, taken at its word: schemathesis sends what it allows and what it forbids."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.edge import Edge, Person

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
    "/api/users": {"get"},
    "/api/users/{user_id}": {"get", "put", "delete"},
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

RUN_SECONDS_MAX = 280
"""On a machine of one's own it takes half a minute."""

ENDS_THE_TOKEN = "^/api/auth/logout"
NEVER_ENDS = "^/api/health/stream$"
FOR_PEOPLE = "^/status"


def test_every_call_is_described(edge: Edge) -> None:
    """The documentation has every call of the contract."""
    described = edge.get("/openapi.json").body["paths"]
    missing = {
        (path, method)
        for path, methods in CONTRACT.items()
        for method in methods
        if method not in described.get(path, {})
    }

    assert set() == missing


def test_every_protected_call_says_so(edge: Edge) -> None:
    """Whoever generates a client sees which calls need a token, and what they answer without one."""
    described = edge.get("/openapi.json").body
    public = {"/api/auth/register", "/api/auth/login", "/api/auth/refresh"}
    for path, methods in CONTRACT.items():
        for method in methods:
            operation = described["paths"][path][method]
            is_public = path in public or "health" in path or path.startswith("/.well-known")

            assert is_public == (not operation.get("security")), path
            assert is_public == ("401" not in operation["responses"] or path in public), path


@pytest.fixture(scope="module", name="boss")
def _boss(edge: Edge, admin: Person) -> Iterator[Person]:
    """An admin whom nobody misses: random calls may change the address."""
    person = edge.register()
    edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"role": "admin"})
    yield edge.sign_in(person)
    edge.delete(f"/api/users/{person.id}", token=admin.access_token)


@pytest.fixture(scope="module", name="runs")
def _runs(
    edge: Edge, boss: Person, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, "Future[subprocess.CompletedProcess[str]]"]:
    """Three runs at the same time: of an admin, who is tried hardest, a user and somebody without a token."""

    def run(token: str | None, examples: int, phases: str) -> "subprocess.CompletedProcess[str]":
        folder = tmp_path_factory.mktemp("schemathesis")
        return _run(edge.url, folder, token, examples=examples, phases=phases)

    with ThreadPoolExecutor(3) as pool:
        return {
            "an admin": pool.submit(run, boss.access_token, 6, "examples,coverage,fuzzing"),
            "a user": pool.submit(run, edge.join().access_token, 4, "fuzzing"),
            "nobody": pool.submit(run, None, 3, "fuzzing"),
        }


@pytest.mark.timeout(RUN_SECONDS_MAX)
@pytest.mark.parametrize("who", ["an admin", "a user", "nobody"])
def test_document_is_true(runs: "Mapping[str, Future[subprocess.CompletedProcess[str]]]", who: str) -> None:
    """Nothing that anybody sends, allowed or not, gets another answer than the one described."""
    done = runs[who].result()

    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]


def _run(
    url: str, folder: Path, token: str | None, *, examples: int, phases: str
) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("schemathesis")
    excluded = [NEVER_ENDS, FOR_PEOPLE, *([ENDS_THE_TOKEN] if token else [])]
    command = [
        str(program),
        *("run", f"{url}/openapi.json", "--no-color", "--warnings", "off"),
        *("--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", str(examples)),
        *("--seed", "20261123", "--generation-database", "none", "--no-shrink"),
        *("--exclude-path-regex", "|".join(excluded), "--request-timeout", "20"),
        *(("--header", f"Authorization: Bearer {token}") if token else ()),
    ]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=RUN_SECONDS_MAX
    )
