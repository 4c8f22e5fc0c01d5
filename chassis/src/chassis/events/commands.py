"""The operator's command for dead letters: `python -m <service> events list | requeue | drop`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from chassis.events import dead_letters, stream
from chassis.events.dead_letters import DeadLetter
from chassis.redis import explain
from chassis.redis_connection import FAILURES, RedisConnection, open_connection

ALL = "all"

_SHOWN = 80


def main(arguments: Sequence[str], *, group: str, redis_url: str) -> int:
    """Runs one command; returns the exit status: 1 when an id is unknown, 2 when Redis cannot be asked."""
    parser = argparse.ArgumentParser(prog=f"python -m {group.replace('-', '_')} events", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    actions.add_parser("list", help="list dead letters with their reasons")
    for action, words in (
        ("requeue", "publish events again, once the cause is fixed"),
        ("drop", "delete events for good"),
    ):
        chosen = actions.add_parser(action, help=words)
        chosen.add_argument("letters", nargs="+", metavar="id", help=f"as `list` shows them, or `{ALL}`")
    asked = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(asked, group, redis_url))
    except FAILURES as error:
        print(f"Redis cannot be asked: {explain(error)}", file=sys.stderr)  # noqa: T201
        return 2


async def _run(asked: argparse.Namespace, group: str, redis_url: str) -> int:
    async with open_connection(redis_url, timeout_seconds=5.0, client_name=f"{group}-operator") as redis:
        letters = await dead_letters.listed(redis, group)
        if asked.action == "list":
            return _show(letters)
        return await _act(redis, asked, group, letters)


def _show(letters: Sequence[DeadLetter]) -> int:
    for letter in letters:
        print(  # noqa: T201
            f"{letter.letter_id}  {letter.at:%Y-%m-%dT%H:%M:%SZ}  {letter.kind}  {_plain(letter.event_id)}"
            f" of {_plain(letter.source)}  {_plain(letter.reason)}, tries: {letter.tries}"
        )
    print(f"{len(letters)} dead letters")  # noqa: T201
    return 0


def _plain(text: str) -> str:
    """Returns text that is safe for a terminal: anyone with access to Redis can forge a letter."""
    return (
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:_SHOWN]) or "?"
    )


async def _act(
    redis: RedisConnection, asked: argparse.Namespace, group: str, letters: Sequence[DeadLetter]
) -> int:
    chosen = [letter for letter in letters if ALL in asked.letters or letter.letter_id in asked.letters]
    unknown = set(asked.letters) - {ALL} - {letter.letter_id for letter in letters}
    if unknown:
        print(f"no such dead letter: {', '.join(sorted(unknown))}", file=sys.stderr)  # noqa: T201
        return 1
    empty = [letter.letter_id for letter in chosen if stream.FIELD not in letter.fields]
    if empty and asked.action == "requeue":
        print(f"no event is in: {', '.join(empty)}; drop them", file=sys.stderr)  # noqa: T201
        return 1
    await (dead_letters.requeue if asked.action == "requeue" else dead_letters.drop)(redis, group, chosen)
    print(f"{len(chosen)} {'sent again' if asked.action == 'requeue' else 'dropped'}")  # noqa: T201
    return 0
