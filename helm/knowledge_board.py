"""The board of knowledge-service, which is optional."""

from helm import panels
from helm.panels import Board, lines

KNOWLEDGE = Board(
    "knowledge",
    "knowledge-service",
    "Documents, search and answers: calls, what waits to be indexed, events and the pool.",
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
        lines(
            "Answers by how they ended",
            "ops",
            ("sum by (outcome) (rate(knowledge_answers_total[5m]))", "{{outcome}}"),
        ),
        lines(
            "Citations left out because they name no passage",
            "ops",
            ("sum(rate(knowledge_answer_citations_dropped_total[5m]))", "left out"),
        ),
        lines(
            "Share of searches by words or by meaning alone",
            "percentunit",
            (
                (
                    'sum(rate(knowledge_searches_total{degraded="true"}[10m]))'
                    " / sum(rate(knowledge_searches_total[10m]))"
                ),
                "share",
            ),
            limit=0.1,
        ),
        lines(
            "Sources by their problem",
            "short",
            ("max by (problem) (knowledge_sources)", "{{problem}}"),
        ),
        lines(
            "Rows under a former master key",
            "short",
            ("max(knowledge_rows_under_other_keys)", "rows"),
        ),
        *panels.events("knowledge-service"),
        *panels.revocation("knowledge-service"),
        *panels.postgres("knowledge-service"),
        *panels.process('job="knowledge-service"'),
    ),
)
