"""The embedding model of development and tests."""

import asyncio
from collections.abc import Iterator

import pytest
from knowledge_service.adapters import onnx_embedder
from knowledge_service.adapters.onnx_embedder import OnnxEmbedder
from knowledge_service.adapters.wordpiece import WordPiece
from knowledge_service.domain.embedder import EmbedderUnavailable, Vector


@pytest.fixture(scope="module", name="embedder")
def _embedder() -> Iterator[OnnxEmbedder]:
    embedder = OnnxEmbedder()
    yield embedder
    embedder.close()


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_what_means_the_same_is_near(embedder: OnnxEmbedder) -> None:
    """Also without a word in common; and batches give what single texts give."""
    query = await embedder.embed_query("heart attack")
    near, far = await embedder.embed_passages(["myocardial infarction", "how to bake bread " * 20])

    assert len(query) == embedder.dimensions
    assert cosine(query, query) == pytest.approx(1)
    assert cosine(query, near) > 0.5
    assert cosine(query, far) < 0.2
    assert cosine(near, await embedder.embed_query("myocardial infarction")) > 0.98


async def test_the_event_loop_goes_on(embedder: OnnxEmbedder) -> None:
    """Other work runs while passages are embedded."""
    turns = 0
    embedding = asyncio.ensure_future(embedder.embed_passages(["fever " * 200] * 8))
    while not embedding.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert len(await embedding) == 8
    assert turns > 5


async def test_any_text_can_be_embedded(embedder: OnnxEmbedder) -> None:
    """Also none, a very long one, and what is in no vocabulary."""
    for text in ("", " ", "\0", "x" * 100_000, "fever " * 10_000, "🩺 発熱 зуд", "\ud7ff\U0010ffff"):
        assert len(await embedder.embed_query(text)) == embedder.dimensions


async def test_more_callers_than_it_can_serve_are_refused(
    embedder: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They search by terms alone instead of waiting."""
    monkeypatch.setattr(onnx_embedder, "WAITING_MAX", 2)

    answers = await asyncio.gather(*(embedder.embed_query("fever") for _ in range(5)), return_exceptions=True)

    assert [isinstance(answer, EmbedderUnavailable) for answer in answers] == [False] * 2 + [True] * 3


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Fever, 5mg!", [101, 9016, 1010, 1019, 24798, 999, 102]),
        ("Ménière's naïve", [101, 2273, 21253, 1005, 1055, 15743, 102]),
        ("糖尿病", [101, 100, 100, 100, 102]),
        ("x" * 101, [101, 100, 102]),
        ("", [101, 102]),
    ],
)
def test_tokens_are_those_of_the_reference(text: str, tokens: list[int]) -> None:
    """As the library `tokenizers` gives them for this vocabulary."""
    assert WordPiece().encode(text, 256) == tokens
    assert WordPiece().encode(text, 2) == [101, 102]
