"""Runs knowledge-service, or one of its commands."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Schema, Service, Start

from knowledge_service.settings import KnowledgeSettings


def _start() -> Start[KnowledgeSettings]:
    from knowledge_service.wiring.serving import start  # noqa: PLC0415 - commands do without

    return start


service = Service(
    "knowledge-service",
    KnowledgeSettings,
    _start,
    schema=Schema("knowledge", extensions=("vector",)),
    handles_events=True,
)

if __name__ == "__main__":
    service.main(sys.argv[1:])
