"""Certificates between services: both sides show one, and files that rotate are read again.

A Kubernetes secret that is mounted changes its files while the process runs. A server asks
for the present files at every handshake; a channel opens a new connection when they changed.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from prometheus_client import Gauge

from chassis.startup import StartupError

log = structlog.get_logger()

_EXPIRES = Gauge(
    "tls_certificate_expires_timestamp_seconds",
    "Unix time at which a certificate between services ends: one's own, or the first of the authorities'.",
    ["file"],
)

LOOK_SECONDS = 1.0
"""How often the files are looked at, at most."""


class _Files(NamedTuple):
    certificate: bytes
    key: bytes
    authority: bytes


class Certificates:
    """A service's certificate, its key, and whom it trusts.

    Args:
        certificate: PEM file of the certificate, followed by those in between.
        key: PEM file of its key.
        authority: PEM file of who signs for everybody.

    Attributes:
        generation: Counts the changes of the files; look with `look` first.

    Raises:
        StartupError: a file cannot be read, or is not what it should be.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        self._paths = (certificate, key, authority)
        self._signature = self._sign()
        self._looked_at = time.monotonic()
        self.generation = 0
        try:
            self._files = self._read()
        except OSError as error:
            raise StartupError(
                f"TLS is on, but {error.filename} cannot be read ({error.strerror}):"
                " mount it, or correct TLS_CERT_FILE, TLS_KEY_FILE or TLS_CA_FILE"
            ) from error
        except ValueError as error:
            raise StartupError(
                f"TLS is on, but {certificate}, {key} and {authority} are not PEM files that fit: {error}"
            ) from error

    def look(self) -> int:
        """Reads the files again when they changed; returns the generation.

        Files that cannot be read, as in the middle of a change, leave what is there in use.
        """
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return self.generation
        self._looked_at = now
        signature = self._sign()
        if signature == self._signature:
            return self.generation
        try:
            files = self._read()
        except OSError as error:
            log.warning("certificates not read", file=error.filename, problem=error.strerror)
            return self.generation
        except ValueError as error:
            log.warning("certificates do not fit", problem=str(error))
            return self.generation
        self._signature = signature
        if files != self._files:
            self._files = files
            self.generation += 1
            log.info("certificates rotated", generation=self.generation)
        return self.generation

    def server_credentials(self) -> grpc.ServerCredentials:
        """Returns credentials that refuse clients without a certificate of ours."""
        shown = [self.generation]

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # Called at each handshake; None means that nothing changed.
            if self.look() == shown[0]:
                return None
            shown[0] = self.generation
            return self._server_configuration()

        return grpc.dynamic_ssl_server_credentials(
            self._server_configuration(),
            fetch,  # type: ignore[arg-type] # the stubs do not know that None is allowed
            require_client_authentication=True,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Returns credentials of the present generation."""
        files = self._files
        return grpc.ssl_channel_credentials(files.authority, files.key, files.certificate)

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        return grpc.ssl_server_certificate_configuration(
            [(files.key, files.certificate)], root_certificates=files.authority
        )

    def _sign(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(path) for path in self._paths)

    def _read(self) -> _Files:
        files = _Files(*(path.read_bytes() for path in self._paths))
        certificate = x509.load_pem_x509_certificate(files.certificate)
        authorities = x509.load_pem_x509_certificates(files.authority)
        # Read in the middle of a change, one file may be newer than the other.
        if load_pem_private_key(files.key, password=None).public_key() != certificate.public_key():
            raise ValueError("the key is not the certificate's")
        _EXPIRES.labels("certificate").set(certificate.not_valid_after_utc.timestamp())
        ends = (authority.not_valid_after_utc.timestamp() for authority in authorities)
        _EXPIRES.labels("authority").set(min(ends))
        return files


def certificate_names(context: "grpc.aio.ServicerContext[Any, Any]") -> frozenset[str]:
    """Returns the names that a peer's certificate is for (SAN); none when it showed no certificate."""
    said = context.auth_context().get("x509_subject_alternative_name", ())
    return frozenset(name.decode(errors="replace") for name in said)


def open_certificates(files: tuple[Path, Path, Path] | None) -> Certificates | None:
    """Returns the certificates that settings name (certificate, key, authority), or None.

    Raises:
        StartupError: a file cannot be read, or is not what it should be.
    """
    return None if files is None else Certificates(*files)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
