"""The secrets of a stack: made once, kept in one file that only its owner may read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from devstack.database import Database
from devstack.program import ProgramError


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What must stay the same from one start to the next.

    Attributes:
        service_key: `SERVICE_KEY`, shared by the services.
        auth_master_key: `AUTH_MASTER_KEY`, which seals the signing keys.
        role_passwords: Password of each role in Postgres.
    """

    service_key: str
    auth_master_key: str
    role_passwords: dict[str, str]

    @classmethod
    def kept_in(cls, file: Path) -> "Keys":
        """Reads the file, and makes what is missing.

        Raises:
            ProgramError: the file is not ours.
            OSError: it cannot be read or written.
        """
        kept = _read(file)
        new = {
            "service_key": secrets.token_urlsafe(48),
            "auth_master_key": base64.b64encode(secrets.token_bytes(32)).decode(),
            "role_passwords": {},
        }
        keys = cls(**(new | kept))
        passwords = {role: secrets.token_urlsafe(24) for role in Database.role_names()}
        keys = replace(keys, role_passwords=passwords | keys.role_passwords)
        if asdict(keys) != kept:
            _write(file, json.dumps(asdict(keys), indent=2))
        return keys


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ProgramError(
            f"{file} is damaged: bring back a copy, or set DATA_DIR to another folder"
        ) from error


def _write(file: Path, text: str) -> None:
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    unfinished.replace(file)
