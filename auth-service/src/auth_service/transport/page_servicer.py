"""`vestibule.auth.v1.PageService`: the pages for people, and their files."""

from typing import Any, Protocol

from google.api.httpbody_pb2 import HttpBody
from vestibule.auth.v1 import page_service_pb2 as pb
from vestibule.auth.v1.page_service_pb2_grpc import PageServiceServicer

from auth_service.languages.catalog import choose
from auth_service.pages.documents import Documents


class _Browsed(Protocol):
    """A request for a page."""

    language: str
    accept_language: str


class PageServicer(PageServiceServicer):
    """Answers with documents and files."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def GetHomePage(self, request: pb.GetHomePageRequest, context: Any) -> HttpBody:
        """Returns the page that leads to the others."""
        return self._page("home", request)

    async def GetSigninPage(self, request: pb.GetSigninPageRequest, context: Any) -> HttpBody:
        """Returns the page for signing in; its script reads from the path which step is meant."""
        return self._page("signin", request)

    async def GetAccountPage(self, request: pb.GetAccountPageRequest, context: Any) -> HttpBody:
        """Returns the account's page."""
        return self._page("account", request)

    async def GetAdminPage(self, request: pb.GetAdminPageRequest, context: Any) -> HttpBody:
        """Returns the admins' page."""
        return self._page("admin", request)

    async def GetPageFile(self, request: pb.GetPageFileRequest, context: Any) -> HttpBody:
        """Returns a file."""
        return self._documents.files.body(request.version, request.name)

    def _page(self, name: str, request: _Browsed) -> HttpBody:
        return self._documents.page(name, choose(request.language, request.accept_language))
