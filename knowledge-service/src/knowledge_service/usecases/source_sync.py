"""Following a source: its files become documents, and go where the files go."""

import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID, uuid5

import structlog
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import Forbidden, NotFound, Unavailable
from chassis.identity.caller import Caller
from chassis.text import as_line

from knowledge_service.domain.document import Content, Document
from knowledge_service.domain.owner import UserDirectory
from knowledge_service.domain.source import (
    DEPTH_MAX,
    FILES_MAX,
    FOLDERS_MAX,
    LEASE,
    OF_ONE_FILE,
    TURN,
    WAIT_MAX,
    Claim,
    Entry,
    Problem,
    RemoteFolder,
    SourceFailed,
    SourceFile,
    SourceGone,
)
from knowledge_service.domain.text_extraction import (
    FILE_BYTES_MAX,
    FileProblem,
    TextExtractor,
    Unreadable,
)
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.documents import DeleteDocument, PutDocument

log = structlog.get_logger()

_TITLE_MAX = 300
_URL_MAX = 2048


class _Lost(Exception):
    """The source is deleted, or another process has it."""


class _TurnOver(Exception):
    """Others have waited long enough; files that are done stay done."""


@dataclass(slots=True)
class _Turn:
    """How long a source may still be followed without a pause.

    Attributes:
        ends_at: Monotonic time.
        files: How many were looked at.
    """

    ends_at: float
    files: int = 0


