"""Checks Redis or Valkey: `PING`, replication and memory, and the events that could not be handled.

By `hiredis` and a connection of our own (`chassis.redis_connection`): the client library would cost this
process 20 MB and a third of its start.
"""

import time
from collections.abc import Callable

import hiredis
from chassis.redis_connection import Command, RedisConnection, connect

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult

_FULL_SHARE = 0.9
_EVENTS = "vestibule:events"
_LIMIT_BYTES = 64 * 1024
_STATE: tuple[Command, ...] = (
    ("PING",),
    ("INFO", "replication"),
    ("INFO", "memory"),
    ("XINFO", "GROUPS", _EVENTS),
)


class RedisCheck:
    """Sends commands on a connection that is kept, and replaced when it breaks.

    Args:
        url: `redis://…` or `rediss://…`, with credentials and database.
        wake: Called when Redis ends the connection.
    """

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        self._url = url
        self._wake = wake
        self._connection: RedisConnection | None = None
        self._groups: list[str] = []

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 the caller enforces it
        """Checks once."""
        started = time.monotonic()
        try:
            if self._connection is None:
                self._connection = await connect(self._url, limit_bytes=_LIMIT_BYTES, on_end=self._wake)
            replies, problem = await self._ask_all(self._connection)
        except OSError as error:
            await self.close()
            return findings.unconnected(started, error, "redis")
        except hiredis.ReplyError as error:
            return _refused(error, started)
        except hiredis.ProtocolError as error:
            await self.close()
            return findings.down(started, "does not answer as Redis does", str(error))
        except BaseException:
            # Cancelled in the middle of a response: this connection cannot be used any more.
            await self.close()
            raise
        result = (
            _evaluate(replies, started) if problem is None else _evaluate_events(replies, problem, started)
        )
        if not result.success:
            await self.close()
        return result

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _ask_all(self, connection: RedisConnection) -> tuple[list[object], str | None]:
        """Returns the replies that say how Redis is, and what is wrong with the services' events.

        One round trip, with the consumer groups of the check before; a second one when they have changed.
        """
        known = self._groups
        replies = await _ask(connection, *_STATE, *_about(known))
        groups, about = replies[len(_STATE) - 1], replies[len(_STATE) :]
        if not isinstance(groups, list):  # There is no event stream.
            return replies[: len(_STATE) - 1], None
        self._groups = [str(_pairs(group).get("name", "")) for group in groups]
        if self._groups != known:
            about = await _ask(connection, *_about(self._groups)) if self._groups else []
        return replies[: len(_STATE) - 1], _event_problem(self._groups, about)


async def _ask(connection: RedisConnection, *commands: Command) -> list[object]:
    """Returns the replies with text instead of bytes; a refusal is one of them."""
    return [_text(reply) for reply in await connection.try_all(*commands)]


def _text(reply: object) -> object:
    if isinstance(reply, list):
        return [_text(each) for each in reply]
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def _evaluate(replies: list[object], started: float) -> CheckResult:
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            return _refused(reply, started)
    if replies[0] not in {"PONG", b"PONG"}:
        return findings.down(started, "does not answer as Redis does")
    facts = _facts(replies[1]) | _facts(replies[2])
    if facts.get("role") == "slave" and facts.get("master_link_status") != "up":
        return findings.degraded(started, "has lost the primary that it follows")
    limit, used = _number(facts, "maxmemory"), _number(facts, "used_memory")
    if limit and used > _FULL_SHARE * limit:
        return findings.degraded(started, f"uses {used / limit:.0%} of its memory")
    return findings.up(started)


def _about(groups: list[str]) -> list[Command]:
    """Returns what to ask about the events that consumer groups could not handle, two questions for each."""
    return [
        command
        for name in groups
        for command in (
            ("XLEN", f"vestibule:dead-letters:{name}"),
            ("GET", f"vestibule:refused-events:{name}"),
        )
    ]


def _event_problem(groups: list[str], about: list[object]) -> str | None:
    """Returns what is wrong with the services' events by the replies about them; None when nothing is."""
    found = []
    for name, letters, refused in zip(groups, about[::2], about[1::2], strict=True):
        if isinstance(letters, int) and letters > 0:
            found.append(f"{name} could not handle {letters} event{'s' if letters > 1 else ''}")
        if isinstance(refused, str):
            found.append(f"{name} refuses events that no service of ours signed")
    return ", ".join(found) or None


def _pairs(reply: object) -> dict[object, object]:
    """Returns a map in RESP2 form, in which names and values alternate."""
    return dict(zip(reply[::2], reply[1::2], strict=False)) if isinstance(reply, list) else {}


def _evaluate_events(replies: list[object], problem: str, started: float) -> CheckResult:
    """Returns the result of a Redis that works, but has events that a service cannot handle."""
    result = _evaluate(replies, started)
    if result.error is not None:
        return result
    return findings.degraded(started, problem, "python -m <service> events list")


def _refused(reply: hiredis.ReplyError, started: float) -> CheckResult:
    code = str(reply).partition(" ")[0]
    words = {
        "LOADING": "is loading its data",
        "NOAUTH": "refuses the credentials",
        "WRONGPASS": "refuses the credentials",
        "NOPERM": "refuses the role the right to ask",
    }
    return findings.down(started, words.get(code, "refuses the command"), code)


def _facts(reply: object) -> dict[str, str]:
    if not isinstance(reply, str):
        return {}
    lines = (line.partition(":") for line in reply.splitlines())
    return {name: value for name, separator, value in lines if separator}


def _number(facts: dict[str, str], name: str) -> int:
    value = facts.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else 0
