"""One user who reads at a fixed rate."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.history import History, now
from tests.faults.ingress import Ingress
from tests.faults.system_under_load import SystemUnderLoad

READERS = 12
READS_PER_SECOND = 300


@contextmanager
def reading(
    running: SystemUnderLoad, history: History, per_second: float = READS_PER_SECOND
) -> Iterator[None]:
    """Lets the admin read at a fixed rate, over several connections."""
    stop = threading.Event()
    email, password = running.stack.admin
    ingress = Ingress(running.stack.base_urls, History(), "reader")
    _, tokens = ingress.call("login", "POST", "/api/auth/login", body={"email": email, "password": password})
    ingress.close()

    def read(number: int) -> None:
        own = Ingress(running.stack.base_urls, history, f"reader-{number}")
        token = tokens["access_token"]
        due = now() + number / per_second
        while not stop.is_set():
            time.sleep(max(0.0, due - now()))
            own.call("read", "GET", "/api/users/me", token=token, sent={"token": token})
            due += READERS / per_second
        own.close()

    threads = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
