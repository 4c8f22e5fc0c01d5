"""Code says the field's terms: the table of the words that it does not use, and what it says instead."""

import re
from pathlib import Path

from tests.tidy import tree

INSTEAD = {
    "teller": "response encoder",
    "tell": "return, report, say, encode",
    "tells": "returns, reports, says, encodes",
    "telling": "returning, reporting",
    "told": "returned, reported; encoded response",
    "untold": "unreported",
    "judge": "authenticator, verifier, verify, evaluate",
    "judges": "verifies, evaluates",
    "judged": "verified, evaluated",
    "judging": "verifying, evaluating",
    "standing": "locked session, component state, require_active",
    "patience": "login delay",
    "restraint": "load shedder",
    "heed": "apply",
    "bell": "mail queue listener",
    "pulse": "heartbeat",
    "pulses": "heartbeats",
    "ear": "observer",
    "ears": "observers",
    "heard": "observed, received",
    "watchdog": "observer",
    "settling": "idempotency: record, replay, interceptor",
    "house": "system, stack",
    "houses": "systems",
    "hall": "stack",
    "court": "stack",
    "scene": "fixture",
    "crowd": "concurrent clients",
    "entrance": "gateway",
    "whoever": "the client, the caller, the user",
    "anew": "again",
    "nobody": "no user, no client",
    "somebody": "a user, a client",
    "anybody": "any user, any client",
    "everybody": "all users, all clients",
}
"""Words that are refused, alone or as a part of an identifier, with what to say instead."""

PHRASES = {
    r"\bTWO_TABS\b": "refresh reuse grace",
    r"\banswer_once\b": "idempotency",
    r"\bwhole_answers?\b": "response writer",
    r"\bbounded_heads?\b": "head limits",
    r"\bFirstAnswers\b": "idempotency record",
    r"\bMailBell\b": "mail queue listener",
    r"\b[Ss]o many\b": "this number of, `count`",
}
"""Names that are refused as a whole; their parts are ordinary words."""

KEPT = (
    '"postgres", "nobody"',  # users of the operating system
    "`postgres` or `nobody`",
    "vestibule:pulse",  # the Redis key of heartbeats, which other releases and deployed ACLs know
    "Somebody has",  # subjects of mails, which users read
    "Somebody asked for your e-mail address",
)
"""Exact texts that may stand anywhere, with the reason."""

FROZEN = ("/migrations/versions/", "/third_party/", "/languages/")
"""Paths that are left alone: what has run on a database, what others wrote, and texts for users."""

HOLDS_THE_WORDS = frozenset({"test_plain_words.py", "test_docs_words.py"})
"""The files that name the words in order to refuse them."""

SUFFIXES = frozenset(
    {".py", ".proto", ".yaml", ".yml", ".toml", ".tpl", ".html", ".js", ".txt", ".sh", ".json"}
)

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PHRASE = re.compile("|".join(PHRASES))


def refused(text: str) -> set[str]:
    """The refused words and names that stand in a text, with their place in no order."""
    for kept in KEPT:
        text = text.replace(kept, "")
    words = {part.lower() for part in _PART.findall(text)}
    return (words & INSTEAD.keys()) | set(_PHRASE.findall(text))


def _files() -> list[Path]:
    return [
        path
        for path in tree.text_files()
        if path.suffix in SUFFIXES
        and path.name not in HOLDS_THE_WORDS
        and not any(part in path.as_posix() for part in FROZEN)
    ]


def test_the_table_refuses() -> None:
    """In prose, in snake case, in camel case and in capitals, but not inside another word."""
    assert refused("class TokenJudge") == {"judge"}
    assert refused("def mail_bell(ear): raise TOLD") == {"bell", "ear", "told"}
    assert refused("TWO_TABS = 3") == {"TWO_TABS"}
    assert refused("the years of a warehouse and its hallway: clear") == set()


def test_code_says_the_fields_terms() -> None:
    """Each line names a file, a word of it and what to say instead."""
    found = [
        f"{path.relative_to(tree.ROOT)}: {word} -> {INSTEAD.get(word, 'see PHRASES')}"
        for path in _files()
        for word in sorted(refused(path.read_text(encoding="utf-8")))
    ]

    assert found == [], "\n".join(found)
