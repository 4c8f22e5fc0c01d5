"""Tokens, keys and names that are HMACs under keys derived from the master key.

None of them is stored as it is sent: a token is computed again and compared, or its digest is. Each class
takes the keys of one purpose: it writes with the first and reads what any of them wrote, so that the
master key can be replaced while both are in use.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Sequence
from uuid import UUID

from chassis.addresses import counted_as
from chassis.email_address import canonical_email
from chassis.idempotency.record import IdempotencyRecord
from chassis.identity import api_key
from chassis.ids import uuid7_of

from auth_service.domain.api_key import DrawnKey
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.mail import MailKind
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.user_import import ImportRow

_VERSION = 1
_BODY = struct.Struct(">B16sQ")
_MAC_BYTES = 32
_NAME_BYTES = 16
_API_KEY_ID_BYTES = 8
_API_KEY_SECRET_BYTES = 32
_API_KEY_BYTES = _API_KEY_SECRET_BYTES + _API_KEY_ID_BYTES


class _Hmac:
    """HMAC-SHA256 under each key of one purpose."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            key: 32 secret bytes that everything new is made with, used for no other purpose.
            accepted: Keys whose digests are accepted as well.
        """
        self._keys = (key, *accepted)

    def _digests(self, text: bytes) -> list[bytes]:
        """Returns the digest under each key, the one to write with first."""
        return [_digest(key, text) for key in self._keys]

    def _matches(self, digest: bytes, text: bytes) -> bool:
        """Whether any key gives the digest."""
        return _is_one_of(digest, self._digests(text))


class HmacImportIds(_Hmac):
    """Derives UUIDv7s from the time of creation and the address; who has no key cannot confirm an address."""

    def of(self, row: ImportRow) -> Sequence[UUID]:
        """Returns the id under each key."""
        milliseconds = int(row.created_at.timestamp() * 1000)
        text = struct.pack(">Q", milliseconds) + canonical_email(row.email).encode()
        return [uuid7_of(milliseconds, digest) for digest in self._digests(text)]


class HmacRefreshTokens(_Hmac):
    """Makes and reads `base64url(version | session id | counter | HMAC)`; nothing of it is stored.

    The same session and counter always give the same token: two tabs that refresh at the same time
    get the same successor, and a refresh that Postgres rolled back can be repeated.
    """

    def write(self, token: RefreshToken) -> str:
        """Returns the token as clients keep it."""
        body = _BODY.pack(_VERSION, token.session_id.bytes, token.counter)
        return base64.urlsafe_b64encode(body + _digest(self._keys[0], body)).decode()

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names; None when auth-service did not make it."""
        raw = _decoded(text)
        if raw is None or len(raw) != _BODY.size + _MAC_BYTES:
            return None
        body = raw[: _BODY.size]
        if not self._matches(raw[_BODY.size :], body):
            return None
        version, session, counter = _BODY.unpack(body)
        return RefreshToken(session_id=UUID(bytes=session), counter=counter) if version == _VERSION else None


class HmacMailTokens(_Hmac):
    """Computes `base64url(HMAC(kind | mail id | user id | canonical address))`: repeatable, not guessable."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail, the same one every time."""
        return self._tokens(kind, mail_id, user_id, email)[0]

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token of a mail, by any key, in the same time whatever differs."""
        ours = [each.encode() for each in self._tokens(kind, mail_id, user_id, email)]
        return _is_one_of(token.encode(), ours)

    def _tokens(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> list[str]:
        address = canonical_email(email).encode()
        body = b"\0".join((kind.value.encode(), mail_id.bytes, user_id.bytes, address))
        return [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in self._digests(body)]


class HmacApiKeys(_Hmac):
    """Makes API keys, in the form of `chassis.identity.api_key`, and their digests.

    A key holds 256 random bits, which cannot be guessed however cheap a guess is, so it needs no slow
    hash as a password does. The HMAC keeps those who can only write the table from adding a key of
    their own to it.
    """

    def draw(self, idempotency: IdempotencyRecord | None = None) -> DrawnKey:
        """Returns a new key, the same one each time for a record.

        The key of a record cannot be drawn again once the record is deleted, after a day:
        its id is stored nowhere else.
        """
        drawn = os.urandom(_API_KEY_BYTES) if idempotency is None else self._drawn(idempotency)
        found_by = base64.b32encode(drawn[_API_KEY_SECRET_BYTES:]).decode().lower()
        prefix = (api_key.MARK + found_by)[: api_key.PREFIX_LENGTH]
        text = f"{prefix}_{drawn[:_API_KEY_SECRET_BYTES].hex()}"
        return DrawnKey(text=text, prefix=prefix, digest=self.digest(text))

    def prefix(self, text: str) -> str | None:
        """Returns the part by which a key is looked up; None when the text cannot be a key."""
        return api_key.prefix_of(text)

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key of the digest."""
        return self._matches(digest, text.encode())

    def digest(self, text: str) -> bytes:
        """Returns the digest of a key that is stored."""
        return _digest(self._keys[0], text.encode())

    def _drawn(self, idempotency: IdempotencyRecord) -> bytes:
        drawn_for = b"drawn for\n" + idempotency.attempt_id.bytes
        return hmac.digest(self._keys[idempotency.key_number], drawn_for, hashlib.sha512)[:_API_KEY_BYTES]


