"""The syntax of `Forwarded` (RFC 7239) and similar headers: lists and parameters with quoted strings."""

import re
from collections.abc import Iterator

# Addresses should be quoted for their colons and brackets, and often are not.
_PARAMETER = re.compile(
    r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)[ \t]*(?:;|$)""", re.ASCII
)
_ESCAPED = re.compile(r"\\(.)")


def split_from_right(text: str, separator: str) -> Iterator[str]:
    """Yields a list's elements, the last one first; empty ones are skipped.

    Read from the right, a quote that a client left open cannot hide what proxies appended.

    Args:
        text: The list.
        separator: One character; ignored within quotes.
    """
    end, quoted = len(text), False
    for at in range(len(text) - 1, -1, -1):
        letter = text[at]
        if letter == '"' and not (quoted and at and text[at - 1] == "\\"):
            quoted = not quoted
        elif letter == separator and not quoted:
            if element := text[at + 1 : end].strip(" \t"):
                yield element
            end = at
    if element := text[:end].strip(" \t"):
        yield element


def parameters(element: str) -> dict[str, str]:
    """Returns the parameters of one element (`for=192.0.2.1;proto=https`), names in lower case.

    Returns:
        Their values, unquoted; an empty dict if the element is malformed or repeats a name.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(element):
        match = _PARAMETER.match(element, at)
        if match is None or match[1].lower() in found:
            return {}
        value = match[2]
        found[match[1].lower()] = _ESCAPED.sub(r"\1", value[1:-1]) if value[:1] == '"' else value
        at = match.end()
    return found


def used_tls(x_forwarded_proto: bytes | None, forwarded: bytes | None) -> bool:
    """Returns whether the client used TLS, as trusted proxies report.

    Args:
        x_forwarded_proto: The header, with the client's own connection first; None if absent.
        forwarded: The header; None if absent.
    """
    if x_forwarded_proto is not None:
        return x_forwarded_proto.partition(b",")[0].strip().lower() == b"https"
    if forwarded is None:
        return False
    *_, first = ("", *split_from_right(forwarded.decode("latin-1"), ","))
    return parameters(first).get("proto", "").lower() == "https"
