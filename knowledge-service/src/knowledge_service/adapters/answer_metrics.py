"""Metrics of answers."""

from prometheus_client import Counter, Histogram

from knowledge_service.domain.answer_observer import Outcome

_ANSWERS = Counter("knowledge_answers_total", "Answers by how they ended.", ["outcome"])
for _outcome in Outcome:
    _ANSWERS.labels(_outcome.value)
_FIRST_TOKEN = Histogram(
    "knowledge_answer_first_token_seconds",
    "Time from asking the language model to its first words.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 30),
)
_DROPPED = Counter(
    "knowledge_answer_citations_dropped_total", "Citations left out because they name no passage."
)


class AnswerMetrics:
    """`AnswerObserver` by Prometheus."""

    def begun(self, seconds: float) -> None:
        """The model has begun to write, so long after it was asked."""
        _FIRST_TOKEN.observe(seconds)

    def ended(self, outcome: Outcome, dropped: int) -> None:
        """An answer has ended; `dropped` citations were left out."""
        _ANSWERS.labels(outcome.value).inc()
        _DROPPED.inc(dropped)
