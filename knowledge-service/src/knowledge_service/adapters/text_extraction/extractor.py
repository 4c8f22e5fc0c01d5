"""Takes the text out of files, starting a process for those that are not text themselves."""

import asyncio
import codecs
import os
import sys
from contextlib import suppress

from knowledge_service.domain.document import TEXT_BYTES_MAX
from knowledge_service.domain.text_extraction import FileProblem, Unreadable

SECONDS_MAX = 60.0

_TEXT = frozenset({"txt", "md", "markdown"})
_PACKED = frozenset({"pdf", "docx"})
_PROGRAM = "knowledge_service.adapters.text_extraction"
_SIGNATURES = {"pdf": b"%PDF-", "docx": b"PK"}
_PDF_HEAD_BYTES = 1024


class FileTextExtractor:
    """`TextExtractor` for text, Markdown, PDF and DOCX, by the ending of the name."""

    def __init__(self, seconds_max: float = SECONDS_MAX) -> None:
        """Takes how long one file may take, whatever its processor time."""
        self._seconds_max = seconds_max

    def is_supported(self, name: str) -> bool:
        """Whether files of this name can hold text."""
        return _ending(name) in _TEXT | _PACKED

    async def __call__(self, name: str, content: bytes) -> str:
        """Returns a file's text."""
        ending = _ending(name)
        if ending in _TEXT:
            text = _decoded(content)
        elif ending not in _PACKED:
            raise Unreadable(FileProblem.UNSUPPORTED_TYPE)
        elif _SIGNATURES[ending] not in content[:_PDF_HEAD_BYTES]:
            raise Unreadable(FileProblem.BROKEN)
        else:
            text = await self._extracted(ending, content)
        text = text.replace("\0", "")
        if not text.strip():
            raise Unreadable(FileProblem.NO_TEXT)
        if len(text.encode()) > TEXT_BYTES_MAX:
            raise Unreadable(FileProblem.TOO_LARGE)
        return text

    async def _extracted(self, ending: str, content: bytes) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _PROGRAM,
            ending,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # No secrets: only what Python needs to find this program.
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            async with asyncio.timeout(self._seconds_max):
                output, errors = await process.communicate(content)
        except TimeoutError as error:
            raise Unreadable(FileProblem.TOO_DEMANDING) from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == 0:
            return output.decode()
        # Killed by a limit, or it says why there is no text.
        said = errors.rpartition(b"\n")[2].decode(errors="replace")
        raise Unreadable(FileProblem(said) if said in set(FileProblem) else FileProblem.TOO_DEMANDING)


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _decoded(content: bytes) -> str:
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(FileProblem.BROKEN) from error
