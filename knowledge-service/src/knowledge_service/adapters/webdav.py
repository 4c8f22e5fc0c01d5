"""Folders of Nextcloud and other WebDAV servers, which a user names and so may be anything."""

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit
from xml.parsers import expat

from chassis.errors import Invalid
from chassis.http.client import NotHttp, Progress, TooLarge, exchange
from chassis.http.destinations import Destinations, UrlRefused

from knowledge_service.domain.source import PATH_MAX, Access, Entry, Problem, SourceFailed
from knowledge_service.domain.text_extraction import FILE_BYTES_MAX

LIST_BYTES_MAX = 8 * 1024 * 1024
LIST_SECONDS = 30.0
FILE_SECONDS = 60.0
RESOLVE_SECONDS = 2.0
_HEAD_BYTES = 64 * 1024
_XML_DEPTH_MAX = 32

ETAG_MAX = 200
"""Longer ones, in characters, are stored as their hash."""

_PROPFIND = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>'
    b"<d:resourcetype/><d:getetag/><d:getcontentlength/><d:getlastmodified/><oc:fileid/></d:prop></d:propfind>"
)
_PROBLEMS: dict[int, Problem] = {
    HTTPStatus.UNAUTHORIZED: Problem.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: Problem.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Problem.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE: Problem.MAINTENANCE,
    HTTPStatus.METHOD_NOT_ALLOWED: Problem.NOT_WEBDAV,
    HTTPStatus.NOT_IMPLEMENTED: Problem.NOT_WEBDAV,
}
_REDIRECTS = range(300, 400)


class WebDavFolder:
    """`RemoteFolder` by WebDAV. Redirects are not followed."""

    def __init__(self, destinations: Destinations, *, tls: ssl.SSLContext | None = None) -> None:
        """Takes where connections may go, and how servers are verified."""
        self._destinations = destinations
        self._tls = tls

    async def check(self, url: str) -> None:
        """Checks that a URL may be connected to; a host that cannot be resolved now is checked later."""
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                await self._destinations.resolve(url)
        except UrlRefused as error:
            raise Invalid.on("url", str(error)) from error
        except (OSError, TimeoutError):
            return

    async def entries(self, access: Access, path: str) -> Sequence[Entry]:
        """Returns what a folder holds."""
        headers = {"Depth": "1", "Content-Type": "application/xml"}
        body = await self._ask(
            "PROPFIND", access, _url(access, path, folder=True), headers, LIST_BYTES_MAX, LIST_SECONDS
        )
        try:
            return _children(access, path, await asyncio.to_thread(_Multistatus().read, body))
        except (expat.ExpatError, ValueError) as error:
            raise SourceFailed(Problem.NOT_WEBDAV) from error

    async def content(self, access: Access, entry: Entry) -> bytes:
        """Returns what a file holds."""
        url = _url(access, entry.path, folder=False)
        body = await self._ask("GET", access, url, {}, FILE_BYTES_MAX, FILE_SECONDS)
        if len(body) != entry.size:
            # Cut off, or written meanwhile: the next attempt will show which.
            raise SourceFailed(Problem.INCOMPLETE)
        return body

    async def _ask(  # noqa: PLR0917 - each call is one line
        self,
        method: str,
        access: Access,
        url: str,
        headers: dict[str, str],
        limit_bytes: int,
        seconds: float,
    ) -> bytes:
        credentials = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        try:
            async with asyncio.timeout(seconds):
                response = await exchange(
                    url,
                    progress=Progress(),
                    method=method,
                    headers={"Authorization": f"Basic {credentials}", **headers},
                    body=_PROPFIND if method == "PROPFIND" else b"",
                    tls=self._tls,
                    limit_bytes=limit_bytes + _HEAD_BYTES,
                    address=await self._destinations.resolve(url),
                )
        except UrlRefused as error:
            raise SourceFailed(Problem.ADDRESS_REFUSED) from error
        except TimeoutError as error:
            raise SourceFailed(Problem.TOO_SLOW) from error
        except TooLarge as error:
            raise SourceFailed(Problem.TOO_LARGE) from error
        except (NotHttp, ValueError) as error:
            raise SourceFailed(Problem.NOT_WEBDAV) from error
        except OSError as error:
            raise SourceFailed(Problem.UNREACHABLE) from error
        if response.status in _REDIRECTS:
            raise SourceFailed(Problem.REDIRECTED)
        wanted = HTTPStatus.MULTI_STATUS if method == "PROPFIND" else HTTPStatus.OK
        if response.status != wanted:
            other = Problem.NOT_WEBDAV if response.status < HTTPStatus.BAD_REQUEST else Problem.SERVER_ERROR
            raise SourceFailed(_PROBLEMS.get(response.status, other))
        return bytes(response.body)


