"""Marks of a list's filters, carried by its cursors: with other filters a cursor means another place."""

import hashlib
import json

MARK_BYTES = 4


def filter_mark(*filters: object) -> bytes:
    """Returns the same few bytes for the same filters; None stands for a filter that is not set."""
    named = json.dumps([None if each is None else str(each) for each in filters])
    return hashlib.blake2s(named.encode(), digest_size=MARK_BYTES).digest()
