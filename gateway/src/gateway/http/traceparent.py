"""The trace that a client's request belongs to (W3C Trace Context)."""

import re
from collections.abc import Mapping

_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def caller_traceparent(headers: Mapping[bytes, bytes], *, trusted: bool) -> str:
    """Returns the client's trace context if it is trusted: it decides what is recorded, which costs."""
    traceparent = headers.get(b"traceparent")
    if traceparent is None or not trusted or not _TRACEPARENT.fullmatch(traceparent):
        return ""
    return traceparent.decode()


def is_local(peer: str) -> bool:
    """Returns whether a client is on this machine: without configured proxies, only these are trusted."""
    return peer.startswith("127.") or peer == "::1"
