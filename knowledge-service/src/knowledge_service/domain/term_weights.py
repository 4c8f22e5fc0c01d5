"""BM25 as sparse vectors: saturated weights in the passage's vector, counts in the query's.

The index multiplies a query's terms by their inverse document frequency, which it alone knows, so that a new
document changes no vector of another.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

import Stemmer

SparseVector = Mapping[int, float]
"""Weights by term id; ids are from 1 to `TERM_ID_MAX`."""

TERM_ID_MAX = 1_000_000_000
"""The largest index of pgvector's `sparsevec`; Qdrant's is larger."""

TERMS_MAX = 16_000
"""The most values of a `sparsevec` that are not zero. A passage has some hundreds."""

SATURATION = 1.2
"""BM25's k1: how soon more of the same term stops counting."""

LENGTH_PENALTY = 0.75
"""BM25's b: how much less the terms of a longer passage count."""

USUAL_LENGTH = 80
"""Terms of a usual passage with its title: BM25's average length. A constant serves, since all passages are
cut to about the same size, and so no vector depends on the rest of the collection."""

TITLE_FACTOR = 2
"""How often the terms of a document's title count besides where they stand in the passage's context."""

STOP_WORDS = frozenset(
    re.findall(
        r"[a-z]+",
        """
        a about above after again all also am an and any are as at be because been before being below
        between both but by can could did do does doing down during each few for from further had has have
        having he her here hers him his how i if in into is it its itself just me more most my no nor not of
        off on once only or other our ours out over own same she should so some such than that the their
        theirs them then there these they this those through to too under until up very was we were what
        when where which while who whom why will with would you your yours
        """,
    )
)
"""English words that are no terms."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f"
)
"""Scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""

_APOSTROPHES = "'\u2019"
_ACCENTS = range(0x300, 0x370)

_RUNS = re.compile(f"([{_UNSPACED}]+)|[^{_UNSPACED}]+")

_stemmer = Stemmer.Stemmer("english", 0)


class TermWeights:
    """Computes the sparse vectors of passages and queries.

    Args:
        key: Keys the hash that makes a term's id: without it, an index does not disclose the words.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._id = lru_cache(maxsize=65_536)(lambda term: _term_id(term, key))

    def of_passage(self, text: str, *, title: str = "") -> SparseVector:
        """Returns the weights of a passage's terms; those of the title count several times."""
        counts = Counter(terms(text))
        for term in terms(title):
            counts[term] += TITLE_FACTOR
        norm = SATURATION * (1 - LENGTH_PENALTY + LENGTH_PENALTY * counts.total() / USUAL_LENGTH)
        return {
            self._id(term): count * (SATURATION + 1) / (count + norm)
            for term, count in counts.most_common(TERMS_MAX)
        }

    def of_query(self, text: str) -> SparseVector:
        """Returns how often each term stands in a query; nothing if all its words are stop words."""
        return {self._id(term): float(count) for term, count in Counter(terms(text)).items()}


def terms(text: str) -> Iterator[str]:
    """Yields the terms of a text: stems of English words, other words as they are, without stop words.

    Case, accents and apostrophes do not matter. Scripts without spaces give overlapping pairs of characters.
    """
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_FOLDING)
    for word in unicodedata.normalize("NFC", folded).split():
        if word.isascii():
            if word not in STOP_WORDS:
                yield _stem(word)
            continue
        for run in _RUNS.finditer(word):
            part = run.group()
            if run.group(1) and len(part) > 1:
                yield from (part[begin : begin + 2] for begin in range(len(part) - 1))
            else:
                yield part


class _Folding(dict[int, str]):
    """Keeps letters, marks and digits, drops accents and apostrophes, and makes spaces of all else."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _APOSTROPHES or code in _ACCENTS:
            folded = ""
        else:
            folded = character if unicodedata.category(character)[0] in "LMN" else " "
        self[code] = folded
        return folded


_FOLDING = _Folding()


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(word))


def _term_id(term: str, key: bytes) -> int:
    digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest) % TERM_ID_MAX + 1
