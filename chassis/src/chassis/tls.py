"""TLS to servers of others: the files that settings name, and words that say what to correct.

OpenSSL's errors name neither the file nor the setting, and some look like an outage of the server.
"""

import ssl
from functools import cache
from pathlib import Path


@cache
def default_context() -> ssl.SSLContext:
    """Returns the context for servers for which no setting of their own names authorities.

    It trusts those in this machine's folder and, as OpenSSL reads it, in the file of `SSL_CERT_FILE`. There
    is one per process, since loading them takes 20 ms.
    """
    return ssl.create_default_context()


def check_default_authorities(file: Path | None) -> None:
    """Checks the file of `SSL_CERT_FILE`: OpenSSL ignores one that it cannot use.

    Raises:
        OSError: it cannot be read, or holds no certificate; the message names it.
    """
    if file is not None:
        _open(file, "SSL_CERT_FILE")
        if b"CERTIFICATE-----" not in file.read_bytes():  # Loading it would take 20 ms.
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"SSL_CERT_FILE {file} holds no certificate in PEM")


def client_context(authorities: str | Path | None, option: str, folder: str | None = None) -> ssl.SSLContext:
    """Returns a context that verifies servers.

    Args:
        authorities: PEM file of who may sign their certificates; this machine's own when None.
        option: What names the file, for the error.
        folder: A folder of such files as OpenSSL looks for them.

    Raises:
        OSError: the file cannot be read, or holds no certificate; the message names it and the option.
    """
    if authorities is not None:
        _open(authorities, option)
    try:
        return ssl.create_default_context(cafile=authorities, capath=folder)
    except ssl.SSLError as error:
        # Of two arguments, since one alone is printed as a tuple.
        raise ssl.SSLError(
            ssl.SSL_ERROR_SSL, f"{option} {authorities} holds no certificate in PEM"
        ) from error


def show_certificate(
    context: ssl.SSLContext, certificate: str, key: str | None, password: str | None, options: tuple[str, str]
) -> None:
    """Has a context show a certificate to servers.

    Args:
        context: The context.
        certificate: Its PEM file.
        key: The PEM file of its key; the certificate's when None.
        password: What the key is encrypted with.
        options: What names the two files, for the error.

    Raises:
        OSError: a file cannot be read, or they do not fit; the message names them and the options.
    """
    files = list(zip(options, (certificate, key), strict=True)) if key else [(options[0], certificate)]
    for option, file in files:
        _open(str(file), option)
    try:
        # Without any password OpenSSL would wait for one to be typed.
        context.load_cert_chain(certificate, key, password or "")
    except (OSError, ValueError) as error:
        named = " and ".join(f"{option} {file}" for option, file in files)
        raise ssl.SSLError(
            ssl.SSL_ERROR_SSL, f"{named}: not a certificate and its key in PEM, or the password is wrong"
        ) from error


def correction(error: ssl.SSLCertVerificationError, server: str, url: str, authorities: str) -> str:
    """Returns what to do about a certificate that is not accepted.

    Args:
        error: Why not.
        server: Whose it is, such as `Redis`.
        url: The setting that names the host.
        authorities: The setting that names the file of authorities.
    """
    match error.verify_code:
        case 10:
            return f"renew the certificate of {server}"
        case 9:
            return f"set the clocks, or replace the certificate of {server}"
        case 62 | 64:
            return f"write a host into {url} that the certificate of {server} names, or have it name this one"
        case _:
            return f"{authorities} has to name the authority that signed the certificate of {server}"


def _open(file: str | Path, option: str) -> None:
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise OSError(error.errno, f"{option} cannot be read: {file} ({error.strerror})") from error
