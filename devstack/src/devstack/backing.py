"""What a stack finds when it starts: servers of others, and processes of a stack that was killed."""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import redis

from devstack.database import Database
from devstack.plan import MARK, TOPOLOGY_FILE
from devstack.program import ProgramError
from devstack.topology_file import read_pids

LEFTOVER_SECONDS = 20.0

Result = TypeVar("Result")


def run(work: Coroutine[object, object, Result]) -> Result:
    """Runs a coroutine to its end on a loop of its own, whether or not one runs here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def check_redis(url: str) -> None:
    """Checks that a Redis that we did not start answers.

    Raises:
        ProgramError: it is not.
    """
    try:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise ProgramError(f"REDIS_URL ({_place(url)}) does not answer: {_line(error)}") from error


def provision(database: Database, name: str) -> None:
    """Makes roles and schemas.

    Args:
        database: Where.
        name: What to call it in messages.

    Raises:
        ProgramError: it is not there, or refuses.
    """
    try:
        run(database.provision())
    except asyncpg.InsufficientPrivilegeError as error:
        raise ProgramError(f"{name}: its role may not create roles and schemas: {_line(error)}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError, TimeoutError) as error:
        raise ProgramError(f"{name} ({_place(database.admin_url)}) cannot be used: {_line(error)}") from error


def end_leftovers(folder: Path) -> None:
    """Ends the processes of a stack in this folder that lost its supervisor and did not stop by itself."""
    file = folder / TOPOLOGY_FILE
    leftovers = [pid for pid in read_pids(file) if _is_ours(pid, folder)]
    for number in (signal.SIGINT, signal.SIGKILL):
        for pid in leftovers:
            _send(pid, number)
        deadline = time.monotonic() + LEFTOVER_SECONDS / 2
        while leftovers and time.monotonic() < deadline:
            time.sleep(0.05)
            leftovers = [pid for pid in leftovers if _is_ours(pid, folder)]


def _is_ours(pid: int, folder: Path) -> bool:
    """Says whether a process belongs to the stack in a folder: process ids are used again after a while."""
    try:
        process = Path("/proc") / str(pid)
        environment = (process / "environ").read_bytes().split(b"\0")
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    inside = os.fsencode(folder) + b"/"
    return f"{MARK}={folder}".encode() in environment or any(part.startswith(inside) for part in arguments)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "not a URL"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
