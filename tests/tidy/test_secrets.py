"""What must not be guessed is drawn by the system, and what is secret travels in bodies and headers."""

import ast
import re
from typing import Any

from chassis.grpc.secret_fields import secret_fields
from gateway.api import descriptors
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor

from tests.tidy import tree
from tests.tidy.test_lock import packages

NOTHING_TO_GUESS: dict[str, str] = {
    "chassis/src/chassis/backoff.py": "instances do the same at different moments",
    "chassis/src/chassis/jobs.py": "the same",
    "chassis/src/chassis/ids.py": "request ids protect nothing",
    "chassis/src/chassis/postgres/first_connection.py": "connections end at different moments",
    "chassis/src/chassis/ticks.py": "processes wake at different moments",
    "chassis/src/chassis/tracing/traces.py": "trace ids protect nothing",
    "gateway/src/gateway/streams/framing.py": "clients come back at different moments",
    "health-aggregator/src/health_aggregator/adapters/webhook_notifier.py": "attempts at different moments",
    "health-aggregator/src/health_aggregator/usecases/check_scheduler.py": "spreads checks over time",
    "health-aggregator/src/health_aggregator/usecases/checks.py": "the same",
    "user-service/src/user_service/usecases/webhook_delivery.py": "attempts at different moments",
}
"""Who may use `random`, which can be foretold, and why; others draw from `secrets` or `os.urandom`."""

HOMEMADE = {"ecdsa", "pycrypto", "pycryptodome", "python-jose", "rsa", "tlslite-ng", "passlib"}
"""Cryptography in Python itself, or no longer kept."""

DERIVED = re.compile(r'(?:(?:derived|every)\(|derived_key\([^"\n]*)"([\w-]+)"\)')
AUDITED_READS = {"ExportMe"}
"""They leave an entry in the audit, and change nothing else."""

READS = ("Get", "List", "Verify", "Export", "Stream")


def _imported(source: tree.Source) -> set[str]:
    found = set[str]()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def _routes() -> list[MethodDescriptor]:
    methods = [method for service in descriptors.load().services for method in service.methods]
    return [method for method in methods if _http(method).ByteSize()]


def _http(method: MethodDescriptor) -> Any:
    return method.GetOptions().Extensions[annotations_pb2.http]


def test_chance_that_can_be_foretold_protects_nothing() -> None:
    """`random` is imported only where guessing gains nothing."""
    using = {source.path for source in tree.product() if "random" in _imported(source)}

    assert using == NOTHING_TO_GUESS.keys()


def test_cryptography_is_that_of_kept_libraries() -> None:
    """`cryptography`, `pynacl` and `argon2-cffi` do it, in compiled code; nothing does it in Python."""
    locked = {package["name"] for package in packages()}

    assert locked >= {"cryptography", "pynacl", "argon2-cffi"}
    assert locked & HOMEMADE == set()


def test_reading_changes_nothing() -> None:
    """A link, an image or another site can make a browser GET: whatever changes something is no GET.

    Where requests stream, a GET opens a WebSocket, which other sites may not.
    """
    reads = [method for method in _routes() if _http(method).get and not method.client_streaming]

    assert len(reads) > 10
    for method in reads:
        harmless = method.GetOptions().idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
        assert method.name.startswith(READS), method.full_name
        assert harmless or method.name in AUDITED_READS, method.full_name


def test_no_secret_is_in_an_address() -> None:
    """Paths and queries are in logs and histories: a secret field is asked for in a body alone."""
    secrets = secret_fields(descriptors.load().services)
    bodies = 0
    for method in _routes():
        route = _http(method)
        path = route.get or route.post or route.put or route.delete or route.patch
        fields = {field.name for field in method.input_type.fields}
        in_path = set(re.findall(r"{(\w+)}", path))
        assert not in_path & secrets, method.full_name
        if fields & secrets and not method.client_streaming:
            assert route.body == "*", method.full_name
            bodies += 1

    assert bodies > 5


def test_images_hold_what_is_named() -> None:
    """Every file that an image is built from is named: no history, no notes, no local settings."""
    for dockerfile in (tree.ROOT / "Dockerfile", tree.ROOT / "tests/Dockerfile"):
        copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
        assert copied, dockerfile
        for source in " ".join(copied).split():
            assert not source.startswith((".", "/", "*")), f"{dockerfile}: {source}"


def test_every_key_is_in_the_inventory() -> None:
    """docs/cryptography.md names each purpose that a key is derived for, and none besides."""
    derived = {purpose for source in tree.product() for purpose in DERIVED.findall(source.text)}
    page = (tree.ROOT / "docs" / "cryptography.md").read_text(encoding="utf-8")
    section = page.partition("## Keys derived from a master key")[2].partition("\n## ")[0]

    assert len(derived) > 5
    assert set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)) == derived
