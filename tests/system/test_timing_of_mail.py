"""Time tells nothing of whether an address is somebody's: neither an answer's, nor the next one's.

Mann-Whitney's U, whose z would be normal if times were the same. Four is exceeded by chance
once in 16,000 runs. Sending mail in the open, so to speak, gave the next answer a z of 6 to
12 with half as many samples.
"""

import math
import random
import time
from collections.abc import Callable, Sequence

from tests.system.edge import Answer, Edge, new_email
from tests.system.mailbox import Mailbox

Z_MAX = 4.0
PAIRS = 150


def _z(one: Sequence[float], other: Sequence[float]) -> float:
    ranked = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, start=1) if is_one)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _timed(ask: Callable[[bool], Answer], pairs: int) -> tuple[float, float]:
    """Asks both in a random order; returns how far answers, and answers to whoever came next, differ."""
    order = [True, False] * pairs
    random.shuffle(order)
    own: dict[bool, list[float]] = {True: [], False: []}
    after: dict[bool, list[float]] = {True: [], False: []}
    before = None
    for which in order:
        started = time.perf_counter()
        answer = ask(which)
        took = time.perf_counter() - started
        assert answer.outcome == (202, None)
        own[which].append(took)
        if before is not None:
            after[before].append(took)
        before = which
    return _z(own[True], own[False]), _z(after[True], after[False])


def test_forgot(edge: Edge) -> None:
    """A known and an unknown address."""
    emails = {True: edge.register().email, False: new_email()}

    answers, next_answers = _timed(
        lambda known: edge.post("/api/auth/password/forgot", json={"email": emails[known]}), PAIRS
    )

    assert abs(answers) < Z_MAX
    assert abs(next_answers) < Z_MAX


def test_resend(edge: Edge, mailbox: Mailbox) -> None:
    """It is for those who are signed in, about themselves: verified or not makes no difference either."""
    verified, unverified = edge.join(), edge.join()
    edge.post("/api/auth/email/verify", json={"token": mailbox.verification_token(verified.email)})
    tokens = {True: verified.access_token, False: unverified.access_token}

    answers, _ = _timed(lambda which: edge.post("/api/auth/email/resend", token=tokens[which]), PAIRS // 3)

    assert abs(answers) < Z_MAX
