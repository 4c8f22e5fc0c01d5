"""Mutual TLS between services, with certificates that rotate while the process runs.

A mounted Kubernetes secret changes its files. A server uses the current files at every handshake; a channel
opens a new connection when they have changed.
"""

import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import structlog
from prometheus_client import Gauge

from chassis.grpc.certificate_checks import CertificateFacts, CertificateFiles, read_certificates, refusal
from chassis.identity.service_keys import ServiceKeys
from chassis.startup_errors import StartupError

log = structlog.get_logger()

_EXPIRES = Gauge(
    "tls_certificate_expires_timestamp_seconds",
    "Unix time at which the service's certificate, or the first certificate authority, expires.",
    ["file"],
)

CHECK_SECONDS = 1.0
"""Minimum interval between checks of the files."""


class AnothersCertificateError(Exception):
    """The certificate does not name the service that shows it, so other services would refuse its calls."""


class Certificates:
    """A service's certificate, its key and the trusted authorities.

    Args:
        certificate: PEM file of the certificate, followed by intermediate ones.
        key: PEM file of its key.
        authority: PEM file of the certificate authorities.
        keys: The service's keys, which say what its name is.

    Attributes:
        generation: Counts the changes of the files; call `refresh` first.

    Raises:
        StartupError: a file cannot be read, holds what cannot be used, or is of another service.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path, keys: ServiceKeys) -> None:
        self._paths = (certificate, key, authority)
        self._keys = keys
        self._said = ""
        self._stats = self._file_stats()
        self._checked_at = time.monotonic()
        self.generation = 0
        try:
            self._use(*self._read())
        except OSError as error:
            raise StartupError(
                f"TLS is on, but {error.filename} cannot be read ({error.strerror}):"
                " mount it, or correct TLS_CERT_FILE, TLS_KEY_FILE or TLS_CA_FILE"
            ) from error
        except ValueError as error:
            raise StartupError(
                f"TLS is on, but {certificate}, {key} and {authority} are not PEM files that fit: {error}"
            ) from error
        except AnothersCertificateError as error:
            raise StartupError(
                f"TLS is on, but TLS_CERT_FILE {certificate} is not this service's: {error}; mount its own"
            ) from error
        if (why := refusal(self._files)) is not None:
            # Another one is taken as soon as it is there, so this is no reason to end.
            log.warning("other services may refuse the certificate", file=str(certificate), problem=why)

    def refresh(self) -> int:
        """Reads the files again if they have changed; returns the generation.

        If they cannot be read, as in the middle of a change, are another service's, or other services would
        refuse them while they accept the current ones, the current ones stay in use.
        """
        now = time.monotonic()
        if now - self._checked_at < CHECK_SECONDS:
            return self.generation
        self._checked_at = now
        stats = self._file_stats()
        if stats == self._stats:
            return self.generation
        certificate = self._paths[0]
        try:
            files, facts = self._read()
        except OSError as error:
            self._keep(error.filename, str(error.strerror))
            return self.generation
        except (ValueError, AnothersCertificateError) as error:
            self._keep(certificate, str(error))
            return self.generation
        if (why := refusal(files)) is not None and refusal(self._files) is None:
            self._keep(certificate, f"other services would refuse the new one: {why}")
            return self.generation
        self._stats = stats
        self._said = ""
        if files != self._files:
            self._use(files, facts)
            self.generation += 1
            log.info("certificates rotated", generation=self.generation)
        return self.generation

    def _keep(self, file: Path | str, problem: str) -> None:
        """Says, once, why the files that are there are not used."""
        if problem != self._said:
            self._said = problem
            log.warning(
                "certificates cannot be used; the current ones stay in use", file=str(file), problem=problem
            )

    def server_credentials(self) -> grpc.ServerCredentials:
        """Returns credentials that require client certificates of the authorities."""
        shown = [self.generation]

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # Called at each handshake; None means no change.
            if self.refresh() == shown[0]:
                return None
            shown[0] = self.generation
            return self._server_configuration()

        return grpc.dynamic_ssl_server_credentials(
            self._server_configuration(),
            fetch,  # type: ignore[arg-type] # the stubs do not know that None is allowed
            require_client_authentication=True,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Returns credentials with the current files."""
        files = self._files
        return grpc.ssl_channel_credentials(files.authority, files.key, files.certificate)

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        return grpc.ssl_server_certificate_configuration(
            [(files.key, files.certificate)], root_certificates=files.authority
        )

    def _file_stats(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(path) for path in self._paths)

    def _read(self) -> tuple[CertificateFiles, CertificateFacts]:
        files = CertificateFiles(*(path.read_bytes() for path in self._paths))
        facts = read_certificates(files)
        service = self._keys.service
        if not self._keys.certifies(service, facts.names):
            named = ", ".join(sorted(facts.names)) or "nothing"
            raise AnothersCertificateError(f"it names {named}, and not {service} (a DNS name of the SAN)")
        return files, facts

    def _use(self, files: CertificateFiles, facts: CertificateFacts) -> None:
        self._files = files
        _EXPIRES.labels("certificate").set(facts.ends)
        _EXPIRES.labels("authority").set(facts.authority_ends)


def certificate_names(context: "grpc.aio.ServicerContext[Any, Any]") -> frozenset[str]:
    """Returns the DNS names in a peer's certificate (SAN); none if it showed no certificate.

    No names of another kind: an authority may allow any URI or e-mail address, and they look the same.
    """
    said = context.auth_context().get("peer_dns", ())
    return frozenset(name.decode(errors="replace") for name in said)


def open_certificates(files: tuple[Path, Path, Path] | None, keys: ServiceKeys) -> Certificates | None:
    """Opens a service's certificates in the settings (certificate, key, authority); None if TLS is off.

    Raises:
        StartupError: a file cannot be read, is malformed, or is of another service.
    """
    return None if files is None else Certificates(*files, keys)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
