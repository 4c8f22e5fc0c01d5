"""Files of the audit chain: written whole or not at all, and read without a database."""

import errno
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from chassis.dataclass import dataclass

from auth_service.adapters.audit_heads import verify_head
from auth_service.adapters.master_key import public_key, thumbprint
from auth_service.domain.audit import BEGINNING, Anchor
from auth_service.domain.audit_export import ExportedKey, FileReport, NotAnExport, read
from auth_service.domain.audit_head import HeadFault, SignedHead

LINE_MAX = 1_048_576
"""Characters; what is longer is read in pieces, which are no lines of an export. An entry has hundreds."""

_NAME = re.compile(r"audit-(\d{12})-(\d{12})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an export goes, held against other exports.

    Attributes:
        output: The file, or the folder that gets one.
        is_folder: Which of the two.
        after: Where the exports that are there end.
        unfinished: Where it is written; the file gets its name once it is whole.
        text: The open file.
    """

    output: Path
    is_folder: bool
    after: Anchor
    unfinished: Path
    text: TextIO

    def file(self, head: SignedHead) -> Path:
        """Returns the file that a head closes; in a folder its name has the first entry and the last."""
        if not self.is_folder:
            return self.output
        return self.output / f"audit-{self.after.sequence + 1:012}-{head.sequence:012}.jsonl"


def files_in(path: Path) -> Sequence[Path]:
    """Returns the exports in a folder in the chain's order, or the file itself.

    Raises:
        OSError: there is none.
    """
    if not path.is_dir():
        return [path]
    found = _exports(path)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "it holds no audit-*.jsonl", str(path))
    return found


def _exports(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


@contextmanager
def held(output: Path) -> Iterator[Place]:
    """Holds a folder or a file from the look at what is there until an export is written, or given up.

    Two exports that begin at the same entry would leave a folder whose files no longer follow one another.

    Raises:
        NotAnExport: the newest file of the folder is damaged.
        FileExistsError: the file is there already.
        BlockingIOError: another export goes there just now.
        OSError: the folder cannot be read, or not be written.
    """
    is_folder = output.is_dir()
    path = output / "audit.unfinished" if is_folder else output.with_name(output.name + ".unfinished")
    with _locked(path) as text:
        try:
            after = BEGINNING
            if not is_folder and output.exists():
                raise FileExistsError(
                    errno.EEXIST, "it exists already; name another file or remove it", str(output)
                )
            if is_folder and (exported := _exports(output)):
                after = verify(exported[-1]).end
            yield Place(output=output, is_folder=is_folder, after=after, unfinished=path, text=text)
        finally:
            if _is_still(path, text):
                path.unlink()


def _locked(path: Path) -> TextIO:
    """Returns a new file that only its owner may read, locked; what a killed export left there goes.

    Raises:
        BlockingIOError: another export has it.
        OSError: it cannot be made.
    """
    while True:
        is_left = path.exists()
        flags = os.O_WRONLY | os.O_NOFOLLOW | (0 if is_left else os.O_CREAT | os.O_EXCL)
        try:
            text = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="\n")
        except (FileNotFoundError, FileExistsError):
            if is_left == path.exists():
                raise
            continue
        try:
            fcntl.flock(text, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text.close()
            raise BlockingIOError(error.errno, "another export goes there just now", str(path)) from error
        if _is_still(path, text):
            if not is_left:
                return text
            path.unlink()
        text.close()


def _is_still(path: Path, file: TextIO) -> bool:
    """Whether the name is the open file's: it may have been renamed or removed since it was opened."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


async def write(place: Place, path: Path, lines: AsyncIterator[str]) -> None:
    """Writes the file of a place.

    Raises:
        OSError: it cannot be written; there is no file then.
    """
    async for line in lines:
        place.text.write(line)
    place.text.flush()
    os.fsync(place.text.fileno())
    place.unfinished.rename(path)


def verify(path: Path, kids: frozenset[str] = frozenset()) -> FileReport:
    """Verifies a file by itself.

    Args:
        path: The file.
        kids: The keys to believe; when empty, the one that the file brings.

    Returns:
        What the file holds, all of which is good.

    Raises:
        NotAnExport: it is no such file, damaged, or its chain is not what was signed.
        OSError: it cannot be read.
    """

    def head_fault(keys: Mapping[str, ExportedKey], head: SignedHead) -> HeadFault | None:
        believed = {
            kid: public_key(key)
            for kid, key in keys.items()
            if kid == thumbprint(key.x, key.y) and (not kids or kid in kids)
        }
        return verify_head(believed, head)

    with path.open(encoding="utf-8") as file:
        try:
            report = read(iter(partial(file.readline, LINE_MAX), ""), head_fault)
        except NotAnExport as error:
            raise NotAnExport(f"{path}: {error}") from error
        except ValueError as error:
            raise NotAnExport(f"{path}: it is not text in UTF-8, or its key is none") from error
    if report.chain.problem is not None:
        raise NotAnExport(f"{path}: {report.chain.problem}")
    return report
