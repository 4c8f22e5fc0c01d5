"""Searches output for secrets that must not be in it, in the disguises in which they would leak."""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

AROUND_BYTES = 60


def disguises(secret: str) -> frozenset[bytes]:
    """Returns how a secret may look in output: as it is, and as URLs, JSON, hex and base64 have it."""
    raw = secret.encode()
    spellings = {
        raw,
        raw.lower(),
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        quote_plus(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        raw.hex().encode(),
    }
    for lead in range(3):
        # Base64 of a text that the secret is in the middle of, without what its neighbours decide.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            begin = (lead * 8 + 5) // 6
            end = (lead + len(raw)) * 8 // 6
            spellings.add(encode(b"\0" * lead + raw + b"\0" * 3)[begin:end])
    return frozenset(spellings)


def leaks(outputs: Iterable[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[str]:
    """Returns what leaked where.

    Args:
        outputs: Pieces of output, each with where it is from.
        secrets: What must be in none of them, by what it is.
    """
    wanted = {what: disguises(secret) for what, secret in secrets.items()}
    found = []
    for where, output in outputs:
        for what, spellings in wanted.items():
            place = next((output.find(each) for each in spellings if each in output), None)
            if place is not None:
                around = output[max(0, place - AROUND_BYTES) : place + AROUND_BYTES]
                found.append(f"{what} in {where}: {around!r}")
    return found
