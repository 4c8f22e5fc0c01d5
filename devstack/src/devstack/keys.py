"""The secrets of a stack: made once, kept in files that only their owner may read."""

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chassis.identity.service_keys import new_key_pair

from devstack.database import Database
from devstack.files import write_private
from devstack.program import ProgramError


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What must stay the same from one start to the next.

    Attributes:
        auth_master_key: `AUTH_MASTER_KEY`, which seals the signing keys.
        users_master_key: `USERS_MASTER_KEY`, which seals the secrets of webhooks.
        knowledge_master_key: `KNOWLEDGE_MASTER_KEY`, which seals the documents.
        role_passwords: Password of each role in Postgres.
    """

    auth_master_key: str
    users_master_key: str
    knowledge_master_key: str
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
            "auth_master_key": _master_key(),
            "users_master_key": _master_key(),
            "knowledge_master_key": _master_key(),
            "role_passwords": {},
        }
        keys = cls(**{name: kept.get(name, value) for name, value in new.items()})
        passwords = {role: secrets.token_urlsafe(24) for role in Database.role_names()}
        keys = replace(keys, role_passwords=passwords | keys.role_passwords)
        if asdict(keys) != kept:
            write_private(file, json.dumps(asdict(keys), indent=2))
        return keys


@dataclass(frozen=True, slots=True)
class KeyPairs:
    """The services' key pairs: each service reads its own private key and the public keys of all services.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path

    @classmethod
    def kept_in(cls, folder: Path, services: Iterable[str]) -> "KeyPairs":
        """Takes what is in a folder, and makes what is missing.

        Raises:
            OSError: it cannot be read or written.
        """
        pairs = cls(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        pairs.trust.mkdir(mode=0o700, exist_ok=True)
        for service in services:
            if not pairs.private_key(service).exists():
                private, public = new_key_pair()
                # The public half goes first: a private key that is there has one.
                write_private(pairs.trust / f"{service}.pem", public.decode())
                write_private(pairs.private_key(service), private.decode())
        return pairs

    @property
    def trust(self) -> Path:
        """The folder with the public keys of all services (`SERVICE_TRUST_DIR`)."""
        return self.folder / "trust"

    def private_key(self, service: str) -> Path:
        """The file of a service's private key (`SERVICE_KEY_FILE`)."""
        return self.folder / f"{service}.key"

    def environment(self, service: str) -> dict[str, str]:
        """Returns the settings that lead a service to its keys."""
        return {
            "SERVICE_KEY_FILE": str(self.private_key(service)),
            "SERVICE_TRUST_DIR": str(self.trust),
        }


def _master_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ProgramError(
            f"{file} is damaged: bring back a copy, or set DATA_DIR to another folder"
        ) from error
