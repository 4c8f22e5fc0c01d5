"""The envelope of every response under `/api/`, concatenated from bytes: only `data` is encoded."""

import time

from gateway.times import rfc3339

VERSION = "1.0.0"
"""Version of the contract."""

_METADATA = b'","version":"' + VERSION.encode() + b'"'


def success(data: bytes, *, request_id: str, pagination: bytes = b"") -> bytes:
    """Returns the envelope of a success around encoded JSON."""
    page = b',"pagination":' + pagination if pagination else b""
    return b"".join(
        (
            b'{"success":true,"data":',
            data,
            b',"error":null,"metadata":{"request_id":"',
            request_id.encode(),
            _METADATA,
            page,
            b'},"timestamp":"',
            now(),
            b'"}',
        )
    )


def failure(error: bytes, *, request_id: str, data: bytes = b"null") -> bytes:
    """Returns the envelope of a failure around encoded JSON."""
    return b"".join(
        (
            b'{"success":false,"data":',
            data,
            b',"error":',
            error,
            b',"metadata":{"request_id":"',
            request_id.encode(),
            _METADATA,
            b'},"timestamp":"',
            now(),
            b'"}',
        )
    )


def now() -> bytes:
    """Returns the current time as RFC 3339, to the millisecond."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return rfc3339(seconds, nanoseconds).encode()
