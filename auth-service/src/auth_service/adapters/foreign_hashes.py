"""Password hashes that other systems made: Argon2, bcrypt, scrypt and PBKDF2, as their libraries write them.

Imports store them as they are. They are verified in the hashing pool, and replaced by our Argon2id at
the user's next sign-in. Imports refuse what costs too much, because anyone who knows an address can
have its hash computed: at the bounds it takes a core about a second.
"""

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from chassis.dataclass import dataclass

from auth_service.adapters.argon2_thread import FIRST_VERSION, Argon2

ARGON2_KIB_MAX = 131_072
ARGON2_KIB_PASSES_MAX = 1_048_576
BCRYPT_COST_MAX = 14
SCRYPT_BYTES_MAX = 134_217_728
SCRYPT_WORK_MAX = 2_097_152
"""Of N·r·p."""

PBKDF2_WORK_MAX = 2_000_000
"""Iterations, for each block of output."""

_LARGE_BYTES = 33_554_432
_LARGE = threading.Lock()
"""Hashes that need more memory than that are computed one at a time, so that a pod's limit holds."""

_BCRYPT_BYTES = 72
"""What bcrypt reads of a password; the libraries of the time cut the rest off silently."""

_LENGTHS = range(16, 129)
_SALT_BYTES_MAX = 256

Matches = Callable[[bytes], bool]
"""Whether a password, in UTF-8, is that of the hash."""


class UnusableHash(Exception):
    """The hash cannot be verified here; the text says why, without the hash."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a hash costs to verify, and the most that is accepted."""

    what: str
    actual: int
    bound: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash that can be verified here."""

    matches: Matches
    costs: tuple[Cost, ...]


def fault(text: str) -> str | None:
    """Returns why a hash cannot be imported, without the hash; None when it can."""
    try:
        costs = parse(text).costs
    except UnusableHash as error:
        return str(error)
    for cost in costs:
        if cost.actual > cost.bound:
            return f"costs too much: {cost.what} is {cost.actual}, at most {cost.bound} {cost.unit}".rstrip()
    return None


def parse(text: str) -> ForeignHash:
    """Returns a hash, whatever it costs to verify.

    Raises:
        UnusableHash: its form is unknown, or it is damaged.
    """
    for pattern, read in _FORMS:
        found = pattern.fullmatch(text)
        if found is not None:
            return read(found)
    raise UnusableHash("is of no known form: Argon2, bcrypt, scrypt or PBKDF2, as their libraries write it")


def matches(text: str, password: bytes) -> bool:
    """Whether the hash is the password's; False when it cannot be verified here."""
    try:
        return parse(text).matches(password)
    except UnusableHash:
        return False


def _argon2(found: re.Match[str]) -> ForeignHash:
    salt, expected = _base64(found["salt"]), _base64(found["hash"])
    kib, passes, version = int(found["m"]), int(found["t"]), int(found["version"] or FIRST_VERSION)
    argon2 = Argon2(kind=found["type"], version=version, kib=kib, passes=passes, lanes=int(found["p"]))
    if not argon2.takes(salt):
        raise UnusableHash("has parameters that are not Argon2's")
    _require_whole(salt, expected)

    def compare(password: bytes) -> bool:
        with _memory(kib * 1024):
            return hmac.compare_digest(argon2.hash(password, salt, len(expected)), expected)

    memory = Cost("Argon2's memory", kib, ARGON2_KIB_MAX, "KiB")
    work = Cost("Argon2's memory by passes", kib * passes, ARGON2_KIB_PASSES_MAX, "KiB")
    return ForeignHash(compare, (memory, work))


def _bcrypt(found: re.Match[str]) -> ForeignHash:
    return _bcrypt_of(found["hash"], lambda password: password)


def _django_bcrypt_sha256(found: re.Match[str]) -> ForeignHash:
    return _bcrypt_of(found["hash"], lambda password: hashlib.sha256(password).hexdigest().encode())


def _passlib_bcrypt_sha256(found: re.Match[str]) -> ForeignHash:
    salt = found["salt"].encode()

    def digest(password: bytes) -> bytes:
        keyed = hmac.digest(salt, password, "sha256")
        return base64.b64encode(keyed if found["version"] == "2" else hashlib.sha256(password).digest())

    return _bcrypt_of(f"${found['ident']}${int(found['cost']):02}${found['salt']}{found['rest']}", digest)


def _bcrypt_of(text: str, prepared: Callable[[bytes], bytes]) -> ForeignHash:
    expected = text.encode()

    def compare(password: bytes) -> bool:
        import bcrypt  # noqa: PLC0415 - half a megabyte, for those who moved in with such a hash

        try:
            return bcrypt.checkpw(prepared(password)[:_BCRYPT_BYTES], expected)
        except ValueError:
            return False

    return ForeignHash(compare, (Cost("bcrypt's cost", int(text[4:6]), BCRYPT_COST_MAX),))


def _scrypt(found: re.Match[str]) -> ForeignHash:
    cost = 1 << int(found["ln"])
    return _scrypt_of(found, cost, _base64(found["salt"]), _base64(found["hash"]))


def _django_scrypt(found: re.Match[str]) -> ForeignHash:
    return _scrypt_of(found, int(found["n"]), found["salt"].encode(), _base64(found["hash"]))


def _werkzeug_scrypt(found: re.Match[str]) -> ForeignHash:
    return _scrypt_of(found, int(found["n"]), found["salt"].encode(), _hex(found["hash"]))


