"""Every report that a check may make is on the pages in their language."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import health_aggregator
import pytest
from health_aggregator.adapters.slow_answers import SLOW
from health_aggregator.domain.board import ISOLATED
from health_aggregator.domain.check import timed_out
from health_aggregator.page.reports import report
from health_aggregator.page.words import Words, catalogs
from health_aggregator.transport.audit_witnessing import CONTRADICTED

GERMAN = Words(catalogs()["de"])
_SOURCES = sorted(Path(health_aggregator.__file__).parent.joinpath("adapters").rglob("*.py"))


_LOOKED_UP_BY = {"_explain", "certificate_words", "_refused", "_event_problem"}
"""The functions that return reports, have a table of them or append them to a list."""


def _said(node: ast.AST | None) -> str:
    """Returns the text of an expression, with a number in place of each value; empty for no text."""
    match node:
        case ast.Constant(value=str()):
            return str(node.value)
        case ast.JoinedStr():
            # What is appended to a word, such as an `s` of a plural, is left out.
            text = "".join(_said(part) or "7" for part in node.values)
            return re.sub("(?<=[a-z])7", "", text)
        case _:
            return ""


def _reports(tree: ast.AST) -> Iterator[str]:
    """Yields what is passed to `findings.down` and `findings.degraded`, and what such functions look up."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="down" | "degraded"), args=[_, words, *_]):
                yield _said(words)
            case ast.FunctionDef(name=name) if name in _LOOKED_UP_BY:
                yield from (_said(words) for inner in ast.walk(node) for words in _words(inner))


def _words(node: ast.AST) -> Iterable[ast.expr | None]:
    match node:
        case ast.Return(value=ast.Tuple(elts=[words, *_])) | ast.Return(value=words):
            return [words]
        case ast.Dict(values=values):
            return values
        case ast.Call(func=ast.Attribute(attr="append"), args=[words]):
            return [words]
        case _:
            return []


FOUND = {text for source in _SOURCES for text in _reports(ast.parse(source.read_text(encoding="utf-8")))}
ELSEWHERE = {
    ISOLATED,
    CONTRADICTED,
    SLOW,
    timed_out(0.5),
    "the check itself failed",
    "no result for too long",
}
REPORTS = sorted(FOUND - {""} | ELSEWHERE)


def test_reports_are_found() -> None:
    """The list below is not empty by mistake."""
    assert {"refuses the credentials", "answers with status 7", "is loading its data"} <= set(REPORTS)


@pytest.mark.parametrize("text", REPORTS)
def test_each_is_translated(text: str) -> None:
    """None is shown in English, and its values stand in the translation."""
    german = report(GERMAN, text)

    assert "lang=" not in german
    assert german != text
    assert german.count("7") == text.count("7")


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("no answer within 2.5 s", "keine Antwort innerhalb von 2.5 s"),
        ("uses 93% of its memory", "belegt 93% des Speichers"),
        (
            "0 of 2 pods are ready (ErrImagePull, OOMKilled)",
            "0 von 2 Pods sind bereit (ErrImagePull, OOMKilled)",
        ),
        (
            "auth could not handle 1 event, users refuses events that no service of ours signed",
            (
                "auth konnte 1 Ereignis nicht verarbeiten,"
                " users lehnt Ereignisse ab, die keiner unserer Dienste signiert hat"
            ),
        ),
        ("<b>, refuses connections", '<span lang="en">&lt;b&gt;, refuses connections</span>'),
    ],
)
def test_values(text: str, german: str) -> None:
    """They are kept; what no check of ours says stays in English."""
    assert report(GERMAN, text) == german
