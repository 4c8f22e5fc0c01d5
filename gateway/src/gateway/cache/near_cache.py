"""Responses in this gateway's memory, per caller and request, under tags that events invalidate.

A response is never older than its lifetime. One that was being fetched when an event invalidated its
tags is not cached: it may have been read before the change.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from chassis.dataclass import dataclass
from prometheus_client import Counter, Gauge

Value = TypeVar("Value")

ENTRIES_MAX = 50_000

_LOOKUPS = Counter("gateway_cache_lookups_total", "Look-ups in the near cache.", ["outcome"])
_HITS, _MISSES = _LOOKUPS.labels("hit"), _LOOKUPS.labels("miss")
_DROPPED = Counter("gateway_cache_dropped_total", "Responses dropped because an event invalidated them.")
_ENTRIES = Gauge("gateway_cache_entries", "Responses in the near cache.")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    tags: tuple[str, ...]
    expires_at: float


class Fetch:
    """A response being fetched; `stale` once an event has invalidated its tags."""

    __slots__ = ("began_at", "stale", "tags")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.tags = tags
        # The lifetime counts from here: the data may change while the response is under way.
        self.began_at = time.monotonic()
        self.stale = False


class NearCache(Generic[Value]):
    """Caches responses; evicts the least recently used."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()
        self._keys: dict[str, set[Hashable]] = {}
        self._fetches: dict[str, set[Fetch]] = {}
        _ENTRIES.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, key: Hashable) -> Value | None:
        """Returns what `get` would return, but does not count as a look-up."""
        entry = self._entries.get(key)
        return None if entry is None or time.monotonic() >= entry.expires_at else entry.value

    def get(self, key: Hashable) -> Value | None:
        """Returns a cached response; None if there is none within its lifetime."""
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
        """Begins a fetch, before the call is made; end it with `put` or `cancel`."""
        fetch = Fetch(tags)
        for tag in tags:
            self._fetches.setdefault(tag, set()).add(fetch)
        return fetch

    def put(self, fetch: Fetch, key: Hashable, value: Value, *, seconds: float) -> None:
        """Ends a fetch and caches its response, unless it may be stale."""
        self.cancel(fetch)
        if fetch.stale:
            return
        self._remove(key)
        self._entries[key] = _Entry(value, fetch.tags, fetch.began_at + seconds)
        for tag in fetch.tags:
            self._keys.setdefault(tag, set()).add(key)
        if len(self._entries) > self._entries_max:
            self._remove(next(iter(self._entries)))

    def cancel(self, fetch: Fetch) -> None:
        """Ends a fetch without a response."""
        for tag in fetch.tags:
            fetches = self._fetches.get(tag)
            if fetches is not None:
                fetches.discard(fetch)
                if not fetches:
                    del self._fetches[tag]

    def drop(self, tags: Iterable[str]) -> None:
        """Drops all entries with any of the tags, and marks such fetches as stale."""
        for tag in tags:
            for fetch in self._fetches.get(tag, ()):
                fetch.stale = True
            for key in list(self._keys.get(tag, ())):
                self._remove(key)
                _DROPPED.inc()

    def clear(self) -> None:
        """Drops everything: events may have been lost."""
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