def _url(access: Access, path: str, *, folder: bool) -> str:
    base = access.url.rstrip("/") + "/"
    url = base + quote(path)
    return f"{url.rstrip('/')}/" if folder else url


class _Resource:
    """A `response` of a multistatus, with the properties that its server has."""

    def __init__(self) -> None:
        self.href = ""
        self.is_folder = False
        self.properties: dict[str, str] = {}


_TEXTS = {
    "DAV: getetag": "etag",
    "DAV: getcontentlength": "size",
    "DAV: getlastmodified": "modified",
    "http://owncloud.org/ns fileid": "file_id",
}


class _Multistatus:
    """Collects the resources of a multistatus while expat reads it."""

    def __init__(self) -> None:
        self.resources: list[_Resource] = []
        self._open: list[str] = []
        self._text: list[str] = []

    def read(self, body: bytes) -> list[_Resource]:
        """Returns the resources.

        Raises:
            ExpatError: it is not XML.
            ValueError: it is no multistatus, has a document type, which could define entities, or is nested
                too deeply.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse
        parser.Parse(body, True)  # noqa: FBT003 - it has no name
        if not self.resources:
            raise ValueError("no multistatus")
        return self.resources

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._open.append(name)
        self._text.clear()
        if len(self._open) > _XML_DEPTH_MAX:
            raise ValueError("nested too deeply")
        if name == "DAV: response":
            self.resources.append(_Resource())
        elif name == "DAV: collection" and self.resources:
            self.resources[-1].is_folder = True

    def _end(self, name: str) -> None:
        self._open.pop()
        value = "".join(self._text).strip()
        self._text.clear()
        if not self.resources or not value:
            return
        if name == "DAV: href" and self._open and self._open[-1] == "DAV: response":
            self.resources[-1].href = value
        elif name in _TEXTS:
            self.resources[-1].properties[_TEXTS[name]] = value

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type")


def _children(access: Access, path: str, resources: Sequence[_Resource]) -> Sequence[Entry]:
    """Returns what lies directly in a folder; what a server says of other places is left out.

    Raises:
        ValueError: an address is none.
    """
    folder = unquote(urlsplit(_url(access, path, folder=True)).path)
    entries = []
    for each in resources:
        place = unquote(urlsplit(each.href).path).rstrip("/")
        name = place.removeprefix(folder)
        if name == place or not name or "/" in name or name in {".", ".."} or "\0" in name:
            continue
        properties = each.properties
        size = properties.get("size", "0")
        whole = f"{path}/{name}" if path else name
        if len(whole) > PATH_MAX:
            continue
        version = properties.get("etag") or f"{properties.get('modified', '')} {size}"
        entries.append(
            Entry(
                path=whole,
                is_folder=each.is_folder,
                # Of any length, but it is stored for each file.
                version=hashlib.sha256(version.encode()).hexdigest() if len(version) > ETAG_MAX else version,
                size=int(size) if size.isascii() and size.isdecimal() and len(size) <= 15 else 0,  # noqa: PLR2004
                file_id=properties.get("file_id"),
            )
        )
    return entries
