"""Writes docs/openapi.json out of the protos: `python -m tests.tidy.openapi_file`."""

import json
import sys

from gateway.api import descriptors, documentation
from gateway.api.routes import compile_routes

from tests.tidy import tree

FILE = tree.ROOT / "docs" / "openapi.json"


def document() -> str:
    """Returns the document that a gateway in front of all services serves, formatted to be read."""
    protos = descriptors.load()
    served = documentation.document(compile_routes(protos.services), protos.comments())
    return json.dumps(json.loads(served), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE}\n")
