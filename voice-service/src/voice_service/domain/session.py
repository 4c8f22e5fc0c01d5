"""A session: what a client sends, how fast, and how it is audited."""

from dataclasses import field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.caller import Caller

from chassis import ids

_AHEAD_MS_MAX = 30_000
_SPEED_MAX = 4
_MESSAGE_MS_MIN = 10


@dataclass(frozen=True, slots=True)
class Start:
    """Begins a session.

    Attributes:
        language: The language spoken, by BCP 47.
    """

    language: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Ends a session."""


Message = Start | Finish | bytes
"""What a client sends: audio as bytes."""


@dataclass(slots=True)
class Pace:
    """Bounds how fast audio is taken in: 30 s at once, then four times as fast as it was spoken.

    Attributes:
        began_at: When the session began, in seconds of a monotonic clock.
        taken_ms: Length of what was taken in.
    """

    began_at: float
    taken_ms: int = 0

    def seconds_to_wait(self, audio_ms: int, now: float) -> float:
        """Takes in audio of this length; returns how long the next has to wait.

        A message counts as 10 ms at least, so that tiny ones cannot keep the process busy.
        """
        self.taken_ms += max(audio_ms, _MESSAGE_MS_MIN)
        allowed_ms = _AHEAD_MS_MAX + (now - self.began_at) * 1000 * _SPEED_MAX
        return max(0.0, (self.taken_ms - allowed_ms) / 1000 / _SPEED_MAX)


class Action(StrEnum):
    """What a session was for."""

    TRANSCRIBE = "voice.transcribe"
    SPEAK = "voice.speak"
    CONVERSE = "voice.converse"


class Outcome(StrEnum):
    """How a session ended."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(slots=True)
class Session:
    """One session, as it is audited: by id, length and outcome, never by what was said.

    Attributes:
        action: What it was for.
        caller: Who had it.
        id: Identifies it.
        outcome: How it ended; a session that the client leaves was a success as far as it went.
        ended_by: `finished`, `client_left`, or the code of the error that ended it.
        amounts: How much it carried, such as `audio_ms`.
    """

    action: Action
    caller: Caller
    id: UUID = field(default_factory=ids.uuid7)
    outcome: Outcome = Outcome.SUCCESS
    ended_by: str = "client_left"
    amounts: dict[str, int] = field(default_factory=dict)


class AuditTrail(Protocol):
    """Where sessions are audited."""

    def record(self, session: Session) -> None:
        """Records a session that has ended; returns at once."""
        ...
