"""A real WebDAV server on loopback, with Nextcloud's file ids."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot import wsgi
from wsgidav.fs_dav_provider import FileResource, FilesystemProvider, FolderResource
from wsgidav.wsgidav_app import WsgiDAVApp

FILE_ID = "{http://owncloud.org/ns}fileid"
USER, PASSWORD = "ada", "app-password"


class _WithId:
    """Adds the property by which Nextcloud names a file whatever its path."""

    _file_path: str

    def get_property_names(self, *, is_allprop: bool) -> list[str]:
        names: list[str] = super().get_property_names(is_allprop=is_allprop)  # type: ignore[misc]
        return [*names, FILE_ID]

    def get_property_value(self, name: str) -> Any:
        if name == FILE_ID:
            return str(Path(self._file_path).stat().st_ino)
        return super().get_property_value(name)  # type: ignore[misc]


class _File(_WithId, FileResource):  # type: ignore[misc] # wsgidav has no types
    pass


class _Folder(_WithId, FolderResource):  # type: ignore[misc]
    def get_member(self, name: str) -> Any:
        return self.provider.get_resource_inst(f"{self.path.rstrip('/')}/{name}", self.environ)


class _Provider(FilesystemProvider):  # type: ignore[misc]
    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> Any:
        place = self._loc_to_file_path(path, environ)
        if not Path(place).exists():
            return None
        return (_Folder if Path(place).is_dir() else _File)(path, environ, place)


@dataclass
class WebDavServer:
    """A server that serves a folder.

    Attributes:
        folder: What it serves.
        status: What it answers instead, as a server in maintenance does; None if it works.
        requests: Methods and paths of what was asked.
    """

    folder: Path
    url: str = ""
    status: str | None = None
    requests: list[str] = None  # type: ignore[assignment]


@contextmanager
def running_webdav_server(folder: Path) -> Iterator[WebDavServer]:
    """Runs a server in a thread."""
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": _Provider(str(folder))},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = WebDavServer(folder, requests=[])

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        server.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if server.status is not None:
            start_response(server.status, [("Content-Length", "0"), ("Location", "http://127.0.0.1:1/")])
            return [b""]
        return app(environ, start_response)

    listening = wsgi.Server(("127.0.0.1", 0), serve, numthreads=2)
    listening.prepare()
    server.url = f"http://127.0.0.1:{listening.bind_addr[1]}/dav"
    thread = threading.Thread(target=listening.serve)
    thread.start()
    try:
        yield server
    finally:
        listening.stop()
        thread.join()
