"""The `Date` header of responses, made when one is asked for.

uvicorn makes it every second, which is most of what an idle process would wake for.
"""

from email.utils import formatdate
from time import time

from uvicorn.config import Config
from uvicorn.server import ServerState

Headers = list[tuple[bytes, bytes]]


class DatedState(ServerState):
    """What the connections of a server share, with the headers of the present second.

    Args:
        config: The server's, whose own headers follow the date.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._second = -1
        self._headers: Headers = []
        super().__init__()

    @property
    def default_headers(self) -> Headers:
        """Headers of each response."""
        second = int(time())
        if second != self._second:
            self._second = second
            self._headers = [
                (b"date", formatdate(second, usegmt=True).encode()),
                *self._config.encoded_headers,
            ]
        return self._headers

    @default_headers.setter
    def default_headers(self, headers: Headers) -> None:
        """Takes the empty list that uvicorn begins with."""
