"""Checks Qdrant by its HTTP API: readiness, and required collections."""

import asyncio
import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from chassis.http.client import NotHttp, Progress, Response, TooLarge, exchange

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult

Value = TypeVar("Value")

_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# From best to worst; `grey` means that optimisation is pending.
_STATUSES = ("green", "grey", "yellow", "red")


class _NotQdrantError(Exception):
    """The response is not from Qdrant."""


class QdrantCheck:
    """Requests `/readyz`, then the status of each collection.

    Args:
        url: URL of Qdrant's HTTP API.
        api_key: Sent with every request.
        collections: Names of required collections; when empty, the list of all is requested.
    """

    def __init__(self, url: str, api_key: str | None = None, collections: Sequence[str] = ()) -> None:
        self._url = url.rstrip("/")
        self._headers = {"api-key": api_key} if api_key else {}
        self._collections = tuple(collections)

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 the caller enforces it
        """Checks once."""
        started = time.monotonic()
        try:
            ready = await self._get("/readyz")
            if ready.status != HTTPStatus.OK:
                return findings.down(started, "says it is not ready", f"{self._url}: {ready.status}")
            return await self._check_collections(started)
        except OSError as error:
            return findings.unconnected(started, error, self._url)
        except TooLarge:
            return findings.down(started, "answers more than 64 KiB", self._url)
        except NotHttp as error:
            return findings.down(started, "does not answer in HTTP", f"{self._url}: {error}")
        except _NotQdrantError as error:
            return findings.down(started, "does not answer as Qdrant does", f"{self._url}: {error}")

    async def close(self) -> None:
        """Does nothing: no connection outlives a check."""

    async def _check_collections(self, started: float) -> CheckResult:
        paths = [f"/collections/{quote(name, safe='')}" for name in self._collections] or ["/collections"]
        answers = await asyncio.gather(*(self._get(path) for path in paths))
        if any(answer.status in _REFUSALS for answer in answers):
            return findings.down(started, "refuses the credentials", self._url)
        if not self._collections:
            _member(_result(answers[0]), "collections", list)
            return findings.up(started)
        found = dict(zip(self._collections, answers, strict=True))
        missing = [name for name, answer in found.items() if answer.status == HTTPStatus.NOT_FOUND]
        if missing:
            return findings.down(started, f"lacks {len(missing)} of its collections", ", ".join(missing))
        return _evaluate([_member(_result(answer), "status", str) for answer in answers], started)

    async def _get(self, path: str) -> Response:
        return await exchange(f"{self._url}{path}", progress=Progress(), headers=self._headers)


def _result(answer: Response) -> object:
    if answer.status != HTTPStatus.OK:
        raise _NotQdrantError(f"status {answer.status}")
    try:
        body = json.loads(answer.body)
    except ValueError as error:
        raise _NotQdrantError("not JSON") from error
    return body.get("result") if isinstance(body, dict) else None


def _member(result: object, name: str, kind: type[Value]) -> Value:
    value = result.get(name) if isinstance(result, dict) else None
    if not isinstance(value, kind):
        raise _NotQdrantError(f"no {name}")
    return value


def _evaluate(statuses: Sequence[str], started: float) -> CheckResult:
    unknown = [status for status in statuses if status not in _STATUSES]
    if unknown:
        raise _NotQdrantError("a status that is not known")
    detail = ", ".join(statuses)
    match max(statuses, key=_STATUSES.index):
        case "red":
            return findings.down(started, "has a broken collection", detail)
        case "yellow":
            return findings.degraded(started, "is optimising a collection", detail)
        case _:
            return findings.up(started)
