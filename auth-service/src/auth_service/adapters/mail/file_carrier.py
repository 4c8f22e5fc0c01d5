"""Mails as files, where there is no mail server: for development and tests."""

import asyncio
import os
from email.message import EmailMessage
from pathlib import Path

from chassis.component import Component
from chassis.errors import Unavailable


class FileCarrier(Component):
    """Writes each message to a file named after its Message-ID, which is there whole or not at all."""

    folder: Path

    async def __call__(self, message: EmailMessage, *, dropped: bool) -> None:
        """Returns when the file is there.

        Raises:
            Unavailable: it cannot be written.
        """
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        try:
            await asyncio.to_thread(self._write, name, message.as_bytes(), dropped)
        except OSError as error:
            raise Unavailable from error

    def _write(self, name: str, content: bytes, dropped: bool) -> None:  # noqa: FBT001
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / f".{name}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        if dropped:
            draft.unlink()
        else:
            draft.replace(self.folder / f"{name}.eml")
