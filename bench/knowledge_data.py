"""Graded questions for `bench.knowledge`, and the measures of a ranking."""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

DEPTH = 10
_NAMESPACE = UUID("5f1c1f9e-6f6f-4a39-9d53-0f4f1d4f2a51")


@dataclass(frozen=True, slots=True)
class Document:
    """An answer of the collection, with its question as the title."""

    id: UUID
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        grades: How relevant documents are, from 1 to 3; others are not.
    """

    text: str
    grades: Mapping[UUID, int]


def load(folder: Path) -> tuple[list[Document], list[Question]]:
    """Reads `documents.jsonl.gz` and `questions.jsonl`."""
    with gzip.open(folder / "documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        documents = [_document(json.loads(line)) for line in lines]
    with (folder / "questions.jsonl").open(encoding="utf-8") as lines:
        questions = [_question(json.loads(line)) for line in lines]
    return documents, questions


def gain(ranking: Sequence[UUID], question: Question) -> float:
    """Returns nDCG@10, with a gain of 2^grade - 1."""
    best = sorted(question.grades.values(), reverse=True)
    found = [question.grades.get(each, 0) for each in ranking]
    return _discounted(found) / _discounted(best)


def recall(ranking: Sequence[UUID], question: Question) -> float:
    """Returns how many of the relevant documents are among the first ten, of as many as can be."""
    return len(set(ranking[:DEPTH]) & set(question.grades)) / min(DEPTH, len(question.grades))


def _discounted(grades: Sequence[int]) -> float:
    return math.fsum((2**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(grades[:DEPTH]))


def _document(line: dict[str, str]) -> Document:
    title, _, text = line["text"].partition("\n\nAnswer:")
    return Document(uuid5(_NAMESPACE, line["id"]), title.removeprefix("Question:").strip(), text.strip())


def _question(line: dict[str, object]) -> Question:
    relevant = line["relevant"]
    assert isinstance(relevant, dict)
    return Question(
        str(line["question"]), {uuid5(_NAMESPACE, name): grade for name, grade in relevant.items()}
    )