class SyncSource(Component):
    """Follows the source that has waited longest, if one is due; one process at a time follows a source.

    The sources of deactivated users wait.

    Attributes:
        key: Hashes files' ids and paths.
        every: How long after one time comes the next; longer after failures.
        turn: How long one source is followed before others come first.
    """

    units: UnitsOfWork
    directory: UserDirectory
    folder: RemoteFolder
    extract: TextExtractor
    put_document: PutDocument
    delete_document: DeleteDocument
    key: bytes
    every: timedelta
    turn: timedelta = TURN

    async def __call__(self) -> bool:
        """Returns whether one was due.

        Raises:
            Unavailable: Postgres, the index or user-service could not be reached.
        """
        async with self.units.statements() as unit:
            claim = await unit.sources.claim(LEASE)
        if claim is None:
            return False
        if not await self._is_owner_active(claim):
            return True
        problem: Problem | None = None
        turn = _Turn(time.monotonic() + self.turn.total_seconds())
        try:
            await self._follow(claim, turn)
        except SourceFailed as error:
            problem = error.problem
        except _TurnOver:
            if turn.files:
                await self._postpone(claim, timedelta(0))
                return True
            problem = Problem.TOO_SLOW
        except _Lost:
            return True
        if problem is not None:
            log.info("source not followed", source_id=str(claim.source.id), problem=problem.value)
        failures = 0 if problem is None else min(claim.failures + 1, 16)
        async with self.units.statements() as unit:
            await unit.sources.release(claim, problem, min(self.every * 2**failures, WAIT_MAX))
        return True

    async def _is_owner_active(self, claim: Claim) -> bool:
        """Whether the owner is active; else the source is due again later."""
        try:
            is_active = await self.directory.is_active(claim.source.owner_id)
        except Unavailable:
            await self._postpone(claim, timedelta(0))
            raise
        if not is_active:
            await self._postpone(claim, self.every)
        return is_active

    async def _postpone(self, claim: Claim, wait: timedelta) -> None:
        async with self.units.statements() as unit:
            await unit.sources.postpone(claim, wait)

    async def _follow(self, claim: Claim, turn: _Turn) -> None:
        """Brings documents up to date with the files.

        Only what was seen to its end decides that a file is gone.
        """
        source_id = claim.source.id
        async with self.units.statements() as unit:
            known = await unit.sources.files(source_id)
        found, is_whole = await self._walk(claim, turn)
        for key, entry in found.items():
            await self._renew(claim, turn)
            if await self._update(claim, key, entry, known.get(key)):
                turn.files += 1
        if not is_whole:
            raise SourceFailed(Problem.TOO_MANY_FILES)
        for key in known.keys() - found.keys():
            await self._renew(claim, turn)
            await self._remove(claim, known[key])

    async def _walk(self, claim: Claim, turn: _Turn) -> tuple[Mapping[bytes, Entry], bool]:
        """Returns the files by their keys, and whether these are all."""
        found: dict[bytes, Entry] = {}
        waiting, folders = [""], 1
        while waiting:
            path = waiting.pop()
            await self._renew(claim, turn)
            try:
                entries = await self.folder.entries(claim.access, path)
            except SourceFailed as error:
                # A folder may go while its parent is read, but not the source's own.
                if path and error.problem is Problem.NOT_FOUND:
                    continue
                raise
            for entry in entries:
                if not entry.is_folder:
                    found[self._key(claim, entry)] = entry
                elif entry.path.count("/") < DEPTH_MAX:
                    folders += 1
                    # Never more than are looked at: a server can name any number of them.
                    if folders <= FOLDERS_MAX:
                        waiting.append(entry.path)
            if len(found) > FILES_MAX:
                return dict(list(found.items())[:FILES_MAX]), False
        return found, folders <= FOLDERS_MAX

    def _key(self, claim: Claim, entry: Entry) -> bytes:
        named = f"id {entry.file_id}" if entry.file_id else f"path {entry.path}"
        return hmac.digest(self.key, f"{claim.source.id} {named}".encode(), "sha256")

    async def _renew(self, claim: Claim, turn: _Turn) -> None:
        if time.monotonic() > turn.ends_at:
            raise _TurnOver
        async with self.units.statements() as unit:
            if not await unit.sources.renew(claim, LEASE):
                raise _Lost

    async def _update(self, claim: Claim, key: bytes, entry: Entry, known: SourceFile | None) -> bool:
        """Returns whether the file was another one than when it was last looked at."""
        if known is not None and known.version == entry.version:
            if known.path != entry.path:
                await self._rename(claim, entry, known)
            return False
        document_id = uuid5(claim.source.id, key.hex())
        # Before there is a document, so that none is left over if this process dies or the source is deleted.
        pending = SourceFile(key=key, path=entry.path, version="", document_id=document_id)
        await self._save(claim, pending)
        try:
            await self._put(claim, document_id, entry.path, await self._text(claim, entry))
        except Unreadable as error:
            await self._delete_document(claim, document_id)
            skipped = replace(pending, version=entry.version, document_id=None, problem=error.problem.value)
            await self._save(claim, skipped)
        except SourceFailed as error:
            if error.problem not in OF_ONE_FILE:
                raise
            if await self._own(claim, document_id) is None:
                await self._save(claim, replace(pending, document_id=None, problem=error.problem.value))
        else:
            await self._save(claim, replace(pending, version=entry.version))
        return True

    async def _text(self, claim: Claim, entry: Entry) -> str:
        if not self.extract.is_supported(entry.path):
            raise Unreadable(FileProblem.UNSUPPORTED_TYPE)
        if entry.size > FILE_BYTES_MAX:
            raise Unreadable(FileProblem.TOO_LARGE)
        return await self.extract(entry.path, await self.folder.content(claim.access, entry))

    async def _rename(self, claim: Claim, entry: Entry, known: SourceFile) -> None:
        """Gives the document the file's new name, unless the user has deleted it."""
        if known.document_id is not None:
            async with self.units.statements() as unit:
                stored = await unit.documents.with_text(known.document_id)
            if stored is not None and stored[0].owner_id == claim.source.owner_id:
                await self._put(claim, known.document_id, entry.path, stored[1])
        await self._save(claim, replace(known, path=entry.path))

    async def _put(self, claim: Claim, document_id: UUID, path: str, text: str) -> None:
        """Stores a document; one that its owner has shared stays shared.

        Raises:
            SourceFailed: the owner had deleted the document, and another user put one with its id.
            _Lost: the source was deleted while the file was read.
        """
        url = f"{claim.access.url.rstrip('/')}/{quote(path)}"
        content = Content(
            title=as_line(path.rpartition("/")[2][:_TITLE_MAX]),
            text=text,
            source_url=url if len(url) <= _URL_MAX else None,
        )
        owner = Caller(user_id=claim.source.owner_id)
        try:
            await self.put_document(
                caller=owner,
                document_id=document_id,
                content=content,
                visibility=None,
                source_id=claim.source.id,
            )
        except SourceGone as error:
            raise _Lost from error
        except (Forbidden, NotFound) as error:
            raise SourceFailed(Problem.ID_TAKEN) from error

    async def _remove(self, claim: Claim, file: SourceFile) -> None:
        if file.document_id is not None:
            await self._delete_document(claim, file.document_id)
        async with self.units.statements() as unit:
            await unit.sources.delete_file(claim.source.id, file.key)

    async def _delete_document(self, claim: Claim, document_id: UUID) -> None:
        if await self._own(claim, document_id) is not None:
            await self.delete_document(caller=Caller(user_id=claim.source.owner_id), document_id=document_id)

    async def _own(self, claim: Claim, document_id: UUID) -> Document | None:
        """Returns a document of the source's owner; after a deletion another user may have put one."""
        async with self.units.statements() as unit:
            document = await unit.documents.find(document_id)
        return document if document is not None and document.owner_id == claim.source.owner_id else None

    async def _save(self, claim: Claim, file: SourceFile) -> None:
        """Records what became of a file.

        Raises:
            _Lost: the source was deleted meanwhile; a document made since then is deleted too.
        """
        async with self.units.statements() as unit:
            if await unit.sources.save_file(claim.source.id, file):
                return
        if file.document_id is not None:
            await self._delete_document(claim, file.document_id)
        raise _Lost
