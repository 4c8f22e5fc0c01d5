"""The board of knowledge-service, which is optional."""

from helm import panels
from helm.panels import Board, lines

KNOWLEDGE = Board(
    "knowledge",
    "knowledge-service",
    "Documents and search: calls, what waits to be indexed, events and the pool.",
    (
        *panels.rpcs("knowledge-service"),
        lines(
            "Documents waiting",
            "short",
            ("max by (awaited) (knowledge_documents_waiting)", "for {{awaited}}"),
        ),
        lines(
            "Oldest document that cannot be found yet",
            "s",
            ("max(knowledge_documents_oldest_unindexed_seconds)", "age"),
            limit=600,
        ),
        lines(
            "Searches",
            "ops",
            ("sum by (degraded) (rate(knowledge_searches_total[5m]))", "degraded: {{degraded}}"),
        ),
        *panels.events("knowledge-service"),
        *panels.revocation("knowledge-service"),
        *panels.postgres("knowledge-service"),
        *panels.process('job="knowledge-service"'),
    ),
)
