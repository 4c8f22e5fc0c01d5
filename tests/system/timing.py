"""One statistic for tests of response times: do two kinds of call differ in them?

Calls of both kinds come in a random order, so that whatever else the machine does meets both. Their
times are compared in two ways: by the sum of ranks (Mann and Whitney), which sees a difference in
general, and by the mean of the quickest tenth, which sees a small one behind much noise, because noise
only ever adds. They differ when chance does so less than once in 5,000: when no redistribution of the
same times that is tried comes near. A test asks twice before it complains.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

REDISTRIBUTIONS = 5_000
_QUICKEST = 10
"""The quickest tenth of the samples counts."""

Times = Sequence[float]


@dataclass
class Samples:
    """Seconds that calls of two kinds took, and those that followed each kind."""

    own: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    after: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})


def sampled(call: Callable[[bool], object], pairs: int) -> Samples:
    """Makes `pairs` calls of each kind, in a random order."""
    order = [True, False] * pairs
    random.shuffle(order)
    samples, before = Samples(), None
    for kind in order:
        started = time.perf_counter()
        call(kind)
        took = time.perf_counter() - started
        samples.own[kind].append(took)
        if before is not None:
            samples.after[before].append(took)
        before = kind
    return samples


def differ(kinds: dict[bool, list[float]]) -> bool:
    """Says whether the times of two kinds differ by more than chance."""
    one, other = kinds[True], kinds[False]
    ordered = sorted([*one, *other])
    rank = {value: position for position, value in enumerate(ordered)}
    ranks = [rank[value] for value in (*one, *other)]
    by_quickest = partial(_by_quickest, ordered)
    return any(_is_rare(ranks, len(one), statistic) for statistic in (_by_ranks, by_quickest))


def _is_rare(ranks: list[int], count: int, statistic: Callable[[list[int], list[int]], float]) -> bool:
    observed = abs(statistic(ranks[:count], ranks[count:]))
    mixed = list(ranks)
    for _ in range(REDISTRIBUTIONS):
        random.shuffle(mixed)
        if abs(statistic(mixed[:count], mixed[count:])) >= observed:
            return False
    return True


def _by_ranks(one: list[int], other: list[int]) -> float:
    return sum(one) / len(one) - sum(other) / len(other)


def _by_quickest(ordered: Times, one: list[int], other: list[int]) -> float:
    return _quickest(ordered, one) - _quickest(ordered, other)


def _quickest(ordered: Times, ranks: list[int]) -> float:
    quickest = sorted(ranks)[: max(1, len(ranks) // _QUICKEST)]
    return sum(ordered[rank] for rank in quickest) / len(quickest)
