"""Answers in this gateway's memory: per principal and request, under tags that events drop.

An answer is never older than its bound, whatever happens. One that was being fetched when
an event made its tags stale is not kept: it may have been read before the change.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge

Value = TypeVar("Value")

ENTRIES_MAX = 50_000

_LOOKUPS = Counter("gateway_cache_lookups_total", "Look-ups in the near cache.", ["outcome"])
_HITS, _MISSES = _LOOKUPS.labels("hit"), _LOOKUPS.labels("miss")
_DROPPED = Counter("gateway_cache_dropped_total", "Answers dropped because an event made them stale.")
_ENTRIES = Gauge("gateway_cache_entries", "Answers in the near cache.")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    tags: tuple[str, ...]
    expires_at: float


class Fetch:
    """An answer on its way; `stale` once an event has touched its tags."""

    __slots__ = ("began_at", "stale", "tags")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.tags = tags
        # From here on the truth may be another, however long the answer takes to come.
        self.began_at = time.monotonic()
        self.stale = False


class NearCache(Generic[Value]):
    """Keeps answers, the least recently used forgotten first."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()
        self._keys: dict[str, set[Hashable]] = {}
        self._fetches: dict[str, set[Fetch]] = {}
        _ENTRIES.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Value | None:
        """Returns an answer that is still good."""
        entry = self._entries.get(key)
        if entry is None:
            _MISSES.inc()
            return None
        if time.monotonic() >= entry.expires_at:
            self._remove(key)
            _MISSES.inc()
            return None
        self._entries.move_to_end(key)
        _HITS.inc()
        return entry.value

    def begin(self, tags: tuple[str, ...]) -> Fetch:
        """Announces a fetch, before it is sent; end it with `keep` or `forget`."""
        fetch = Fetch(tags)
        for tag in tags:
            self._fetches.setdefault(tag, set()).add(fetch)
        return fetch

    def keep(self, fetch: Fetch, key: Hashable, value: Value, *, seconds: float) -> None:
        """Ends a fetch and keeps its answer, unless it may be stale already."""
        self.forget(fetch)
        if fetch.stale:
            return
        self._remove(key)
        self._entries[key] = _Entry(value, fetch.tags, fetch.began_at + seconds)
        for tag in fetch.tags:
            self._keys.setdefault(tag, set()).add(key)
        if len(self._entries) > self._entries_max:
            self._remove(next(iter(self._entries)))

    def forget(self, fetch: Fetch) -> None:
        """Ends a fetch."""
        for tag in fetch.tags:
            fetches = self._fetches.get(tag)
            if fetches is not None:
                fetches.discard(fetch)
                if not fetches:
                    del self._fetches[tag]

    def drop(self, tags: Iterable[str]) -> None:
        """Drops what stands under any of the tags, and keeps nothing that is on its way."""
        for tag in tags:
            for fetch in self._fetches.get(tag, ()):
                fetch.stale = True
            for key in list(self._keys.get(tag, ())):
                self._remove(key)
                _DROPPED.inc()

    def clear(self) -> None:
        """Drops everything: events may have been missed."""
        for fetches in self._fetches.values():
            for fetch in fetches:
                fetch.stale = True
        self._entries.clear()
        self._keys.clear()

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for tag in entry.tags:
            keys = self._keys.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[tag]
