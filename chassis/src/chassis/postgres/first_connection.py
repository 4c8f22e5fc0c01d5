"""The first connection of a program: waits for Postgres to start, and says what to correct."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from chassis import tls
from chassis.postgres.failures import LOST
from chassis.startup_errors import StartupError, StartupRefused, sentence

_Connection = TypeVar("_Connection")


async def connect_with_retries(
    url: str, connect: Callable[[], Awaitable[_Connection]], within_seconds: float
) -> _Connection:
    """Calls `connect()` until it succeeds.

    Raises:
        StartupError: it does not succeed in time, or cannot succeed.
    """
    _check_files(url)
    deadline = monotonic() + within_seconds
    delay = 0.1
    while True:
        try:
            return await connect()
        except (ValueError, asyncpg.PostgresError, *LOST) as error:
            if (refusal := _refusal(url, error)) is not None:
                raise StartupRefused(refusal) from error
            if not isinstance(error, LOST):
                raise
            if monotonic() + delay > deadline:
                raise StartupError(
                    f"Postgres at {where(url)} did not answer within {within_seconds:.0f} s;"
                    f" {_remedy(url, error)} ({sentence(error)})"
                ) from error
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, 1.0)


def _refusal(url: str, error: Exception) -> str | None:
    """Returns why no attempt can succeed, and what to correct; None if a later one may."""
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError() | asyncpg.InvalidCatalogNameError():
            return (
                f"Postgres at {where(url)} refused the connection: {error}; correct the URL or provision it"
            )
        case ssl.SSLCertVerificationError():  # Which is an OSError and a ValueError as well.
            settings = "the Postgres URL", "sslrootcert of the Postgres URL"
            return (
                f"Postgres at {where(url)} shows a certificate that is not accepted:"
                f" {error.verify_message.rstrip('.')}; {tls.correction(error, 'Postgres', *settings)}"
            )
        case ValueError() | asyncpg.ClientConfigurationError():
            return _fault_of_url(str(error))
        case ConnectionError() if "rejected SSL" in str(error):
            return f"Postgres at {where(url)} has no TLS: turn it on there, or correct sslmode of the URL"
        case _:
            return None


def _remedy(url: str, error: Exception) -> str:
    """Returns what may help when no attempt succeeded."""
    # asyncpg drops the alert by which Postgres refuses a client's certificate.
    closed = isinstance(error, (ConnectionResetError, asyncpg.ConnectionDoesNotExistError))
    if closed and "sslcert" in _options(url):
        return "start it, or see in its log whether it refuses the certificate that sslcert names"
    return "start it or fix its URL"


def _fault_of_url(said: str) -> str:
    if "root certificate" in said:
        return (
            "the Postgres URL asks for a certificate that is verified (sslmode), but not by whom: add"
            " sslrootcert=<PEM file of the authorities>"
        )
    if "sslmode" in said:
        return f"the Postgres URL cannot be used: {said}"
    return "the Postgres URL is malformed; write postgresql://user:password@host:5432/database"


def _check_files(url: str) -> None:
    """Reads the files that a URL names, since the errors of OpenSSL do not name them.

    Raises:
        StartupRefused: one cannot be read, or does not hold what it should.
    """
    options = _options(url)
    try:
        for name in ("sslrootcert", "sslcrl"):
            if name in options:
                tls.client_context(options[name], name)
        if "sslcert" in options:
            key, password = options.get("sslkey"), options.get("sslpassword")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.show_certificate(context, options["sslcert"], key, password, ("sslcert", "sslkey"))
    except OSError as error:
        raise StartupRefused(f"the Postgres URL cannot be used: {error.strerror}") from error
    if "sslrootcert" in options and not options.get("sslmode", "").startswith("verify-"):
        raise StartupRefused(
            "the Postgres URL names authorities (sslrootcert), but no certificate is verified by them: write"
            " sslmode=verify-full"
        )


def _options(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def where(url: str) -> str:
    """Returns host, port and database of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
