"""An authority for certificates, as cert-manager is one in a cluster."""

import datetime as dt
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from chassis.grpc.certificates import Certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.x509.oid import NameOID

from tests.fakes.service_keys import service_keys

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
_HERE = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]


class Authority:
    """Signs certificates for this machine."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vestibule")])
        self.certificate = self._sign(self._key.public_key(), self._name)

    def issue(self, folder: Path, *services: str) -> Certificates:
        """Writes a new certificate with its key over what is there; returns them to the first service."""
        self.write(folder, *services)
        return opened(folder, *services[:1])

    def write(
        self,
        folder: Path,
        *services: str,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        password: bytes | None = None,
        begins_seconds: float = -60,
        lasts_seconds: float = 3660,
        others: Sequence[x509.GeneralName] = (),
        here: Sequence[x509.GeneralName] = _HERE,
    ) -> None:
        """Writes a new certificate, its key and the authority's certificate.

        Args:
            folder: Where to.
            services: Whose certificate it is: the gateway's when not said.
            key: Its key; a new one when None.
            password: Encrypts the key.
            begins_seconds: From when on it is valid, from now.
            lasts_seconds: How long it is valid.
            others: Further names in it, of any kind.
            here: Names of this machine in it.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a service")])
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_bytes(self.certificate.public_bytes(PEM))
        (folder / "tls.key").write_bytes(key.private_bytes(PEM, PKCS8, locked))
        begins = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=begins_seconds)
        valid = begins, begins + dt.timedelta(seconds=lasts_seconds)
        certificate = self._sign(key.public_key(), name, services or ("gateway",), valid, [*here, *others])
        (folder / "tls.crt").write_bytes(certificate.public_bytes(PEM))

    def _sign(
        self,
        key: CertificatePublicKeyTypes,
        name: x509.Name,
        services: tuple[str, ...] = (),
        valid: tuple[dt.datetime, dt.datetime] | None = None,
        others: Sequence[x509.GeneralName] = _HERE,
    ) -> x509.Certificate:
        names = [*(x509.DNSName(service) for service in services), *others]
        now = dt.datetime.now(dt.UTC)
        begins, ends = valid or (now - dt.timedelta(minutes=1), now + dt.timedelta(hours=1))
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=not services, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


def opened(folder: Path, service: str = "gateway") -> Certificates:
    """Opens what was written into a folder, as a service."""
    return Certificates(folder / "tls.crt", folder / "tls.key", folder / "ca.crt", service_keys(service))
