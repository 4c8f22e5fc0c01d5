"""Answering a question from passages that the caller may see, with citations."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

import structlog
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from knowledge_service.domain.answer_observer import AnswerObserver, Outcome
from knowledge_service.domain.citations import CitationReader
from knowledge_service.domain.language_model import (
    AnswerTooLong,
    LanguageModel,
    LanguageModelTooSlow,
    Prompt,
    prompt,
)
from knowledge_service.usecases.search import RankedPassage, SearchPassages, SearchResult

log = structlog.get_logger()

TRUNCATED = " …"
"""What an answer that reached its limit ends with."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that the words before it cite."""

    number: int
    passage: RankedPassage


AnswerEvent: TypeAlias = SearchResult | str | Citation


class Answer(Component):
    """Streams the passages, then the words of the language model and what they cite.

    Attributes:
        model: None when none is configured: the passages are the answer.
    """

    search_passages: SearchPassages
    model: LanguageModel | None
    observer: AnswerObserver

    async def __call__(self, *, caller: Caller, query: str, limit: int) -> AsyncGenerator[AnswerEvent, None]:
        """Yields the parts of the answer. Closing the generator stops the model.

        Raises:
            Unavailable: the index could not be reached; or, after the passages, the model.
            DeadlineExceeded: the model did not write in time.
        """
        result = await self.search_passages(caller=caller, query=query, limit=limit)
        asked = prompt(query, [each.found for each in result.passages], secrets.token_hex(16))
        reader, outcome = CitationReader(asked.numbers), Outcome.ABANDONED
        try:
            yield result
            if self.model is None:
                outcome = Outcome.PASSAGES_ONLY
            elif not result.passages:
                outcome = Outcome.NOTHING_FOUND
            else:
                async with aclosing(self._write(self.model, asked, reader)) as pieces:
                    async for piece in pieces:
                        yield Citation(piece, result.passages[piece - 1]) if isinstance(piece, int) else piece
                outcome = Outcome.ANSWERED
        except AnswerTooLong:
            yield TRUNCATED
            outcome = Outcome.TRUNCATED
        except ServiceError as error:
            slow = isinstance(error, LanguageModelTooSlow)
            outcome = Outcome.TOO_SLOW if slow else Outcome.UNAVAILABLE
            log.warning("answer ended by an error", reason=error.reason, error=type(error.__cause__).__name__)
            raise
        finally:
            self.observer.ended(outcome, reader.dropped)

    async def _write(
        self, model: LanguageModel, asked: Prompt, reader: CitationReader
    ) -> AsyncGenerator[str | int, None]:
        """Yields the model's words, and the number of each passage after the words that cite it."""
        begin, begun = time.monotonic(), False
        async with aclosing(model.write(asked)) as parts:
            async for part in parts:
                if not begun:
                    self.observer.begun(time.monotonic() - begin)
                    begun = True
                for piece in reader.read(part):
                    yield piece
        if rest := reader.rest():
            yield rest