class HmacDeviceTokens(_Hmac):
    """Device cookies without a table: a random name with two HMACs that bind it to account and password."""

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in."""
        name = secrets.token_bytes(_NAME_BYTES)
        tags = self._tags(b"account\0", name, account)[0] + self._password_tags(name, password_hash)[0]
        return base64.urlsafe_b64encode(name + tags).decode("ascii")

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the name under which the browser's failures are counted; None for another account's."""
        name, account_tag, _ = _device_parts(token)
        ours = zip(
            self._tags(b"account\0", name, account), self._tags(b"client\0", name, account), strict=True
        )
        return next((client for tag, client in ours if hmac.compare_digest(account_tag, tag)), None)

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that the token was issued for."""
        name, _, password_tag = _device_parts(token)
        return _is_one_of(password_tag, self._password_tags(name, password_hash))

    def _password_tags(self, name: bytes, password_hash: str) -> list[bytes]:
        return self._tags(b"password\0", name, password_hash.encode())

    def _tags(self, kind: bytes, name: bytes, of: bytes) -> list[bytes]:
        return [digest[:_NAME_BYTES] for digest in self._digests(kind + name + of)]


class HmacDeviceDigests(_Hmac):
    """Derives the digests by which a user's known devices are stored."""

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns the digest of a user's device under each key, the one to write with first."""
        return self._digests(user_id.bytes + device.encode())


class HmacThrottleKeys(_Hmac):
    """Derives the keys of the failed-login table: account and client, from which neither can be read."""

    def __call__(self, canonical_email: str, client_address: str) -> ThrottleKey:
        """Returns the keys of an account and a client."""
        account, *former = self._names(b"account\0", canonical_email)
        client, *_ = self._names(b"client\0", counted_as(client_address))
        return ThrottleKey(account=account, client=client, former_accounts=tuple(former))

    def of(self, credential: Credential, client_address: str) -> ThrottleKey:
        """Returns the keys of a credential's account and a client."""
        account = canonical_email(credential.email) if credential.email else str(credential.user_id)
        return self(account, client_address)

    def of_second_factor(self, user_id: UUID) -> ThrottleKey:
        """Returns the key under which a user's wrong codes are counted, whichever client sent them."""
        return ThrottleKey(account=self._names(b"second factor\0", str(user_id))[0], client=b"")

    def _names(self, kind: bytes, text: str) -> list[bytes]:
        return [digest[:_NAME_BYTES] for digest in self._digests(kind + text.encode())]


def _digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)


def _is_one_of(digest: bytes, ours: Sequence[bytes]) -> bool:
    return any(hmac.compare_digest(digest, each) for each in ours)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def _device_parts(token: str) -> tuple[bytes, bytes, bytes]:
    """Returns name, account tag and password tag; empty, which match nothing, for what is no token."""
    raw = _decoded(token)
    if raw is None or len(raw) != 3 * _NAME_BYTES:
        return b"", b"", b""
    return raw[:_NAME_BYTES], raw[_NAME_BYTES : 2 * _NAME_BYTES], raw[2 * _NAME_BYTES :]
