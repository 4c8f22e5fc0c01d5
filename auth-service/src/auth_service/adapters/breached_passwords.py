"""Sets of breached passwords behind `BreachedPasswords`: a file, and a range service.

Both know passwords by their SHA-1, in the formats of Have I Been Pwned. A set that cannot be asked
refuses nothing, so that a disk or a network does not keep users from a new password; the other rules on
passwords still apply. Each such failure is counted and logged.
"""

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from chassis.component import Component
from chassis.http.client import NotHttp, Progress, Response, TooLarge, exchange
from prometheus_client import Counter

log = structlog.get_logger()

SERVICE_SECONDS = 1.0
_ANSWER_BYTES_MAX = 256 * 1024
_PREFIX_LENGTH = 5
_OK = 200

_DIGEST_LENGTH = 40
_LINE_BYTES_MAX = 64
_SAMPLES = 4096
_LINE = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]{1,19})?\r?")
_RANGE_LINE = re.compile(r"([0-9A-Fa-f]{35}):([0-9]{1,19})")

_ASKED = Counter(
    "auth_breached_passwords_total",
    "New passwords looked up in a set of breached ones, by set and outcome.",
    ["set", "outcome"],
)
for _set in ("file", "service"):
    for _outcome in ("breached", "unknown", "failed"):
        _ASKED.labels(_set, _outcome)


class BreachedPasswordsFileError(Exception):
    """The file of breached passwords cannot be used, and why."""


class BreachedPasswordsFile(Component):
    """A file of SHA-1 digests in ascending order, one per line: `HASH` or `HASH:COUNT`.

    It is searched where it is, by some 35 reads for 40 GB, so that its size costs no memory. It is not
    mapped: a mapped file that is truncated would end the process.

    Attributes:
        descriptor: The open file.
        size: Its length in bytes.
    """

    descriptor: int
    size: int

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator["BreachedPasswordsFile"]:
        """Opens the file, and looks at up to 8,192 lines of it.

        Raises:
            BreachedPasswordsFileError: it cannot be read, is empty, or its lines are not digests in order.
        """
        try:
            # Without O_NONBLOCK, a pipe of that name would hold up the start.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise BreachedPasswordsFileError(f"{path} cannot be read: {error.strerror}") from error
        try:
            opened = cls(descriptor, os.fstat(descriptor).st_size)
            try:
                await asyncio.to_thread(opened._examine)
            except (BreachedPasswordsFileError, OSError) as error:
                raise BreachedPasswordsFileError(f"{path} cannot be used: {error}") from error
            yield opened
        finally:
            os.close(descriptor)

    async def __call__(self, password: str) -> bool:
        """Says whether the file has the password; no when it cannot be read."""
        try:
            # A disk may be slow: not on the event loop.
            is_breached = await asyncio.to_thread(self._has, _sha1(password).encode())
        except (OSError, BreachedPasswordsFileError) as error:
            _failed("file", error)
            return False
        _ASKED.labels("file", "breached" if is_breached else "unknown").inc()
        return is_breached

    def _has(self, digest: bytes) -> bool:
        low, high = 0, self.size
        while low < high:
            start, line, end = self._line_at((low + high) // 2)
            found = line[:_DIGEST_LENGTH].upper()
            if found == digest:
                return True
            if found < digest:
                low = end
            else:
                high = start
        return False

    def _examine(self) -> None:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise BreachedPasswordsFileError("it is not a file")
        if not self.size:
            raise BreachedPasswordsFileError("it is empty")
        before, seen = b"", 0
        for sample in range(_SAMPLES):
            start = self.size * sample // _SAMPLES
            if start < seen:
                continue
            # The line and the next one: neighbours in the wrong order show even in a long file.
            for _ in range(2):
                if start < self.size:
                    before, start = self._in_order(before, start)
            seen = start

    def _in_order(self, before: bytes, offset: int) -> tuple[bytes, int]:
        start, line, end = self._line_at(offset)
        digest = line[:_DIGEST_LENGTH].upper()
        if digest <= before:
            raise BreachedPasswordsFileError(
                f"its lines are not in ascending order at byte {start}: sort it by `LC_ALL=C sort`"
            )
        return digest, end

    def _line_at(self, offset: int) -> tuple[int, bytes, int]:
        """Returns where the line around an offset starts, the line, and where the next one starts."""
        begin = max(0, offset - _LINE_BYTES_MAX)
        data = os.pread(self.descriptor, 2 * _LINE_BYTES_MAX, begin)
        start = data.rfind(b"\n", 0, offset - begin) + 1
        end = data.find(b"\n", offset - begin)
        line = data[start:] if end < 0 else data[start:end]
        if not _LINE.fullmatch(line):
            raise BreachedPasswordsFileError(
                f"there is no line `HASH` or `HASH:COUNT`, HASH being 40 hex digits, at byte {begin + start}"
            )
        return begin + start, line, begin + start + len(line) + 1


class BreachedPasswordsService(Component):
    """A service that answers, for 5 hex digits of a SHA-1, which digests with that beginning it knows.

    It learns neither the password nor its digest: some 1,000 known digests share each beginning, and
    `Add-Padding` has it hide from those who see the traffic how many.

    Attributes:
        url: What stands before the digits, with the slash.
        seconds: How long an answer may take, from the name's look-up to the last byte.
    """

    url: str
    seconds: float = SERVICE_SECONDS

    async def __call__(self, password: str) -> bool:
        """Says whether the service knows the password; no when it does not answer in time or rightly."""
        digest = _sha1(password)
        try:
            async with asyncio.timeout(self.seconds):
                answer = await exchange(
                    self.url + digest[:_PREFIX_LENGTH],
                    progress=Progress(),
                    headers={"Add-Padding": "true"},
                    limit_bytes=_ANSWER_BYTES_MAX,
                )
            is_breached = _holds(answer, digest[_PREFIX_LENGTH:])
        except (OSError, TimeoutError, NotHttp, TooLarge, ValueError) as error:
            _failed("service", error)
            return False
        _ASKED.labels("service", "breached" if is_breached else "unknown").inc()
        return is_breached


def _holds(answer: Response, suffix: str) -> bool:
    """Says whether an answer has the digest, and not as padding, which counts 0.

    Raises:
        ValueError: it is not an answer of such a service.
    """
    if answer.status != _OK:
        raise ValueError(f"the answer has the status {answer.status}")
    found = False
    for line in answer.body.decode("ascii").splitlines():
        match = _RANGE_LINE.fullmatch(line)
        if match is None:
            raise ValueError("the answer is not lines of `SUFFIX:COUNT`")
        found = found or (match[1].upper() == suffix and int(match[2]) > 0)
    return found


def _failed(which: str, error: Exception) -> None:
    _ASKED.labels(which, "failed").inc()
    log.warning(
        "new password not looked up among breached ones; the other rules hold",
        set=which,
        error=str(error) or type(error).__name__,
    )


def _sha1(password: str) -> str:
    # The format of the sets, not a protection of anything.
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
