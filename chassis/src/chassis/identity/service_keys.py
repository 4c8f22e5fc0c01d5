"""The keys of services: a service's own private key, and the public keys of all.

Each service has a key pair (ECDSA on P-256) and signs its tokens, events and heartbeats with it. Others
verify by the trust folder: one file per service, `<service>.pem`, with one or more public keys or
certificates. Several keys allow a rotation without downtime.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from chassis import fast_imports
from chassis.settings import ServiceSettings
from chassis.startup_errors import StartupError

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

_ALGORITHM = ec.ECDSA(SHA256())
_SIGNATURE_BYTES_MAX = 72
_END = b"-----END "
_FORM = "a PEM file of an EC key on P-256"


class ServiceKeys:
    """Signs as one service and verifies what others signed.

    Attributes:
        service: This service's name, such as `auth-service`.
        private_key: Its private key.
        shared_key: The secret that services of the last release share; None once every pod has its own
            key. While it is set, unsigned data of that release is accepted.
    """

    def __init__(
        self,
        service: str,
        private_key: PrivateKey,
        trusted: Mapping[str, Sequence[PublicKey]],
        shared_key: str | None = None,
    ) -> None:
        self.service = service
        self.private_key = private_key
        self.shared_key = shared_key
        self._trusted = {name: tuple(keys) for name, keys in trusted.items()}

    @property
    def services(self) -> frozenset[str]:
        """The names of the services that are trusted."""
        return frozenset(self._trusted)

    def keys_of(self, service: str) -> tuple[PublicKey, ...]:
        """Returns a service's public keys; none if it is not trusted."""
        return self._trusted.get(service, ())

    def certifies(self, service: str, names: frozenset[str]) -> bool:
        """Returns whether a certificate with these names is a service's.

        The last release's certificates name none of our services; they count while that release is accepted.
        """
        return service in names or (self.shared_key is not None and not names & self.services)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Returns this service's signature of a message.

        Args:
            purpose: The kind of message, such as `event`: a signature for one purpose is not valid for
                another.
            message: The exact bytes.
        """
        return self.private_key.sign(_signed(purpose, message), _ALGORITHM)

    def is_signed_by(self, service: str, purpose: str, message: bytes, signature: bytes) -> bool:
        """Returns whether a service signed a message for a purpose."""
        if not 0 < len(signature) <= _SIGNATURE_BYTES_MAX:
            return False
        for key in self.keys_of(service):
            try:
                key.verify(signature, _signed(purpose, message), _ALGORITHM)
            except InvalidSignature:
                continue
            return True
        return False


def new_key_pair() -> tuple[bytes, bytes]:
    """Returns a new private key and its public key, both in PEM."""
    private = ec.generate_private_key(ec.SECP256R1())
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def open_service_keys(service: str, settings: ServiceSettings) -> ServiceKeys:
    """Reads a service's own key and the trusted keys, from the files in its settings.

    Raises:
        StartupError: a file cannot be read or is malformed, or the service's own public key is not among
            the trusted ones.
    """
    private_key = _private_key(settings.service_key_file)
    trusted = _trusted(settings.service_trust_dir)
    if private_key.public_key() not in trusted.get(service, ()):
        raise StartupError(
            f"SERVICE_TRUST_DIR: {settings.service_trust_dir / service}.pem does not hold the public half of"
            f" SERVICE_KEY_FILE {settings.service_key_file}, so other services would not trust it: add it"
        )
    shared = settings.service_key
    return ServiceKeys(service, private_key, trusted, None if shared is None else shared.get_secret_value())


def _private_key(file: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise StartupError(
            f"SERVICE_KEY_FILE {file} cannot be read ({error.strerror}): mount it, or correct the setting"
        ) from error
    except (ValueError, TypeError) as error:
        raise StartupError(f"SERVICE_KEY_FILE {file} is not {_FORM}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise StartupError(f"SERVICE_KEY_FILE {file} is not {_FORM}")
    return key


def _trusted(folder: Path) -> dict[str, tuple[PublicKey, ...]]:
    try:
        found = {file.stem: _public_keys(file) for file in sorted(folder.glob("*.pem"))}
    except OSError as error:
        raise StartupError(
            f"SERVICE_TRUST_DIR: {error.filename} cannot be read ({error.strerror}): mount it, or correct"
            " the setting"
        ) from error
    if not found:
        raise StartupError(
            f"SERVICE_TRUST_DIR {folder} has no <service>.pem: mount the services' public keys there, or"
            " correct the setting"
        )
    return found


def _public_keys(file: Path) -> tuple[PublicKey, ...]:
    """Returns the keys in a file of one PEM block after another, each a public key or a certificate."""
    keys = []
    for block in _blocks(file.read_bytes()):
        try:
            key = _certified_key(block) if b"BEGIN CERTIFICATE" in block else load_pem_public_key(block)
        except (ValueError, TypeError) as error:
            raise StartupError(f"SERVICE_TRUST_DIR: {file} is not {_FORM}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise StartupError(f"SERVICE_TRUST_DIR: {file} is not {_FORM}")
        keys.append(key)
    return tuple(keys)


def _certified_key(block: bytes) -> object:
    fast_imports.allow("cryptography.x509")
    from cryptography import x509  # noqa: PLC0415 - 0.9 MB, and most folders have no certificates

    return x509.load_pem_x509_certificate(block).public_key()


def _blocks(text: bytes) -> list[bytes]:
    blocks: list[bytes] = []
    lines: list[bytes] = []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if line.startswith(_END):
            blocks.append(b"".join(lines))
            lines = []
    return blocks


def _signed(purpose: str, message: bytes) -> bytes:
    return b"vestibule/" + purpose.encode() + b"\0" + message
