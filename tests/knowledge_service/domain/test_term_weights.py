"""Terms and their weights."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from knowledge_service.domain.term_weights import TERM_ID_MAX, TERMS_MAX, TermWeights, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What are the symptoms of diabetes?", ["symptom", "diabet"]),
        ("Ménière’s disease", ["menier", "diseas"]),  # noqa: RUF001
        ("patients, PATIENT; patient's", ["patient"] * 3),
        ("IL-6 5mg", ["il", "6", "5mg"]),
        ("лечение гриппа", ["лечение", "гриппа"]),
        ("मधुमेह का इलाज", ["मधुमेह", "का", "इलाज"]),
        ("داء السكري", ["داء", "السكري"]),
        ("糖尿病の治療", ["糖尿", "尿病", "病の", "の治", "治療"]),
        ("新冠covid", ["新冠", "covid"]),
        ("疹", ["疹"]),
        ("What is it?", []),
        ("… — !", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    """English is stemmed and loses its stop words; no other script is lost."""
    assert list(terms(text)) == expected


def test_weights_saturate_and_fall_with_length() -> None:
    """BM25: ten times the term is far from ten times the weight, and a longer passage weighs less."""
    weights = TermWeights()
    (term,) = weights.of_query("fever")

    once, tenfold = (weights.of_passage("fever " * times)[term] for times in (1, 10))
    longer = weights.of_passage("fever " + "cough " * 200)[term]

    assert once < tenfold < 2.2
    assert longer < once
    assert math.isclose(once, 2.2 / (1 + 1.2 * (0.25 + 0.75 / 80)))


def test_the_title_counts_for_more() -> None:
    """What a document is about stands in its title."""
    weights = TermWeights()
    (term,) = weights.of_query("fever")

    plain = weights.of_passage("fever in children")[term]
    titled = weights.of_passage("fever in children", title="Fever")[term]

    assert titled > plain


def test_ids_depend_on_the_key() -> None:
    """Without the key, the ids of an index disclose no words; with it, they are the same anywhere."""
    assert TermWeights(b"one").of_query("fever") == TermWeights(b"one").of_query("fevers")
    assert TermWeights(b"one").of_query("fever").keys() != TermWeights(b"two").of_query("fever").keys()


@given(st.text(max_size=2000))
def test_vectors_are_in_bounds(text: str) -> None:
    """Whatever the text, Postgres and Qdrant can store its vector."""
    vector = TermWeights().of_passage(text)

    assert all(1 <= term <= TERM_ID_MAX and 0 < weight < 2.2 for term, weight in vector.items())


def test_no_more_terms_than_a_vector_holds() -> None:
    """The most frequent ones stay."""
    vector = TermWeights().of_passage("fever fever " + " ".join(f"w{number}" for number in range(TERMS_MAX)))

    assert len(vector) == TERMS_MAX
    assert TermWeights().of_query("fever").keys() <= vector.keys()
