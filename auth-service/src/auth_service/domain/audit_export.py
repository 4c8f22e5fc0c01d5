"""Exports of the audit chain: files that can be verified without the database.

A file is JSON lines. The first has the file's kind and the entry after which it begins; then comes a
line per entry, with its place, its hash and its canonical form; then the public key, and last the
head of the last entry, signed by that key. The hashes are those of the chain, so a file is valid if its
last hash is the one that was signed, and if it holds nothing else: a member that no hash covers, or that is
there twice, would pass for what was signed. Clients that are stored beside the chain are not exported, since
a file outlives their erasure; the commitments are.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.audit import FORM, Anchor, AuditEntry, ChainedEntry, canonical_form
from auth_service.domain.audit_client import parted
from auth_service.domain.audit_head import ChainReport, ChainWalk, HeadFault, SignedHead

KIND = "vestibule audit export 1"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    """A public key: the coordinates of a P-256 point, base64url."""

    kid: str
    x: str
    y: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What reading a file found.

    Attributes:
        after: The entry after which the file begins.
        chain: What walking its entries found.
        head: The signed head at its end.
    """

    after: Anchor
    chain: ChainReport
    head: SignedHead

    @property
    def end(self) -> Anchor:
        """Where the next file begins."""
        return Anchor(sequence=self.head.sequence, hash=self.head.hash)


class NotAnExport(Exception):
    """A line is not one of an export; the message says which."""


def first_line(after: Anchor) -> str:
    """Returns the first line of a file."""
    return _line({"kind": KIND, "after": {"sequence": after.sequence, "hash": after.hash.hex()}})


def entry_line(chained: ChainedEntry) -> str:
    """Returns the line of an entry."""
    form = json.loads(canonical_form(chained.entry))
    return _line({"sequence": chained.sequence, "hash": chained.hash.hex(), "entry": form})


def key_line(key: ExportedKey) -> str:
    """Returns the line of a public key, as a JSON Web Key."""
    return _line({"key": {"kty": "EC", "crv": "P-256", "kid": key.kid, "x": key.x, "y": key.y}})


def head_line(head: SignedHead) -> str:
    """Returns the last line of a file."""
    fields = {
        "sequence": head.sequence,
        "hash": head.hash.hex(),
        "at": head.at.astimezone(UTC).strftime(_TIME),
        "kid": head.kid,
        "signature": base64.b64encode(head.signature).decode(),
    }
    return _line({"head": fields})


VerifyHead = Callable[[Mapping[str, ExportedKey], SignedHead], HeadFault | None]
"""Verifies a head by the keys of its file."""


def read(lines: Iterable[str], verify_head: VerifyHead) -> FileReport:
    """Reads a file from its first line to its last.

    Raises:
        NotAnExport: a line is not one of an export.
    """
    numbered = _parsed(lines)
    number, opening = next(numbered, (1, {}))
    with _reading(number):
        if opening["kind"] != KIND:
            raise ValueError("kind")
        after = Anchor(
            sequence=int(opening["after"]["sequence"]), hash=bytes.fromhex(opening["after"]["hash"])
        )
        _require_same(opening, first_line(after))
    walk, keys = ChainWalk(after.sequence, after.hash), dict[str, ExportedKey]()
    head: SignedHead | None = None
    for number, line in numbered:
        if head is not None:
            raise NotAnExport(f"line {number} comes after the head")
        with _reading(number):
            if "key" in line:
                _learn(keys, line)
            elif "head" in line:
                head = _head(line["head"])
                _require_same(line, head_line(head))
            else:
                _step(walk, line)
    if head is None:
        raise NotAnExport("the last line is not a signed head: the file was cut off")
    if head.sequence < walk.sequence:
        raise NotAnExport(f"entries after {head.sequence} are not signed")
    if head.sequence > walk.sequence:
        walk.end(head)
    walk.meet(head, verify_head(keys, head))
    return FileReport(after=after, chain=ChainReport.of(walk), head=head)


def _learn(keys: dict[str, ExportedKey], line: Mapping[str, Any]) -> None:
    key = ExportedKey(**{name: str(line["key"][name]) for name in ("kid", "x", "y")})
    _require_same(line, key_line(key))
    if keys:
        raise ValueError("another key")
    keys[key.kid] = key


def _step(walk: ChainWalk, line: Mapping[str, Any]) -> None:
    chained = _chained(line)
    walk.step(chained)
    if walk.problem is None:
        _require_same(line, entry_line(chained))


@contextmanager
def _reading(number: int) -> Iterator[None]:
    """Turns any error of parsing a line into `NotAnExport`."""
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotAnExport(f"line {number} is not a line of an audit export") from error


def _parsed(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(lines, start=1):
        with _reading(number):
            line = dict(json.loads(text, object_pairs_hook=_unambiguous))
        yield number, line


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the object; of a name that is there twice, readers take different values."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a name is there twice")
    return found


def _require_same(line: Mapping[str, Any], written: str) -> None:
    """Requires that a line holds what was understood of it, and no more; order and spaces do not matter."""
    if line != json.loads(written):
        raise ValueError("there is more")


def _chained(line: Mapping[str, Any]) -> ChainedEntry:
    return ChainedEntry(
        sequence=int(line["sequence"]), hash=bytes.fromhex(line["hash"]), entry=_entry(line["entry"])
    )


def _entry(form: Mapping[str, Any]) -> AuditEntry:
    if form["form"] != FORM:
        raise ValueError("form")
    details, promise = parted(form["details"])
    return AuditEntry(
        id=UUID(form["id"]),
        occurred_at=datetime.strptime(form["occurred_at"], _TIME).replace(tzinfo=UTC),
        actor_id=None if form["actor_id"] is None else UUID(form["actor_id"]),
        subject_id=None if form["subject_id"] is None else UUID(form["subject_id"]),
        action=form["action"],
        outcome=form["outcome"],
        ip=form["ip"],
        user_agent=form["user_agent"],
        request_id=form["request_id"],
        details=details,
        commitment=promise,
    )


def _head(fields: Mapping[str, Any]) -> SignedHead:
    return SignedHead(
        sequence=int(fields["sequence"]),
        hash=bytes.fromhex(fields["hash"]),
        at=datetime.strptime(fields["at"], _TIME).replace(tzinfo=UTC),
        kid=str(fields["kid"]),
        signature=base64.b64decode(fields["signature"], validate=True),
    )


def _line(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n"
