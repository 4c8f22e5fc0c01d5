"""Files of the audit chain: written whole or not at all, and read without a database."""

import errno
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auth_service.adapters.audit_heads import verify_head
from auth_service.adapters.master_key import public_key, thumbprint
from auth_service.domain.audit import BEGINNING, Anchor
from auth_service.domain.audit_export import ExportedKey, FileReport, NotAnExport, read
from auth_service.domain.audit_head import HeadFault, SignedHead

_NAME = re.compile(r"audit-(\d{12})-(\d{12})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an export goes.

    Attributes:
        output: The file, or the folder that gets one.
        is_folder: Which of the two.
        after: Where the exports that are there end.
    """

    output: Path
    is_folder: bool
    after: Anchor

    @classmethod
    def at(cls, output: Path) -> "Place":
        """Looks at what is there.

        Raises:
            NotAnExport: the newest file of the folder is damaged.
            FileExistsError: the file is there already.
            OSError: the folder cannot be read.
        """
        if output.is_dir():
            exported = _exports(output)
            after = verify(exported[-1]).end if exported else BEGINNING
            return cls(output=output, is_folder=True, after=after)
        if output.exists():
            raise FileExistsError(
                errno.EEXIST, "it exists already; name another file or remove it", str(output)
            )
        return cls(output=output, is_folder=False, after=BEGINNING)

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


async def write(path: Path, lines: AsyncIterator[str]) -> None:
    """Writes a file that only its owner may read; when that fails there is none.

    Raises:
        OSError: it cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as output:
            async for line in lines:
                output.write(line)
            output.flush()
            os.fsync(output.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


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

    with path.open(encoding="utf-8") as lines:
        try:
            report = read(lines, head_fault)
        except NotAnExport as error:
            raise NotAnExport(f"{path}: {error}") from error
        except ValueError as error:
            raise NotAnExport(f"{path}: it is not text in UTF-8, or its key is none") from error
    if report.chain.problem is not None:
        raise NotAnExport(f"{path}: {report.chain.problem}")
    return report
