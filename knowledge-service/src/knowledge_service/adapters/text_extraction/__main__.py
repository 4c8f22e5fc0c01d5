"""Reads a file from standard input and writes its text: `python -m ….text_extraction pdf` or `docx`.

A process of its own, since what it reads was made by others: it has a limit of memory and of processor time,
no secrets in its environment, and can write no file. When there is no text, it exits with `PROBLEM` and
the problem in the last line of standard error.
"""

import io
import os
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator

from knowledge_service.domain.document import TEXT_BYTES_MAX
from knowledge_service.domain.text_extraction import FileProblem, Unreadable

MEMORY_BYTES_MAX = 768 * 1024 * 1024
PROCESSOR_SECONDS_MAX = 30
PAGES_MAX = 2000
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
PACKED_FILES_MAX = 5000

PROBLEM = 3
_NICER_BY = 10


def main() -> int:
    """Returns the exit status."""
    os.nice(_NICER_BY)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    try:
        text = _bounded(_READERS[sys.argv[1]](sys.stdin.buffer.read()))
    except Unreadable as error:
        problem = error.problem
    except (MemoryError, RecursionError):
        problem = FileProblem.TOO_DEMANDING
    except Exception:  # noqa: BLE001 - the libraries raise all kinds of errors at files that are not what they say
        problem = FileProblem.BROKEN
    else:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        return 0
    # The libraries write there too.
    sys.stderr.write(f"\n{problem.value}")
    return PROBLEM


def _bounded(parts: Iterator[str]) -> str:
    """Returns the joined text.

    Raises:
        Unreadable: it is too large.
    """
    read, size = [], 0
    for part in parts:
        size += len(part.encode("utf-8", "replace")) + 2
        if size > TEXT_BYTES_MAX:
            raise Unreadable(FileProblem.TOO_LARGE)
        read.append(part)
    return "\n\n".join(read)


def _pdf(content: bytes) -> Iterator[str]:
    import pypdf  # noqa: PLC0415 - each process reads one kind of file

    reader = pypdf.PdfReader(io.BytesIO(content))
    # Many files are encrypted with an empty password, which only restricts what readers offer.
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable(FileProblem.ENCRYPTED)
    # What the file says itself: counting takes as long as reading, which processor time limits.
    if reader.root_object["/Pages"]["/Count"] > PAGES_MAX:  # type: ignore[index]
        raise Unreadable(FileProblem.TOO_MANY_PAGES)
    for page in reader.pages:
        if text := page.extract_text().strip():
            yield text


def _docx(content: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        # More than what is declared is never unpacked.
        entries = packed.infolist()
        if len(entries) > PACKED_FILES_MAX or sum(entry.file_size for entry in entries) > UNPACKED_BYTES_MAX:
            raise Unreadable(FileProblem.TOO_LARGE)
    import docx  # noqa: PLC0415
    from docx.table import Table  # noqa: PLC0415

    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        if isinstance(block, Table):
            yield "\n".join(" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows)
        elif text := block.text.strip():
            style = (block.style.name if block.style is not None else None) or ""
            level = style.removeprefix("Heading ") if style.startswith("Heading ") else ""
            yield f"{'#' * min(int(level), 6)} {text}" if level.isdecimal() and int(level) else text


_READERS: dict[str, Callable[[bytes], Iterator[str]]] = {"pdf": _pdf, "docx": _docx}

if __name__ == "__main__":
    sys.exit(main())
