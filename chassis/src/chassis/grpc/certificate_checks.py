"""Whether a certificate, its key and the authorities can be used between services.

gRPC takes what it cannot use without a word, and refuses every connection from then on.
"""

import os
import ssl
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis import fast_imports

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_CURVES = (ec.SECP256R1, ec.SECP384R1)
_STEPS = 4
"""In which a handshake in memory is over: two flights of each side, and what follows them."""


class CertificateFiles(NamedTuple):
    """What the three files hold, as PEM."""

    certificate: bytes
    key: bytes
    authority: bytes


class CertificateFacts(NamedTuple):
    """What is read from the files.

    Attributes:
        names: DNS names of the certificate's SAN.
        ends: Unix time at which the certificate expires.
        authority_ends: Unix time at which the first of the authorities expires.
    """

    names: frozenset[str]
    ends: float
    authority_ends: float


def read_certificates(files: CertificateFiles) -> CertificateFacts:
    """Checks that the files are whole, fit and are of a kind that gRPC uses; returns what they say.

    Raises:
        ValueError: a file is malformed, the key is not the certificate's, is encrypted, or is of a kind that
            gRPC does not use.
    """
    fast_imports.allow("cryptography.x509")
    from cryptography import x509  # noqa: PLC0415 - 0.9 MB that services without mutual TLS do without

    try:
        certificate, *_ = x509.load_pem_x509_certificates(files.certificate)
        authorities = x509.load_pem_x509_certificates(files.authority)
        public_key = certificate.public_key()
        key = load_pem_private_key(files.key, password=None)
    except TypeError as error:
        raise ValueError("the key is encrypted; mount it without a password") from error
    except UnsupportedAlgorithm as error:
        raise ValueError(f"the key is of an unknown kind ({error})") from error
    # Read in the middle of a change, one file may be newer than the other.
    if key.public_key() != public_key:
        raise ValueError("the key is not the certificate's")
    on_curve = isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, _CURVES)
    if not on_curve and not isinstance(public_key, rsa.RSAPublicKey):
        raise ValueError("gRPC uses keys of RSA, or of ECDSA on P-256 or P-384, and no others")
    return CertificateFacts(
        names=_dns_names(certificate),
        ends=certificate.not_valid_after_utc.timestamp(),
        authority_ends=min(authority.not_valid_after_utc.timestamp() for authority in authorities),
    )


def refusal(files: CertificateFiles) -> str | None:
    """Returns why a peer with the same authorities would refuse the certificate now; None if it would not."""
    client, server = (
        _context(files, purpose) for purpose in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
    )
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(_STEPS):
            for side in sides:
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except ssl.SSLError as error:
        return str(error.reason)
    return None


def _dns_names(certificate: "Certificate") -> frozenset[str]:
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName  # noqa: PLC0415

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return frozenset()
    return frozenset(names.get_values_for_type(DNSName))


def _context(files: CertificateFiles, purpose: "ssl._SSLMethod") -> ssl.SSLContext:
    context = ssl.SSLContext(purpose)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # As gRPC verifies: an intermediate authority among the trusted ones is enough.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=files.authority.decode("ascii", "replace"))
    # OpenSSL takes these two from a file alone; this one is in memory.
    descriptor = os.memfd_create("certificate")
    with os.fdopen(descriptor, "wb") as both:
        both.write(files.certificate + b"\n" + files.key)
        both.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context
