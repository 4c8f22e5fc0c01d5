"""Titles, texts and addresses as stored: sealed by AES-256-GCM, each bound to its place."""

from uuid import UUID

from chassis.sealing import Sealing, derived_key, key_name


class TextSeal:
    """Seals under a key derived from the master key."""

    def __init__(self, master_key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            master_key: 32 secret bytes; what is sealed now is sealed under it.
            accepted: Master keys of what was sealed earlier.
        """
        keys = (master_key, *accepted)
        self._sealing = Sealing(*(derived_key(each, "documents") for each in keys))
        self.key_ids = tuple(map(key_name, keys))
        """Names of the keys; first the one that seals."""

    def seal(self, place: str, of: UUID, text: str) -> bytes:
        """Returns a text that only `open` can read, and only with the same place and id.

        Args:
            place: What the text is, such as `title`.
            of: The id of the document or passage that it is part of.
            text: The text.
        """
        return self._sealing.seal(text.encode(), _bound(place, of))

    def open(self, place: str, of: UUID, sealed: bytes) -> str:
        """Returns the text.

        Raises:
            InvalidTag: no key opens it, or it was altered or moved.
        """
        return self._sealing.open(sealed, _bound(place, of)).decode()

    def sealed_again(self, place: str, of: UUID, sealed: bytes) -> bytes:
        """Returns the same text under the key that seals now.

        Raises:
            InvalidTag: no key opens it, or it was altered or moved.
        """
        return self._sealing.sealed_again(sealed, _bound(place, of)) or sealed

    @property
    def key_id(self) -> str:
        """The name of the key that seals."""
        return self.key_ids[0]


def _bound(place: str, of: UUID) -> bytes:
    return place.encode() + b"\n" + of.bytes