def _scrypt_of(found: re.Match[str], cost: int, salt: bytes, expected: bytes) -> ForeignHash:
    block, lanes = int(found["r"]), int(found["p"])
    if cost < 2 or cost & (cost - 1) or not block or not lanes:  # noqa: PLR2004 - the smallest power
        raise UnusableHash("has parameters that are not scrypt's")
    size = 128 * block * (cost + lanes)
    _require_whole(salt, expected)

    def compare(password: bytes) -> bool:
        with _memory(size):
            actual = hashlib.scrypt(
                password, salt=salt, n=cost, r=block, p=lanes, maxmem=size + 1_048_576, dklen=len(expected)
            )
        return hmac.compare_digest(actual, expected)

    memory = Cost("scrypt's memory", 128 * block * cost, SCRYPT_BYTES_MAX, "bytes")
    return ForeignHash(compare, (memory, Cost("scrypt's N*r*p", cost * block * lanes, SCRYPT_WORK_MAX)))


def _pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2_of(found, _base64(found["salt"]), _base64(found["hash"]))


def _django_pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2_of(found, found["salt"].encode(), _base64(found["hash"]))


def _werkzeug_pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2_of(found, found["salt"].encode(), _hex(found["hash"]))


def _pbkdf2_of(found: re.Match[str], salt: bytes, expected: bytes) -> ForeignHash:
    digest, iterations = found["digest"] or "sha1", int(found["iterations"])
    blocks = -(-len(expected) // hashlib.new(digest).digest_size)
    if not iterations:
        raise UnusableHash("has parameters that are not PBKDF2's")
    _require_whole(salt, expected)

    def compare(password: bytes) -> bool:
        actual = hashlib.pbkdf2_hmac(digest, password, salt, iterations, len(expected))
        return hmac.compare_digest(actual, expected)

    return ForeignHash(compare, (Cost("PBKDF2's iterations", iterations * blocks, PBKDF2_WORK_MAX),))


def _require_whole(salt: bytes, expected: bytes) -> None:
    if len(expected) not in _LENGTHS or len(salt) > _SALT_BYTES_MAX:
        raise UnusableHash("has a hash or a salt of no usual length")


def _memory(size: int) -> AbstractContextManager[object]:
    return _LARGE if size > _LARGE_BYTES else nullcontext()


def _base64(text: str) -> bytes:
    """Decodes base64 with or without padding; passlib writes `.` for `+`."""
    plain = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise UnusableHash("holds text that is not base64") from error


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UnusableHash("holds text that is not hexadecimal") from error


_B64 = "[A-Za-z0-9+/.]+={0,2}"
_SALT = r"[^$\x00-\x1f\x7f]+"
_BCRYPT_COST = r"(0[4-9]|[12]\d|3[01])"
_BCRYPT = rf"(?P<hash>\$2[aby]\${_BCRYPT_COST}\$[A-Za-z0-9./]{{53}})"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash]], ...] = tuple(
    (re.compile(pattern, re.ASCII), read)
    for pattern, read in (
        (
            (
                r"\$argon2(?P<type>id|i|d)\$(v=(?P<version>16|19)\$)?"
                r"m=(?P<m>\d{1,10}),t=(?P<t>\d{1,10}),p=(?P<p>\d{1,10})"
                rf"\$(?P<salt>{_B64})\$(?P<hash>{_B64})"
            ),
            _argon2,
        ),
        (rf"(bcrypt\$)?{_BCRYPT}", _bcrypt),
        (rf"bcrypt_sha256\${_BCRYPT}", _django_bcrypt_sha256),
        (
            (
                rf"\$bcrypt-sha256\$(v=(?P<version>2),t=)?(?P<ident>2[ab]),(r=)?(?P<cost>{_BCRYPT_COST}|[4-9])"
                r"\$(?P<salt>[A-Za-z0-9./]{22})\$(?P<rest>[A-Za-z0-9./]{31})"
            ),
            _passlib_bcrypt_sha256,
        ),
        (
            (
                rf"\$scrypt\$ln=(?P<ln>\d{{1,2}}),r=(?P<r>\d{{1,4}}),p=(?P<p>\d{{1,4}})"
                rf"\$(?P<salt>{_B64})\$(?P<hash>{_B64})"
            ),
            _scrypt,
        ),
        (
            rf"scrypt\$(?P<n>\d{{1,9}})\$(?P<salt>{_SALT})\$(?P<r>\d{{1,4}})\$(?P<p>\d{{1,4}})\$(?P<hash>{_B64})",
            _django_scrypt,
        ),
        (
            (
                r"scrypt:(?P<n>\d{1,9}):(?P<r>\d{1,4}):(?P<p>\d{1,4})"
                rf"\$(?P<salt>{_SALT})\$(?P<hash>[0-9a-f]+)"
            ),
            _werkzeug_scrypt,
        ),
        (
            (
                r"\$pbkdf2(-(?P<digest>sha1|sha256|sha512))?\$(i=)?(?P<iterations>\d{1,9})(,l=\d{1,3})?"
                rf"\$(?P<salt>{_B64})\$(?P<hash>{_B64})"
            ),
            _pbkdf2,
        ),
        (
            rf"pbkdf2_(?P<digest>sha1|sha256|sha512)\$(?P<iterations>\d{{1,9}})\$(?P<salt>{_SALT})\$(?P<hash>{_B64})",
            _django_pbkdf2,
        ),
        (
            (
                r"pbkdf2:(?P<digest>sha1|sha256|sha512):(?P<iterations>\d{1,9})"
                rf"\$(?P<salt>{_SALT})\$(?P<hash>[0-9a-f]+)"
            ),
            _werkzeug_pbkdf2,
        ),
    )
)
