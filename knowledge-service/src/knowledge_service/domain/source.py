"""The source: a folder elsewhere whose files become documents of its owner; and the ports around it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import Kind, ServiceError

SOURCES_MAX = 10
"""Most sources of one user."""

SKIPPED_SHOWN_MAX = 200
"""Most files that are no documents, which are shown with a source."""

FILES_MAX = 5000
FOLDERS_MAX = 1000
DEPTH_MAX = 20
PATH_MAX = 2000
"""Most that is looked at in one source, and the longest path, in characters."""

SYNCS_AT_ONCE = 3
"""Sources that one process follows at a time."""

TURN = timedelta(minutes=5)
"""After this long other sources come first; what is not finished goes on later."""

LEASE = timedelta(minutes=5)
"""For how long one process has a source; renewed with every file."""

WAIT_MAX = timedelta(hours=24)
"""Longest pause after failures."""


class TooManySources(ServiceError):
    """The user has as many sources as one may have."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = f"A user has {SOURCES_MAX} sources at most: delete one first."


class SourceExists(ServiceError):
    """The user has a source with the same folder and user already."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "You follow this folder already: to change its app password, delete that source first."


class Problem(StrEnum):
    """Why a source could not be followed to its end."""

    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    MAINTENANCE = "MAINTENANCE"
    REDIRECTED = "REDIRECTED"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    UNREACHABLE = "UNREACHABLE"
    TOO_SLOW = "TOO_SLOW"
    NOT_WEBDAV = "NOT_WEBDAV"
    TOO_LARGE = "TOO_LARGE"
    INCOMPLETE = "INCOMPLETE"
    ID_TAKEN = "ID_TAKEN"
    TOO_MANY_FILES = "TOO_MANY_FILES"
    SERVER_ERROR = "SERVER_ERROR"


OF_ONE_FILE = frozenset(
    {
        Problem.NOT_FOUND,
        Problem.FORBIDDEN,
        Problem.TOO_LARGE,
        Problem.TOO_SLOW,
        Problem.INCOMPLETE,
        Problem.ID_TAKEN,
    }
)
"""Problems with which a file is skipped until the next time; others end the attempt."""


class SourceFailed(Exception):
    """The folder or a file could not be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class SourceGone(Exception):
    """The source was deleted meanwhile: nothing may be added to it."""


class SourceState(Enum):
    """Where the following of a source is."""

    WAITING = "waiting"
    """Not looked at yet."""
    SYNCING = "syncing"
    CURRENT = "current"
    FAILED = "failed"
    """The last attempt failed; there will be others."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a folder is and how to get in."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder that is followed.

    Attributes:
        claimed: Whether a process follows it now.
        problem: Why the last attempt failed; None if it did not, or there was none.
        synced_at: When it was last followed to its end.
        documents: Files that are documents.
        skipped: Files that are not, each with a reason.
    """

    id: UUID
    owner_id: UUID
    url: str
    user: str
    created_at: datetime
    claimed: bool = False
    problem: Problem | None = None
    synced_at: datetime | None = None
    documents: int = 0
    skipped: int = 0

    @property
    def folder(self) -> tuple[object, ...]:
        """The folder and the user in it: equal for all ways to write the same address."""
        parts = urlsplit(self.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname, port, unquote(parts.path).strip("/"), parts.query, self.user

    @property
    def state(self) -> SourceState:
        """Where following it is."""
        if self.claimed:
            return SourceState.SYNCING
        if self.problem is not None:
            return SourceState.FAILED
        return SourceState.WAITING if self.synced_at is None else SourceState.CURRENT


@dataclass(frozen=True, slots=True)
class Claim:
    """A source that this process alone follows, until the lease is over.

    Attributes:
        token: Proves it: another process that gets the source has another one.
        failures: Attempts before this one that failed, one after another.
    """

    source: Source
    access: Access
    token: UUID
    failures: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder holds: a file or a folder.

    Attributes:
        path: Below the source's folder, without a slash at either end.
        version: Differs when the content does: the ETag.
        file_id: Stays the same when it is renamed; None where the server has none.
    """

    path: str
    is_folder: bool
    version: str
    size: int
    file_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """What became of a file.

    Attributes:
        key: What the file is found by again: a keyed hash of its id or path.
        version: The version that this is about; empty to look at it again.
        document_id: Its document; None if it is none.
        problem: Why it is none.
    """

    key: bytes
    path: str
    version: str
    document_id: UUID | None
    problem: str | None = None


class RemoteFolder(Protocol):
    """Reads folders elsewhere. Everything raises `SourceFailed`."""

    async def check(self, url: str) -> None:
        """Checks that a URL may be connected to.

        Raises:
            Invalid: it may not.
        """
        ...

    async def entries(self, access: Access, path: str) -> Sequence[Entry]:
        """Returns what a folder holds."""
        ...

    async def content(self, access: Access, entry: Entry) -> bytes:
        """Returns what a file holds."""
        ...


class SourceRepository(Protocol):
    """The stored sources and what became of their files."""

    async def lock(self, owner_id: UUID) -> None:
        """Makes other transactions that lock a user's sources wait until this one ends."""
        ...

    async def add(self, source: Source, password: str) -> None:
        """Adds a source."""
        ...

    async def owned(self, owner_id: UUID) -> Sequence[Source]:
        """Returns the sources of a user, the newest first."""
        ...

    async def skipped(self, source_id: UUID, limit: int) -> Sequence[SourceFile]:
        """Returns files that are no documents, in the order of their paths."""
        ...

    async def lock_one(self, owner_id: UUID, source_id: UUID) -> bool:
        """Whether the user has the source, locked against changes by others until the transaction ends."""
        ...

    async def keep(self, source_id: UUID) -> bool:
        """Whether the source exists, and cannot be deleted until the transaction ends."""
        ...

    async def delete_some_documents(self, source_id: UUID, limit: int) -> Sequence[UUID]:
        """Deletes documents of a locked source's files and returns their ids: none when none are left."""
        ...

    async def delete(self, source_id: UUID) -> None:
        """Deletes a source that has no documents any more."""
        ...

    async def delete_of(self, owner_id: UUID) -> None:
        """Deletes all sources of a user."""
        ...

    async def claim(self, lease: timedelta) -> Claim | None:
        """Returns a source that is due and that no process follows."""
        ...

    async def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Extends a lease; returns False if the source is gone or another process has it."""
        ...

    async def release(self, claim: Claim, problem: Problem | None, wait: timedelta) -> None:
        """Records how following ended, and when it is due again."""
        ...

    async def postpone(self, claim: Claim, wait: timedelta) -> None:
        """Ends a lease without an attempt; the source is due again after the wait."""
        ...

    async def files(self, source_id: UUID) -> Mapping[bytes, SourceFile]:
        """Returns what became of each file, by its key."""
        ...

    async def save_file(self, source_id: UUID, file: SourceFile) -> bool:
        """Records what became of a file; returns False, and records nothing, if the source is gone."""
        ...

    async def delete_file(self, source_id: UUID, key: bytes) -> None:
        """Forgets a file."""
        ...
