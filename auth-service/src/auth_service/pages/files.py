"""The files that pages load: style, scripts, messages.

Their path has one version of them all, so that browsers may keep them for good.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files

from chassis.dataclass import dataclass
from chassis.errors import NotFound
from chassis.pages.style import base_style
from google.api.httpbody_pb2 import HttpBody

from auth_service.languages.catalog import catalogs

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_IMPORT = re.compile(r'^(?:import|export)\b[^"]*"\./([a-z-]+\.js)";$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The files.

    Attributes:
        version: Names all of them together: it changes whenever one changes.
        contents: By name.
    """

    version: str
    contents: Mapping[str, bytes]

    @classmethod
    def load(cls) -> "PageFiles":
        """Reads the files from the package, and makes the script's messages of the catalogs."""
        contents = {
            file.name: file.read_bytes()
            for file in sorted(
                files("auth_service.pages").joinpath("assets").iterdir(), key=lambda file: file.name
            )
        }
        contents["style.css"] = base_style().encode() + contents["style.css"]
        for language, catalog in catalogs().items():
            messages = json.dumps(catalog.below("script."), ensure_ascii=False, separators=(",", ":"))
            contents[f"messages-{language}.json"] = messages.encode()
        digest = hashlib.blake2b(digest_size=8)
        for name, content in contents.items():
            digest.update(f"{name} {len(content)} ".encode() + content)
        return cls(digest.hexdigest(), contents)

    def path(self, name: str) -> str:
        """Returns the path of a file."""
        return f"/pages/{self.version}/{name}"

    def body(self, version: str, name: str) -> HttpBody:
        """Returns a file.

        Raises:
            NotFound: there is none, or it is of another release: files of two releases must not mix.
        """
        if version != self.version or name not in self.contents:
            raise NotFound
        return HttpBody(content_type=_TYPES[name.rpartition(".")[2]], data=self.contents[name])

    def imported(self, script: str) -> list[str]:
        """Returns the scripts that a script imports, and those that they import, so that all load at once."""
        found: list[str] = []
        waiting = [script]
        while waiting:
            for name in _IMPORT.findall(self.contents[waiting.pop()].decode()):
                if name not in found:
                    found.append(name)
                    waiting.append(name)
        return sorted(found)
