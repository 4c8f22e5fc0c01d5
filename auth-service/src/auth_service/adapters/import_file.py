"""A file of users as JSON lines, read row by row and checked by the rules of the protos."""

import base64
import binascii
import codecs
import hashlib
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, Literal
from uuid import UUID

from chassis.errors import Invalid
from chassis.grpc.constraints import compile_validator
from chassis.identity.role import Role
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from vestibule.users.v1 import directory_service_pb2

from auth_service.adapters import foreign_hashes
from auth_service.adapters.user_imports import imported_user
from auth_service.domain.user_import import ImportRow, RefusedRow

LINE_BYTES_MAX = 65_536
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER = timedelta(days=1)
_TOTP_BYTES = range(10, 65)
_ANY_ID = UUID(int=0)
_STDIN = Path("-")
_UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_validate = compile_validator(directory_service_pb2.ImportedUser.DESCRIPTOR)


class UnusableFile(Exception):
    """The file is not one of JSON lines in UTF-8; the text says what it is and how to convert it."""


class ChangedFile(Exception):
    """The file was changed while it was read."""


def _rfc_3339(value: object) -> object:
    """Refuses what pydantic takes besides: Unix seconds, other separators, times without seconds."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("is no time of RFC 3339 with an offset, such as 2019-03-04T05:06:07Z")
    return value


class _Fields(BaseModel):
    """A line. Everything but the address, the name and the time may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str
    full_name: str
    created_at: Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc_3339)]
    role: Literal["user", "admin"] = "user"
    is_active: bool = True
    email_verified: bool = False
    password_hash: str | None = None
    totp_secret: str | None = None


@contextmanager
def open_json_lines(path: Path) -> Iterator["JsonLinesFile"]:
    """Opens a file once, for all that is read of it; what cannot be read twice (a pipe) is kept in memory.

    Args:
        path: Where it is; `-` for standard input.

    Raises:
        OSError: it cannot be read.
        UnusableFile: it is empty, in UTF-16 or UTF-32, or a JSON array.
    """
    with sys.stdin.buffer if path == _STDIN else path.open("rb") as file:
        is_kept = path == _STDIN or not file.seekable()
        yield JsonLinesFile(io.BytesIO(file.read()) if is_kept else file)


class JsonLinesFile:
    """`ImportFile` on a file that is open."""

    def __init__(self, file: BinaryIO) -> None:
        """Looks at the file.

        Raises:
            OSError: it cannot be read.
            UnusableFile: it is empty, in UTF-16 or UTF-32, or a JSON array.
        """
        self._file = file
        _check_beginning(file.read(4096))
        file.seek(0)
        self.digest = _digest(file)

    def rows(self) -> Iterator[ImportRow | RefusedRow]:
        """Yields every row in order; blank lines have none.

        Raises:
            OSError: the file cannot be read.
            ChangedFile: at the end, if it is no longer what it was at first.
        """
        digest = hashlib.sha256()
        self._file.seek(0)
        for number, line in enumerate(_lines(self._file, digest.update), start=1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if text.strip():
                yield _row(number, text)
        if digest.hexdigest() != self.digest:
            raise ChangedFile


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def _check_beginning(beginning: bytes) -> None:
    if not beginning.strip():
        raise UnusableFile("it is empty")
    if beginning.startswith(_UTF_16_OR_32) or b"\0" in beginning:
        raise UnusableFile("it is not UTF-8 but UTF-16 or UTF-32: `iconv -f UTF-16 -t UTF-8` converts it")
    if beginning.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        raise UnusableFile("it is a JSON array, not one object per line: `jq -c '.[]'` converts it")


def _lines(file: BinaryIO, see: Callable[[bytes], None]) -> Iterator[bytes]:
    """Yields the lines, of each too long one its beginning; `see` is given all that was read."""
    while line := file.readline(LINE_BYTES_MAX + 1):
        see(line)
        rest = line
        while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES_MAX + 1)
            see(rest)
        yield line


def _row(number: int, line: bytes) -> ImportRow | RefusedRow:
    if len(line) > LINE_BYTES_MAX:
        return RefusedRow(number, f"the line is longer than {LINE_BYTES_MAX} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at {error.start + 1}"
        return RefusedRow(number, f"is not UTF-8 ({found}): `iconv -f LATIN1 -t UTF-8` converts Latin-1")
    try:
        fields = _Fields.model_validate_json(text)
    except ValidationError as error:
        faults = [_explained(each["type"], each["loc"], each["msg"]) for each in error.errors()]
        return RefusedRow(number, "; ".join(dict.fromkeys(faults)))
    if twice := _fields_given_twice(text):
        return RefusedRow(number, "; ".join(f"{name}: is there more than once" for name in twice))
    row = ImportRow(
        line=number,
        email=fields.email,
        full_name=fields.full_name,
        role=Role(fields.role),
        is_active=fields.is_active,
        email_verified=fields.email_verified,
        created_at=fields.created_at,
        password_hash=fields.password_hash,
        totp_secret=None if fields.totp_secret is None else _squeezed(fields.totp_secret),
    )
    faults = _faults(row)
    return RefusedRow(number, "; ".join(faults)) if faults else row


def _fields_given_twice(text: str) -> list[str]:
    """Returns the names that an object of known fields has more than once: which value counts is unclear."""
    counts = Counter(name for name, _ in json.loads(text, object_pairs_hook=list))
    return [name for name, count in counts.items() if count > 1]


def _faults(row: ImportRow) -> list[str]:
    """Returns what is wrong with the fields of a row, never what they hold."""
    faults = []
    if not _EARLIEST <= row.created_at <= datetime.now(UTC) + _CLOCKS_DIFFER:
        return ["created_at: lies before 1970 or in the future"]
    try:
        assert _validate is not None  # noqa: S101 - the message has rules
        _validate(imported_user(_ANY_ID, row))
    except Invalid as error:
        faults += [f"{each.field}: {each.message}" for each in error.field_errors]
    if row.password_hash is not None and (fault := foreign_hashes.fault(row.password_hash)) is not None:
        faults.append(f"password_hash: {fault}")
    if row.totp_secret is not None and not _is_totp(row.totp_secret):
        faults.append("totp_secret: is not base32 of 10 to 64 bytes")
    return faults


def _explained(kind: str, location: tuple[int | str, ...], message: str) -> str:
    name = ".".join(map(str, location))
    if kind == "extra_forbidden":
        # Its name may be anything, a password too.
        return f"has fields besides {', '.join(_Fields.model_fields)}"
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    return f"{name}: {text}" if name else text


def _squeezed(secret: str) -> str:
    plain = secret.replace(" ", "").replace("-", "").rstrip("=")
    # Other letters are left as they are, to be refused: the upper case of a long s is `S`.
    return plain.upper() if plain.isascii() else plain


def _is_totp(secret: str) -> bool:
    if not secret.isascii():
        return False
    try:
        return len(base64.b32decode(secret + "=" * (-len(secret) % 8))) in _TOTP_BYTES
    except binascii.Error:
        return False
