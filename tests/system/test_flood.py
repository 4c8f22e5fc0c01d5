"""More sign-ins than can be hashed are refused at once with `Retry-After`, and reads go on.

`make bench-flood` measures what is only shown here.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.client import Answer, Client, User

AT_A_TIME = 36 * len(os.sched_getaffinity(0))
"""More than hashing threads and their queue accept: 33 per core."""

EACH = 4
"""Simultaneous sign-ins of one user: fewer than the login throttle allows."""

WITHIN_SECONDS = 40.0


@pytest.mark.nightly
def test_logins_beyond_the_queue(client: Client) -> None:
    """Each is answered with a session or 503; a refusal does not wait for the sign-ins before it."""
    users = [client.join() for _ in range(AT_A_TIME // EACH)]
    ada = users[0]
    refused = threading.Event()
    deadline = time.monotonic() + WITHIN_SECONDS

    def log_in(number: int) -> list[tuple[float, Answer]]:
        user, answers = users[number // EACH], []
        while not refused.is_set() and time.monotonic() < deadline:
            answer = client.post("/api/auth/login", json={"email": user.email, "password": user.password})
            answers.append((time.monotonic(), answer))
            if answer.status == 503:
                refused.set()
        return answers

    with ThreadPoolExecutor(AT_A_TIME + 1) as pool:
        reads = pool.submit(_read_until, refused, client, ada, deadline)
        logins = [each for answers in pool.map(log_in, range(AT_A_TIME)) for each in answers]

    outcomes = [answer.outcome for _, answer in logins]
    assert set(outcomes) == {(200, None), (503, "UNAVAILABLE")}
    # `Client.call` has checked `Retry-After`.
    first_refusal = min(at for at, answer in logins if answer.status == 503)
    assert first_refusal < max(at for at, answer in logins if answer.status == 200)
    assert {answer.status for answer in reads.result()} == {200}
    client.sign_in(ada)


def _read_until(over: threading.Event, client: Client, user: User, deadline: float) -> list[Answer]:
    """Reads at least once, and as long as the flood lasts."""
    answers = [client.who(user.access_token)]
    while not over.is_set() and time.monotonic() < deadline:
        answers.append(client.who(user.access_token))
    return answers
